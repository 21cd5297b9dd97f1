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
WHICH: tuple[Flag, ...] = (FILENAME, RECURSIVE, SELECTOR)
Found = tuple[Kind, Any]  # the object as it is on the server


def named(session: Session, words: Sequence[str], *, whole_kinds: bool = False) -> list[Found]:
    """Raises UsageError when nothing is named. `whole_kinds`: a kind without a name means all its objects."""
    flags, server = session.flags, session.server
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
            listed, _ = server.list(want.kind, namespace, labels=flags.text("selector"))
            found += [(want.kind, obj) for obj in listed]
    if not found:
        raise CommandError("no matching resources found")
    return found


def _selected(session: Session) -> bool:
    flags = session.flags
    return flags.given("selector") or ("all" in flags.known and flags.on("all"))


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
