"""What people mean by `pods`, `po/web`, `pod web db`, `pods,nodes` and `all`."""

from collections.abc import Sequence
from dataclasses import dataclass

from api import kinds
from api.kinds import KINDS, Kind
from cli.command import Session
from cli.errors import CommandError, UsageError, did_you_mean
from cli.flags import Flag, switch

SELECTOR = Flag("selector", "Only objects whose labels match: 'app=web,tier in (a,b),!old'.", "l")
FIELD_SELECTOR = Flag("field-selector", "Only objects whose fields match: 'status.phase!=Running'.")
ALL_NAMESPACES = switch("all-namespaces", "In all namespaces.", "A")
CHUNK_SIZE = Flag(
    "chunk-size", "Fetch large lists in pieces of this size; 0: all at once.", form="number", default="500"
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """Objects of one kind: those named, or, without names, all that the selectors allow."""

    kind: Kind
    names: tuple[str, ...] = ()


def kind_named(word: str) -> Kind:
    """Raises CommandError, as kubectl words it, with a guess."""
    kind = kinds.find(word)
    if kind is None:
        known = [name for k in KINDS for name in (k.plural, k.singular, *k.short)]
        raise CommandError(
            f'the server doesn\'t have a resource type "{word}"{did_you_mean(word, known)}'
        )
    return kind


def kinds_named(words: str) -> list[Kind]:
    """`pods,nodes`; `all` stands for the kinds that hold work."""
    found: list[Kind] = []
    for word in words.split(","):
        several = [k for k in KINDS if word in k.categories] or [kind_named(word)]
        found += [kind for kind in several if kind not in found]
    return found


def wanted(args: Sequence[str], *, default: Kind | None = None) -> list[Wanted]:
    """Reads `TYPE[,TYPE] [NAME …]` or `TYPE/NAME …`; `default` is the kind of a lone name (`logs web`)."""
    if any("/" in arg for arg in args):
        return [_slashed(arg, default) for arg in args]
    if not args:
        return []
    if default is not None and (len(args) == 1 or kinds.find(args[0]) is None):
        return [Wanted(default, tuple(args))]
    found = kinds_named(args[0])
    if len(args) > 1 and any(word in k.categories for k in KINDS for word in args[0].split(",")):
        raise UsageError(f'"{args[0]}" stands for several kinds: names cannot follow it')
    return [Wanted(kind, tuple(dict.fromkeys(args[1:]))) for kind in found]


def _slashed(arg: str, default: Kind | None) -> Wanted:
    kind, slash, name = arg.partition("/")
    if not slash and default is not None:
        return Wanted(default, (arg,))
    if not slash:
        raise CommandError(
            "there is no need to specify a resource type as a separate argument when passing "
            f"arguments in resource/name form (e.g. 'helmling get resource/<resource_name>' "
            f"instead of 'helmling get resource resource/<resource_name>'): {arg}"
        )
    if not kind or not name or "/" in name:
        raise CommandError(
            f'arguments in resource/name form may not have more than one slash, and both parts: "{arg}"'
        )
    return Wanted(kind_named(kind), (name,))


def one(session: Session, *, default: Kind | None = None) -> tuple[Kind, str]:
    """Exactly one object. Raises UsageError otherwise."""
    found = [
        (each.kind, name)
        for each in wanted(session.args, default=default)
        for name in each.names or ("",)
    ]
    if len(found) != 1 or not found[0][1]:
        raise UsageError(f"expected exactly one object, like pod/web: {' '.join(session.args)}")
    return found[0]


def scope(session: Session, kind: Kind) -> str:
    """The namespace to look into: empty for all of them, and for kinds that have none."""
    if not kind.namespaced or _everywhere(session):
        return ""
    return session.namespace


def _everywhere(session: Session) -> bool:
    return "all-namespaces" in session.flags.known and session.flags.on("all-namespaces")


def qualified(kind: Kind, name: str) -> str:
    """As messages name an object: "pod/web", "lease.coordination.k8s.io/n1"."""
    return f"{kind.singular}.{kind.group}/{name}" if kind.group else f"{kind.singular}/{name}"


def nothing_found(session: Session) -> str:
    """kubectl's sentence for an empty list."""
    listed = wanted(session.args)
    if _everywhere(session) or (listed and not any(w.kind.namespaced for w in listed)):
        return "No resources found"
    return f"No resources found in {session.namespace} namespace."


def one_named(text: str) -> tuple[Kind, str]:
    """`pod/web`, as --for takes it. Raises UsageError."""
    kind, slash, name = text.partition("/")
    if not slash or not kind or not name:
        raise UsageError(f'expected TYPE/NAME, like pod/web, not "{text}"')
    return kind_named(kind), name
