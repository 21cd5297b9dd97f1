"""The objects that a command is to change: from files, by name, by selector, or all of a kind."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from api.errors import ApiError
from api.kinds import Kind
from cli.command import Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, switch
from cli.manifests import FILENAME, RECURSIVE, from_flags
from cli.resources import SELECTOR, scope, wanted
from cli.wording import of_error
from cli.writing import settle

ALL = switch("all", "All objects of the kind in the namespace.")
LOCAL = switch("local", "Change what the files say, and ask no server.")
WHICH: tuple[Flag, ...] = (FILENAME, RECURSIVE, SELECTOR)
Found = tuple[Kind, Any]  # the object as it is on the server


def named(session: Session, words: Sequence[str], *, whole_kinds: bool = False) -> list[Found]:
    """Raises UsageError when nothing is named. `whole_kinds`: a kind without a name means all its objects."""
    flags = session.flags
    if is_local(session):
        return _in_files(session, words)
    server = session.server
    if flags.many("filename"):
        manifests = from_flags(flags)
        settle(session, manifests)
        return [(m.kind, server.get(m.kind, m.name, m.namespace)) for m in manifests]
    wants = wanted(words)
    if not wants:
        raise UsageError(
            "one or more resources must be specified as <resource> <name> or <resource>/<name>"
        )
    selected = whole_kinds or _selected(session)
    found: list[Found] = []
    for want in wants:
        namespace = scope(session, want.kind)
        found += [(want.kind, server.get(want.kind, name, namespace)) for name in want.names]
        if not want.names and not selected:
            raise UsageError(
                "resource(s) were provided, but no name was specified: name them, or use -l or --all"
            )
        if not want.names:
            listed, _ = server.list(
                want.kind, namespace, labels=flags.text("selector"), fields=_fields(session)
            )
            found += [(want.kind, obj) for obj in listed]
    if not found:
        raise CommandError("no matching resources found")
    return found


def _selected(session: Session) -> bool:
    flags = session.flags
    everything = "all" in flags.known and flags.on("all")
    return everything or flags.given("selector") or bool(_fields(session))


def _fields(session: Session) -> str:
    flags = session.flags
    return flags.text("field-selector") if "field-selector" in flags.known else ""


def is_local(session: Session) -> bool:
    """Raises UsageError when --local contradicts itself."""
    flags = session.flags
    if "local" not in flags.known or not flags.on("local"):
        return False
    if flags.text("dry-run") == "server":
        raise UsageError(
            "cannot specify --local and --dry-run=server - did you mean --dry-run=client?"
        )
    return True


def _in_files(session: Session, words: Sequence[str]) -> list[Found]:
    if words or not session.flags.many("filename"):
        raise UsageError(
            "you must specify resources by --filename when --local is set: -f web.yaml"
        )
    return [(manifest.kind, manifest.object) for manifest in from_flags(session.flags)]


def each(session: Session, found: Iterable[Found], act: Callable[[Kind, Any], None]) -> int:
    """Does `act` to each; what goes wrong with one does not stop the others. Returns the exit code."""
    code = 0
    for kind, obj in found:
        try:
            act(kind, obj)
        except (ApiError, CommandError) as error:
            ours = isinstance(error, CommandError)
            session.warn(f"error: {error}" if ours else of_error(error))
            code = 1
    return code
