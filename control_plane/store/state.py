"""What a store of one process keeps in memory: live items, recent history, and who waits for more.

The log is the truth; this is its summary, rebuilt from it at every start. Reads of the present come
from here and cost no I/O. Nothing here knows of files or threads: it all belongs to the event loop.
"""

import asyncio
from bisect import bisect_left, bisect_right, insort
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable

from control_plane.store.contract import (
    Batch,
    Compacted,
    FutureRevision,
    Item,
    Listing,
    StoreUnavailable,
)

BATCH = 1_000  # about so many changes, or transactions looked at, for one batch of a watch

# Reads history no longer in memory: (prefix, after) -> (changes, the revision they go up to)
Older = Callable[[str, int], Awaitable[tuple[Batch, int]]]


def prefix_end(prefix: str) -> str:
    """The first text after all that start with `prefix`; "" means there is no end."""
    return prefix[:-1] + chr(ord(prefix[-1]) + 1) if prefix else ""


class Live:
    """The items that exist now, by key and in key order."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._items = {item.key: item for item in items}
        self._keys = sorted(self._items)  # the keys of _items; always the same set

    def get(self, key: str) -> Item | None:
        return self._items.get(key)

    def apply(self, changes: Batch) -> None:
        for change in changes:
            if change.value is not None:
                if change.key not in self._items:
                    insort(self._keys, change.key)
                self._items[change.key] = Item(change.key, change.value, change.revision)
            elif self._items.pop(change.key, None):
                del self._keys[bisect_left(self._keys, change.key)]

    def page(self, prefix: str, after: str, limit: int, revision: int) -> Listing:
        """The items under `prefix` with keys greater than `after`, labelled with `revision`."""
        first = max(bisect_left(self._keys, prefix), bisect_right(self._keys, after))
        end = bisect_left(self._keys, prefix_end(prefix)) if prefix else len(self._keys)
        last = min(first + limit, end) if limit else end
        items = [self._items[key] for key in self._keys[first:last]]
        remaining = max(end - last, 0)
        return Listing(items, revision, more=remaining > 0, remaining=remaining)

    def copy(self) -> "Live":
        return Live(self._items.values())


class History:
    """The transactions after `floor`, oldest first."""

    def __init__(self, floor: int) -> None:
        self.floor = floor  # every change with a greater revision is here
        self.bytes = 0  # of the values held
        self._revisions: list[int] = []  # ascending, one for each of _transactions
        self._transactions: list[Batch] = []

    def __len__(self) -> int:
        return len(self._revisions)

    def append(self, transaction: Batch) -> None:
        self._revisions.append(transaction[0].revision)
        self._transactions.append(transaction)
        self.bytes += weight(transaction)

    def since(self, after: int, prefix: str) -> tuple[Batch, int]:
        """The next changes under `prefix`, whole transactions, and the revision they go up to."""
        first = bisect_right(self._revisions, after)
        found: Batch = []
        for at in range(first, min(first + BATCH, len(self))):
            found += [c for c in self._transactions[at] if c.key.startswith(prefix)]
            after = self._revisions[at]
            if len(found) >= BATCH:
                break
        return found, after

    def through(self, revision: int) -> Batch:
        """Every change up to and including `revision`."""
        last = bisect_right(self._revisions, revision)
        return [change for transaction in self._transactions[:last] for change in transaction]

    def forget(self, through: int) -> None:
        """Drop the transactions up to and including this revision."""
        if through <= self.floor:
            return
        last = bisect_right(self._revisions, through)
        self.bytes -= sum(weight(transaction) for transaction in self._transactions[:last])
        del self._revisions[:last], self._transactions[:last]
        self.floor = through

    def forget_half(self) -> None:
        if self._revisions:
            self.forget(self._revisions[(len(self) - 1) // 2])


def weight(changes: Batch) -> int:
    return sum(len(change.value or b"") for change in changes)


class State:
    """The present, what led to it, and the watchers that wait for what comes next."""

    def __init__(
        self, items: Iterable[Item] = (), *, revision: int = 0, compacted: int = 0
    ) -> None:
        self.live = Live(items)
        self.history = History(floor=revision)
        self.revision = revision
        self.compacted = compacted  # the oldest revision that may be read; 0: nothing is gone
        self.closed = False
        self._grew = asyncio.Event()  # set, and replaced, when anything above has changed

    def commit(self, transaction: Batch) -> None:
        """Take in one transaction; call `announce` when all that came together are in."""
        self.revision = transaction[0].revision
        self.live.apply(transaction)
        self.history.append(transaction)

    def announce(self) -> None:
        self._grew.set()
        self._grew = asyncio.Event()

    def close(self) -> None:
        self.closed = True
        self.announce()

    def require_open(self) -> None:
        if self.closed:
            raise StoreUnavailable("the store has been closed")

    def require_readable(self, revision: int) -> None:
        self.require_open()
        if revision < self.compacted:
            raise Compacted(self.compacted)

    def require_happened(self, revision: int) -> None:
        if revision > self.revision:
            raise FutureRevision(revision, self.revision)

    async def follow(
        self, prefix: str, after: int, older: Older | None = None
    ) -> AsyncGenerator[Batch, None]:
        """A watch: each round looks at where it stands, so it may be as slow as it likes."""
        while True:
            self.require_readable(after)
            if after >= self.revision:
                await self._grew.wait()
                continue
            if after < self.history.floor and older:
                batch, upto = await older(prefix, after)
                self.require_readable(after)  # or compaction may have overtaken the reading
            else:
                batch, upto = self.history.since(after, prefix)
                await asyncio.sleep(0)  # a watcher with much to catch up on lets others run
            after = upto
            if batch:
                yield batch
