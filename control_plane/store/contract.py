"""The store: a versioned key-value map that can be listed at a moment, changed atomically, watched.

Everything above it (optimistic locking, watches that resume, consistent paging, leader election)
stands on one idea, etcd's: the store has ONE counter, the revision. Every transaction that changes
anything takes the next number, all its writes share it, and nothing else moves it. A key's revision
is that of the transaction that last wrote it; `ABSENT` is the revision of a key that is not there.
So "nobody touched it since I looked" compares two numbers, and "what did I miss" is a range.

The guarantees, each proven for every implementation by tests/contract/test_store.py:

 1. Serial. Transactions happen one after another; each that changes something gets a revision
    greater than all before it, and returns it. One that changes nothing (no writes, or only
    deletions of absent keys) takes no revision and returns the current one.
 2. Conditional. A transaction happens only if every key in `expect` is at exactly that revision
    (ABSENT: not there); otherwise nothing happens and Conflict says what those keys hold instead.
 3. Atomic. All writes of a transaction are seen together, by every reader and watcher, or none.
 4. Linearizable. `get`, `list` and `revision` see every transaction that had been acknowledged
    before they were called.
 5. Snapshots. `list` is one moment's state in key order, the moment is named in
    `Listing.revision`, and asking for that revision again gives the same answer, page by page,
    until it is compacted.
 6. Complete watches. `watch(p, after=r)` gives each write under `p` later than revision r once, in
    revision order, and never splits a transaction over two batches. A slow reader misses nothing
    and holds nobody up. It survives whatever the store itself survives (a restarted etcd).
 7. Compaction. `compact(r)` forgets the states before r. Reading or watching from before r raises
    Compacted, which names the oldest revision still readable; the states from r on, and the
    current state, are untouched. Compacting what is already compacted does nothing.
 8. Durable (not memory). What was acknowledged is there after a crash, and nothing is half there.
 9. Failures are errors. A store that cannot answer raises StoreUnavailable; a write whose fate
    nobody knows raises Ambiguous; neither ever reads as "there is nothing". When the cause goes,
    the store goes on.
10. Cancellation is harmless. A cancelled read or watch leaves nothing behind; a cancelled write may
    or may not have happened. After `close`, calls and running watches raise StoreUnavailable.

    Exception
    ├── Conflict            somebody else was quicker: look at `.found`, decide again
    ├── Compacted           that history is gone: list, then watch from the listing's revision
    ├── FutureRevision      that revision has not happened yet
    ├── TooLarge            the transaction is bigger than what every implementation takes
    └── StoreUnavailable    not now; the message is for people
        ├── Ambiguous       the write may have happened: read before deciding
        └── CannotOpen      not without somebody doing something about it
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Protocol

ABSENT = 0  # the revision of a key that does not exist

# What one transaction may hold. etcd refuses more than 128 operations or 1.5 MiB in a request, and
# a limit that shows up only in production is worse than one that everybody meets.
MAX_KEYS = 128  # in `expect`, and in `write`
MAX_KEY_LENGTH = 512  # characters
MAX_BYTES = 1_400_000  # keys and values written

# How a value begins that encryption at rest has sealed (control_plane/secrets), and how many bytes
# longer than what was written that may make it. They do not count: who writes knows nothing of them.
SEALED = b"helmling:enc:"
SEAL = 256


class Unreadable(bytes):
    """A value that encryption at rest has sealed, and that no key at hand opens: the bytes as they are stored.

    It takes the place of a value in reads, so that one lost object hides no other.
    """

    why: str  # for people: which object, which key, and what can be done

    def __new__(cls, stored: bytes, why: str) -> "Unreadable":
        made = super().__new__(cls, stored)
        made.why = why
        return made


@dataclass(frozen=True, slots=True)
class Item:
    """A key that exists."""

    key: str
    value: bytes
    revision: int  # of the transaction that last wrote it


@dataclass(frozen=True, slots=True)
class Change:
    """One write, as a watch shows it."""

    key: str
    value: bytes | None  # None: deleted
    revision: int


Batch = list[Change]  # one or more whole transactions, in revision order


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of one moment's state."""

    items: list[Item]  # in key order
    revision: int  # the moment; ask for it again to get the next page of the same moment
    more: bool  # there are further items after the last of these
    remaining: int  # how many


