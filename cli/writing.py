"""What the commands that write have in common: --dry-run, how results are told, and complaints mapped to files."""

from collections.abc import Callable, Iterable
from typing import Any

from api.client import PATCH_TYPES
from api.errors import ApiError, Cause, Invalid
from cli import exposed
from cli.command import Session
from cli.connection import Unreachable
from cli.errors import Exit, UsageError
from cli.flags import Flag
from cli.manifests import Manifest, ManifestError, from_flags, refusal
from cli.output import chosen
from cli.resources import qualified
from cli.wording import of_error, suffix

DRY_RUN = Flag(
    "dry-run", "none, server (all checks, nothing is stored) or client (nobody is asked).",
    default="none", bare="unchanged",
)  # fmt: skip
NEWLY_WRITTEN = ("created", "configured", "replaced", "env updated")
FORCE_HINT = "--dry-run takes client, server or none: --dry-run=server"


def dry_run(session: Session) -> str:
    """ "none", "client" or "server"."""
    value = session.flags.text("dry-run")
    if value == "unchanged":
        raise UsageError(f"which dry run? {FORCE_HINT}")
    if value not in ("none", "client", "server"):
        raise UsageError(f'Invalid dry-run value ({value}). Must be "none", "server", or "client".')
    return value


def tell(session: Session, kind: Any, obj: Any, done: str) -> None:
    """`pod/web created`, or, with -o, the object."""
    output = chosen.read(session.flags.text("output"), tables=False)
    if output.form == "name":
        session.say(qualified(kind, obj.metadata.name))
    elif output.form:
        from api.jsonform import to_json

        if output.form == "yaml" and session.told:
            session.say("---")
        chosen.write(output, to_json(obj))
    else:
        mode = session.flags.text("dry-run") if "dry-run" in session.flags.known else "none"
        session.say(f"{qualified(kind, obj.metadata.name)} {done}{suffix(mode)}")
        if done in NEWLY_WRITTEN and (said := exposed.warning(obj)):
            session.warn(said)
    session.told += 1


def patched(session: Session, kind: Any, obj: Any, patch: dict[str, Any]) -> Any:
    """The object after a strategic patch, which is sent unless this is a dry run of the client's."""
    import json

    mode, meta = dry_run(session), obj.metadata
    if mode == "client":
        return locally(kind, obj, patch)
    return session.server.patch(
        kind, meta.name, meta.namespace, json.dumps(patch).encode(), PATCH_TYPES["strategic"],
        dry_run=mode == "server",
    )  # fmt: skip


def locally(kind: Any, obj: Any, patch: dict[str, Any]) -> Any:
    """What a strategic patch makes of the object. Raises Invalid when that is no object of the kind any more."""
    from api.jsonform import from_json, to_json
    from api.patch import strategic_patch

    after, causes = from_json(kind.message, strategic_patch(to_json(obj), patch, kind.message))
    if causes:
        raise Invalid.because(kind.name, obj.metadata.name, causes)
    return after


def settle(session: Session, manifests: Iterable[Manifest]) -> None:
    """Gives each manifest its namespace."""
    for manifest in manifests:
        manifest.settle_namespace(session.namespace, insist=session.flags.given("namespace"))


# Tries to write a manifest as a dry run, given all the others that come with it.
Attempt = Callable[[Manifest, list[Manifest]], Any]


def read(session: Session, attempt: Attempt) -> list[Manifest]:
    """The manifests that -f names, each with its namespace. Raises ManifestError with all that is wrong.

    When the files alone show mistakes, the server is still asked about the rest of them (by `attempt`, a dry run),
    so that one look shows everything.
    """
    try:
        manifests = from_flags(session.flags)
        settle(session, manifests)
    except ManifestError as error:
        drafts = list(error.drafts)
        if dry_run(session) != "client":
            settle(session, drafts)
            for draft in drafts:
                draft.causes = [*draft.causes, *_more(draft, drafts, attempt)]
        raise refusal(error.hopeless, drafts) from None
    return manifests


def _more(draft: Manifest, others: list[Manifest], attempt: Attempt) -> list[Cause]:
    """What the server finds wrong, beyond what is known."""
    known = {cause.field for cause in draft.causes}
    try:
        attempt(draft, others)
    except Invalid as invalid:
        return [cause for cause in invalid.causes if cause.field not in known]
    except (ApiError, Unreachable):
        pass  # that would be the next problem; the files come first
    return []


def each(session: Session, manifests: Iterable[Manifest], act: Callable[[Manifest], None]) -> int:
    """Does `act` to each; a refusal of one does not stop the others. Returns the exit code."""
    code = 0
    for manifest in manifests:
        try:
            act(manifest)
        except ApiError as error:
            session.warn(in_its_file(manifest, error))
            code = 1
    return code


def in_its_file(manifest: Manifest, error: ApiError) -> str:
    """The server's refusal with the places in the file that it is about."""
    if isinstance(error, Invalid) and error.causes:
        return "\n".join(manifest.complaints(error.causes))
    return f'{of_error(error)} (from "{manifest.source}")'


def check_all(
    session: Session, manifests: list[Manifest], attempt: Callable[[Manifest], None]
) -> None:
    """Tries every write as a dry run, so that nothing is half applied. Raises Exit after saying all refusals."""
    refused = []
    for manifest in manifests:
        try:
            attempt(manifest)
        except ApiError as error:
            refused.append(in_its_file(manifest, error))
    if not refused:
        return
    if len(manifests) > 1:
        refused.insert(0, f"Nothing was done, because {_count(len(refused))} refused:")
    session.warn("\n".join(refused))
    raise Exit(1)


def _count(number: int) -> str:
    return "one object is" if number == 1 else f"{number} objects are"
