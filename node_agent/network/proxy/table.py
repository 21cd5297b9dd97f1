"""A table of the kernel's firewall as a value, and what turns one value into another. Pure.

Everything that the cluster's objects ask of this node's kernel is in one nft table: services, and who may talk to
whom. Each of them says what the table should contain (`Table`), the values are added up (`merged`), and `diff` finds
the few commands that lead from what is there to what should be there. Commands that are given to nft together are one
transaction: packets see all of it or nothing.

What changes often should be an element of a set: adding one costs the kernel a third of a millisecond however many
there are. A changed rule costs ten times that, because the kernel waits until no packet is in the old one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Set:
    """A set of keys, or, if the elements have values, a map."""

    form: str  # what is between the braces of its declaration: "type ipv4_addr; flags interval;"
    elements: Mapping[str, str] = field(default_factory=dict)  # key → value; "" in plain sets
    is_map: bool = False
    # The kernel itself adds elements as packets pass (flags dynamic). They are not ours to compare, and stay
    # when the table is made anew.
    dynamic: bool = False


@dataclass(frozen=True)
class Chain:
    rules: tuple[str, ...] = ()
    hook: str = ""  # "type nat hook output priority -100; policy accept;"; empty: only jumped to


@dataclass(frozen=True)
class Table:
    sets: Mapping[str, Set] = field(default_factory=dict)
    chains: Mapping[str, Chain] = field(default_factory=dict)


class NotInPlace(Exception):
    """The difference cannot be made in place: the table must be made anew."""


def merged(parts: Iterable[Table]) -> Table:
    """All in one. Where two want the same element or chain, the first has it."""
    sets: dict[str, Set] = {}
    elements: dict[str, dict[str, str]] = {}
    chains: dict[str, Chain] = {}
    parts = list(parts)
    for part in parts:  # in their order …
        sets.update(part.sets)
        chains.update(part.chains)
    for part in reversed(parts):  # … and the first has the last word
        chains.update(part.chains)
        for name, one in part.sets.items():
            elements.setdefault(name, {}).update(one.elements)
    whole = {
        name: Set(one.form, elements[name], one.is_map, one.dynamic) for name, one in sets.items()
    }
    return Table(whole, chains)


def anew(name: str, table: Table, kept: Mapping[str, str] | None = None) -> str:
    """The commands that make the table what it should be, whatever it is now.

    `kept`: for dynamic sets, elements as nft shows them, to be put back.
    """
    # Declaring it before deleting makes the deletion succeed when there is none.
    head = f"add table ip {name}\ndelete table ip {name}\nadd table ip {name}\n"
    tail = "".join(
        f"add element ip {name} {one} {{ {lot} }}\n" for one, lot in (kept or {}).items()
    )
    return head + diff(name, Table(), table) + tail


def diff(name: str, old: Table, new: Table) -> str:
    """The commands that lead from `old` to `new`; nothing if they are the same. Raises NotInPlace.

    The order matters within the transaction: what is referred to comes before, and goes after, what refers to it.
    """
    _check(old, new)
    lines: list[str] = []
    for chain in _beyond(new.chains, old.chains):
        hook = new.chains[chain].hook
        lines.append(f"add chain ip {name} {chain}" + (f" {{ {hook} }}" if hook else ""))
    lines += [
        f"add {_word(new.sets[one])} ip {name} {one} {{ {new.sets[one].form} }}"
        for one in _beyond(new.sets, old.sets)
    ]
    lines += _flushed(name, old, new)
    lines += _elements(name, old, new)
    for chain, wanted in new.chains.items():
        if old.chains.get(chain, Chain()).rules != wanted.rules:
            lines += [f"add rule ip {name} {chain} {rule}" for rule in wanted.rules]
    lines += [f"delete chain ip {name} {one}" for one in _beyond(old.chains, new.chains)]
    gone = _beyond(old.sets, new.sets)
    lines += [f"delete {_word(old.sets[one])} ip {name} {one}" for one in gone]
    return "".join(f"{line}\n" for line in lines)


def _check(old: Table, new: Table) -> None:
    for name in old.sets.keys() & new.sets.keys():
        if old.sets[name].form != new.sets[name].form:
            raise NotInPlace(f"set {name} has another form")
    for name in old.chains.keys() & new.chains.keys():
        if old.chains[name].hook != new.chains[name].hook:
            raise NotInPlace(f"chain {name} has another hook")


def _flushed(name: str, old: Table, new: Table) -> list[str]:
    """Chains whose rules change or that go, emptied."""
    return [
        f"flush chain ip {name} {chain}"
        for chain, was in old.chains.items()
        if was.rules and was.rules != new.chains.get(chain, Chain()).rules
    ]


def _elements(name: str, old: Table, new: Table) -> list[str]:
    lines = []
    for one in {**old.sets, **new.sets}:
        before = old.sets[one].elements if one in old.sets else {}
        after = new.sets[one].elements if one in new.sets else {}
        if before is after:
            continue
        gone = [key for key, value in before.items() if after.get(key) != value]
        come = [key for key, value in after.items() if before.get(key) != value]
        if gone:
            lines.append(f"delete element ip {name} {one} {{ {', '.join(gone)} }}")
        if come:
            shown = ", ".join(_element(key, after[key]) for key in come)
            lines.append(f"add element ip {name} {one} {{ {shown} }}")
    return lines


def _element(key: str, value: str) -> str:
    return f"{key} : {value}" if value else key


def _beyond(these: Iterable[str], those: Mapping[str, object]) -> list[str]:
    """Those of these that are not among those, in their order."""
    return [name for name in these if name not in those]


def _word(one: Set) -> str:
    return "map" if one.is_map else "set"