class Conflict(Exception):
    """A key is not at the revision the transaction expected; nothing was written."""

    def __init__(self, found: dict[str, Item | None]) -> None:
        self.found = found  # what the keys that did not match really hold; None: absent
        held = (
            f"{k} is {f'at revision {i.revision}' if i else 'absent'}" for k, i in found.items()
        )
        super().__init__("not as expected: " + ", ".join(held))


class Compacted(Exception):
    """History that far back is gone."""

    def __init__(self, revision: int) -> None:
        self.revision = revision  # the oldest that is still readable
        super().__init__(f"the history before revision {revision} has been compacted")


class FutureRevision(Exception):
    """The store has not come to this revision yet."""

    def __init__(self, asked: int, revision: int) -> None:
        self.revision = revision  # where the store is
        super().__init__(f"revision {asked} has not happened yet, the store is at {revision}")


class TooLarge(ValueError):
    """The transaction exceeds MAX_KEYS or MAX_BYTES."""


class StoreUnavailable(Exception):
    """The store cannot answer now; trying again later may help."""


class Ambiguous(StoreUnavailable):
    """The store stopped answering in the middle of a write: it may have happened, or may yet."""


class CannotOpen(StoreUnavailable):
    """The store cannot be opened until somebody changes something; the message says what."""


class Store(Protocol):
    """What the API server stands on. Keys are ASCII paths: "/registry/pods/default/web"."""

    async def get(self, key: str) -> Item | None:
        """The key as it is now."""

    async def list(
        self, prefix: str, *, revision: int = 0, after: str = "", limit: int = 0
    ) -> Listing:
        """The keys that start with `prefix` and are greater than `after`, at `revision` (0: now).

        At most `limit` items (0: all). Raises Compacted, FutureRevision.
        """

    async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
        """If every key is at its expected revision, write all (None deletes); return the revision.

        Raises Conflict, TooLarge, StoreUnavailable (nothing was written), Ambiguous (who knows).
        """

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        """Every change under `prefix` later than revision `after`, in batches, without end.

        Raises, from the iteration, Compacted, or StoreUnavailable: watch again from the last
        revision seen. Leave it early under `contextlib.aclosing`, so that it ends at once.
        """

    async def revision(self) -> int:
        """The latest revision. A store never written to is at 0, or where its backend starts."""

    async def compact(self, revision: int) -> None:
        """Forget the states before `revision`. Raises FutureRevision."""

    async def close(self) -> None:
        """Finish what was begun and let go of everything. Closing twice is fine."""


def check_transaction(expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> None:
    """Refuse, in every implementation alike, what one of them could not store."""
    for key in (*expect, *write):
        check_key(key)
    if len(expect) > MAX_KEYS or len(write) > MAX_KEYS:
        raise TooLarge(
            f"a transaction may hold {MAX_KEYS} keys, not {max(len(expect), len(write))}"
        )
    size = sum(len(key) + _written(value or b"") for key, value in write.items())
    if size > MAX_BYTES:
        raise TooLarge(f"a transaction may write {MAX_BYTES:,} bytes, not {size:,}")


def _written(value: bytes) -> int:
    """What a value counts for, in bytes."""
    return max(len(value) - SEAL, 0) if value.startswith(SEALED) else len(value)


def check_key(key: str) -> None:
    """A key is a path of printable ASCII, so that it sorts alike as text and as bytes."""
    if not (key.startswith("/") and key.isascii() and key.isprintable()):
        raise ValueError(f"not a key: {key!r} (a path like /registry/pods/default/web, in ASCII)")
    if len(key) > MAX_KEY_LENGTH:
        raise ValueError(f"a key may be {MAX_KEY_LENGTH} characters long, not {len(key)}: {key!r}")
