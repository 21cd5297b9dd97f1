"""Taints as people write them, and what becomes of a node's taints when some are added and some taken away. Pure.

key=value:Effect    key:Effect    key:Effect-    key-
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cli.errors import CommandError, UsageError

EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")


@dataclass(frozen=True)
class Taint:
    key: str
    value: str = ""
    effect: str = ""  # of one to be removed: "" is every effect

    @property
    def place(self) -> tuple[str, str]:
        """A node has at most one taint for each."""
        return self.key, self.effect

    def covers(self, other: "Taint") -> bool:
        return self.key == other.key and self.effect in ("", other.effect)

    def __str__(self) -> str:
        return f"{self.key}:{self.effect}" if self.effect else self.key


@dataclass(frozen=True)
class Changes:
    add: Sequence[Taint]
    remove: Sequence[Taint]


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Nodes come first, taints last. Raises CommandError if they mix."""
    first = next((i for i, word in enumerate(words) if _is_taint(word)), len(words))
    for word in words[first:]:
        if not _is_taint(word):
            raise CommandError(f"all resources must be specified before taint changes: {word}")
    return list(words[:first]), list(words[first:])


def _is_taint(word: str) -> bool:
    return "=" in word or ":" in word or word.endswith("-")


def read(words: Iterable[str]) -> Changes:
    """Raises UsageError."""
    add: list[Taint] = []
    remove: list[Taint] = []
    for word in words:
        if word.endswith("-"):
            remove.append(_read(word.removesuffix("-")))
            continue
        taint = _read(word)
        if not taint.effect:
            raise UsageError(f"invalid taint spec: {word}")
        if taint.place in {each.place for each in add}:
            raise UsageError(f"duplicated taints with the same key and effect: {taint}")
        add.append(taint)
    both = [str(each) for each in add if any(other.covers(each) for other in remove)]
    if both:
        raise CommandError(
            f"can not both modify and remove the following taint(s) in the same command: {', '.join(both)}"
        )
    return Changes(add, remove)


def _read(word: str) -> Taint:
    what, colon, effect = word.partition(":")
    key, _, value = what.partition("=")
    if not key or ":" in effect or "=" in value or (colon and not effect):
        raise UsageError(f"invalid taint spec: {word}")
    if effect and effect not in EFFECTS:
        raise UsageError(f"invalid taint effect: {effect}, unsupported taint effect")
    return Taint(key, value, effect)


def changed(
    node: str, present: Sequence[Taint], changes: Changes, *, overwrite: bool
) -> tuple[list[Taint], str]:
    """The node's taints afterwards, and in a word what was done. Raises CommandError."""
    places = {each.place for each in present}
    known = [each.key for each in changes.add if each.place in places]
    if known and not overwrite:
        raise CommandError(
            f"node {node} already has {','.join(known)} taint(s) with same effect(s) and --overwrite is false"
        )
    for each in changes.remove:
        if not any(each.covers(other) for other in present):
            raise CommandError(f'taint "{each}" not found')
    fresh = {each.place for each in changes.add}
    kept = [
        each
        for each in present
        if each.place not in fresh and not any(other.covers(each) for other in changes.remove)
    ]
    if overwrite or (changes.add and changes.remove):
        return [*kept, *changes.add], "modified"
    return [*kept, *changes.add], "tainted" if changes.add else "untainted"
