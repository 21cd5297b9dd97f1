"""A store whose values are sealed on their way in and opened on their way out: encryption at rest.

It keeps the store's contract (store/contract.py) over any other implementation. Who uses it sees plain bytes; what it
stands on sees keys, revisions and sealed bytes, and so do its files, its write-ahead logs, its snapshots and its wire.

A value that no key opens is handed out as `Unreadable`, in the place where it is: a list that refused to show the
others because of it would turn one lost object into the loss of a kind. Whoever means that one object finds out
there.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing, suppress
from dataclasses import replace

from control_plane.secrets.ring import Ring
from control_plane.store.contract import (
    Batch,
    Change,
    Conflict,
    Item,
    Listing,
    Store,
    Unreadable,
    check_transaction,
)


class EncryptedStore:
    """`inner` is for those who count and rewrite what is stored; nobody else needs to look behind."""

    def __init__(self, inner: Store, ring: Ring) -> None:
        self.inner = inner
        self.ring = ring
        self._writing = _Writing()  # transactions sealed with this ring, on their way

    async def use(self, ring: Ring) -> None:
        """From now on, this ring. Returns when nothing sealed with an earlier one is on its way any more."""
        self.ring = ring
        earlier, self._writing = self._writing, _Writing(self._writing)
        await earlier.over()

    async def get(self, key: str) -> Item | None:
        item = await self.inner.get(key)
        return self._opened(item) if item else None

    async def list(
        self, prefix: str, *, revision: int = 0, after: str = "", limit: int = 0
    ) -> Listing:
        listing = await self.inner.list(prefix, revision=revision, after=after, limit=limit)
        return replace(listing, items=[self._opened(item) for item in listing.items])

    async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
        check_transaction(expect, write)
        with self._writing:
            ring = self.ring
            sealed = {
                key: None if value is None else ring.seal(key, value)
                for key, value in write.items()
            }
            try:
                return await self.inner.txn(expect, sealed)
            except Conflict as conflict:
                raise Conflict(
                    {k: self._opened(item) if item else None for k, item in conflict.found.items()}
                ) from None

    async def reseal(self, item: Item, *, anyway: bool = False) -> bool:
        """Store an item (as `inner` gave it) as it would be stored now; False: it is, or cannot be.

        If somebody was quicker, that has done it. `anyway`: even if it is, so that watchers see it.
        """
        with self._writing:
            ring = self.ring
            if ring.is_current(item.key, item.value) and not anyway:
                return False
            plain = ring.open(item.key, item.value)
            if isinstance(plain, Unreadable):
                return False
            with suppress(Conflict):
                sealed = ring.seal(item.key, plain)
                await self.inner.txn({item.key: item.revision}, {item.key: sealed})
            return True

    async def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        async with aclosing(self.inner.watch(prefix, after=after)) as batches:
            async for batch in batches:
                yield [self._shown(change) for change in batch]

    async def revision(self) -> int:
        return await self.inner.revision()

    async def compact(self, revision: int) -> None:
        await self.inner.compact(revision)

    async def close(self) -> None:
        await self.inner.close()

    def _opened(self, item: Item) -> Item:
        plain = self.ring.open(item.key, item.value)
        return item if plain is item.value else Item(item.key, plain, item.revision)

    def _shown(self, change: Change) -> Change:
        if change.value is None:
            return change
        plain = self.ring.open(change.key, change.value)
        return change if plain is change.value else Change(change.key, plain, change.revision)


class _Writing:
    """`with writing: …` around each transaction; `over` waits for those that have begun, and for earlier ones."""

    def __init__(self, earlier: "_Writing | None" = None) -> None:
        self._earlier = earlier if earlier and not earlier.is_over else None
        self._count = 0
        self._ended = asyncio.Event()  # set, and replaced, whenever one ends

    @property
    def is_over(self) -> bool:
        return not self._count and (self._earlier is None or self._earlier.is_over)

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        self._ended.set()
        self._ended = asyncio.Event()

    async def over(self) -> None:
        if self._earlier:
            await self._earlier.over()
            self._earlier = None
        while self._count:
            await self._ended.wait()
