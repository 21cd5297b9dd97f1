"""`helmling delete`: asks for the end of objects and, unless told otherwise, waits until they are gone."""

from dataclasses import dataclass
from typing import Any

from api.errors import ApiError, NotFound
from api.kinds import Kind
from cli.command import Command, Session
from cli.errors import UsageError
from cli.flags import Flag, duration, switch
from cli.manifests import FILENAME, RECURSIVE, from_flags
from cli.output.chosen import OUTPUT
from cli.resources import ALL_NAMESPACES, FIELD_SELECTOR, SELECTOR, Wanted, qualified, scope, wanted
from cli.watching import Deadline, gone
from cli.wording import of_error
from cli.writing import DRY_RUN, dry_run, settle
from proto.v1.meta_pb2 import DeleteOptions

CASCADES = {
    "background": "Background",
    "true": "Background",
    "foreground": "Foreground",
    "orphan": "Orphan",
    "false": "Orphan",
}
FLAGS = (
    FILENAME,
    RECURSIVE,
    SELECTOR,
    FIELD_SELECTOR,
    ALL_NAMESPACES,
    DRY_RUN,
    OUTPUT,
    switch("all", "Delete all objects of the kind in the namespace."),
    switch("now", "Give them one second to end (like --grace-period=1)."),
    switch("force", "Remove pods at once, without waiting for their node's word. They may go on running."),
    Flag("grace-period", "Seconds to end in; -1: as they wish. 0 needs --force.", form="number", default="-1"),
    switch("wait", "Wait until they are gone.", default=True),
    duration("timeout", "How long to wait: 30s, 2m; 0: as long as it takes.", "0s"),
    Flag("cascade", "Of what they own: background, orphan or foreground.", default="background", bare="background"),
    switch("ignore-not-found", "It is no error if an object does not exist; with --all or -l it never is."),
)  # fmt: skip
IMMEDIATE = (
    "Warning: Immediate deletion does not wait for confirmation that the running resource has been "
    "terminated. The resource may continue to run on the cluster indefinitely."
)


@dataclass(frozen=True, slots=True)
class Doomed:
    kind: Kind
    namespace: str
    name: str


def run(session: Session) -> int | None:
    options = _options(session)
    mode = dry_run(session)
    doomed = _from_files(session) if session.flags.many("filename") else _from_words(session)
    if session.flags.on("force") and options.gracePeriodSeconds == 0 and mode == "none":
        session.warn(IMMEDIATE)
    return remove(session, doomed, options, mode)


def _options(session: Session) -> Any:
    flags = session.flags
    grace = flags.number("grace-period")
    assert grace is not None
    if flags.on("now"):
        if flags.given("grace-period"):
            raise UsageError("--now and --grace-period cannot be specified together")
        grace = 1
    if flags.on("force"):
        if grace > 0:
            raise UsageError(
                "--force and --grace-period greater than 0 cannot be specified together"
            )
        grace = 0
    elif grace == 0:
        grace = 1  # as kubectl does: only --force skips the confirmation
    cascade = CASCADES.get(flags.text("cascade"))
    if cascade is None:
        raise UsageError(
            f'invalid cascade value ({flags.text("cascade")}). Must be "background", "foreground", or "orphan".'
        )
    options = DeleteOptions(propagationPolicy=cascade)
    if grace >= 0:
        options.gracePeriodSeconds = grace
    return options


def _from_files(session: Session) -> list[Doomed]:
    if session.args:
        raise UsageError("resource(s) were provided together with -f: name one or the other")
    manifests = from_flags(session.flags)
    settle(session, manifests)
    return [Doomed(each.kind, each.namespace, each.name) for each in manifests]


