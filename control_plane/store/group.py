"""Group commit, decided: what becomes of the transactions that wait together for one disk write.

A disk needs about as long to make one transaction durable as a hundred, so those that arrive while
it is busy go in one commit. They are still serial: each is judged as if all before it had happened,
and one that is refused fails alone. Pure: given the keys' revisions, say what would be.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from control_plane.store.contract import ABSENT, Batch, Change


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller asks for: see Store.txn."""

    expect: Mapping[str, int]
    write: Mapping[str, bytes | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a wish."""

    revision: int  # of the store after it
    changes: Batch  # empty: nothing to write
    refused: tuple[str, ...] = ()  # the keys that are not as expected


def settle(
    wishes: Sequence[Wish], revisions: Mapping[str, int], revision: int
) -> tuple[list[Verdict], dict[str, int]]:
    """A verdict for each wish in turn, and the keys' new revisions (ABSENT: deleted)."""
    moved: dict[str, int] = {}

    def held(key: str) -> int:
        return moved[key] if key in moved else revisions.get(key, ABSENT)

    verdicts = []
    for wish in wishes:
        refused = tuple(key for key, expected in wish.expect.items() if held(key) != expected)
        changes: Batch = []
        if not refused:
            changes = [
                Change(key, value, revision + 1)
                for key, value in wish.write.items()
                if value is not None or held(key) != ABSENT
            ]
        if changes:
            revision += 1
            moved.update((c.key, ABSENT if c.value is None else revision) for c in changes)
        verdicts.append(Verdict(revision, changes, refused))
    return verdicts, moved