def _from_words(session: Session) -> list[Doomed]:
    flags = session.flags
    wants = wanted(session.args)
    if not wants:
        raise UsageError(
            "You must provide one or more resources by argument or filename: helmling delete pod web"
        )
    by_name = all(each.names for each in wants)
    selected = flags.given("selector") or flags.given("field-selector")
    if by_name and (flags.on("all") or selected):
        raise UsageError("name cannot be provided when --all or a selector is specified")
    if not by_name and not flags.on("all") and not selected:
        raise UsageError(
            "resource(s) were provided, but no name was specified: name them, or use -l or --all"
        )
    if flags.on("all") and flags.given("selector"):
        raise UsageError("cannot set --all and --selector at the same time")
    return [doomed for want in wants for doomed in _expand(session, want)]


def _expand(session: Session, want: Wanted) -> list[Doomed]:
    namespace = scope(session, want.kind)
    if want.names:
        return [Doomed(want.kind, namespace, name) for name in want.names]
    flags = session.flags
    found, _ = session.server.list(
        want.kind, namespace, labels=flags.text("selector"), fields=flags.text("field-selector")
    )
    return [Doomed(want.kind, obj.metadata.namespace, obj.metadata.name) for obj in found]


def remove(session: Session, doomed: list[Doomed], options: Any, mode: str) -> int:
    """Asks for all first and then waits for all, so that they end at the same time."""
    code = 0
    flags = session.flags
    # Who names nobody has seen them a moment ago: some may have gone since.
    lenient = flags.on("ignore-not-found") or flags.on("all") or flags.given("selector")
    going: list[tuple[Doomed, str]] = []
    for each in doomed:
        try:
            answer = _delete(session, each, options, mode)
        except ApiError as error:
            if isinstance(error, NotFound) and lenient:
                continue
            session.warn(of_error(error))
            code = 1
            continue
        _tell(session, each, options, mode)
        going.append((each, answer.metadata.uid))
    if not doomed:
        session.warn("No resources found")
    if mode == "none" and session.flags.on("wait"):
        return _wait(session, going) or code
    return code


def _delete(session: Session, each: Doomed, options: Any, mode: str) -> Any:
    if mode == "client":
        return session.server.get(each.kind, each.name, each.namespace)
    return session.server.delete(
        each.kind, each.name, each.namespace, options, dry_run=mode == "server"
    )


def _tell(session: Session, each: Doomed, options: Any, mode: str) -> None:
    if session.flags.text("output") == "name":
        return session.say(qualified(each.kind, each.name))
    if session.flags.text("output"):
        raise UsageError("delete knows no output format but name: -o name")
    kind = qualified(each.kind, "").rstrip("/")
    forced = options.HasField("gracePeriodSeconds") and options.gracePeriodSeconds == 0
    done = "force deleted" if forced else "deleted"
    where = f" from {each.namespace} namespace" if each.namespace else ""
    dry = {"client": " (dry run)", "server": " (server dry run)"}.get(mode, "")
    session.say(f'{kind} "{each.name}" {done}{where}{dry}')
    return None


def _wait(session: Session, going: list[tuple[Doomed, str]]) -> int:
    import sys

    sys.stdout.flush()
    deadline = Deadline(session.flags.seconds("timeout"))
    for each, uid in going:
        if not gone(session.server, each.kind, each.namespace, each.name, uid, deadline):
            session.warn(
                f"error: timed out waiting for the condition on {each.kind.plural}/{each.name}"
            )
            return 1
    return 0


DELETE = Command(
    usage="delete ([-f FILENAME] | TYPE [(NAME | -l label | --all)]) [flags]",
    about="Delete resources by file names, stdin, resources and names, or by resources and label selector.\n\n"
    "A pod gets its grace period (30 seconds unless it says otherwise) to end. --force "
    "--grace-period=0 removes it from the "
    "record at once and does not wait for its node: its programs may go on running.",
    examples="""  # Delete what a manifest describes
  helmling delete -f pod.yaml

  # Delete pods by name
  helmling delete pod web db

  # Delete all pods with a label, within a second
  helmling delete pods -l app=web --now

  # Delete all pods of the namespace
  helmling delete pods --all

  # Remove a pod whose node does not answer any more
  helmling delete pod web --force --grace-period=0""",
    run=run,
    flags=FLAGS,
    complete="resources",
)
