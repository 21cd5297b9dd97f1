"""Counting what is in the store, by the key it is under."""

from collections import Counter
from collections.abc import AsyncGenerator

from control_plane.secrets.envelope import is_sealed
from control_plane.secrets.plan import Census
from control_plane.secrets.ring import Ring, use_of
from control_plane.store.contract import Item, Store, Unreadable

EVERYTHING = "/"
PAGE = 500  # items read at once


async def stored(inner: Store) -> AsyncGenerator[Item, None]:
    """Every item as it is stored. What exists throughout is seen; page by page, so it is not one moment's state."""
    after = ""
    while True:
        listing = await inner.list(EVERYTHING, after=after, limit=PAGE)
        for item in listing.items:
            yield item
        if not listing.more:
            return
        after = listing.items[-1].key


async def take(inner: Store, ring: Ring) -> Census:
    uses: Counter[tuple[str, str]] = Counter()
    lost: list[tuple[str, str]] = []
    waiting: Counter[tuple[str, str]] = Counter()
    async for item in stored(inner):
        if not (is_sealed(item.value) or ring.writer(item.key).encrypts):
            continue  # plain, as it should be
        uses[use_of(item.value)] += 1
        opened = ring.open(item.key, item.value)
        if isinstance(opened, Unreadable):
            lost.append((item.key, opened.why))
        elif not ring.is_current(item.key, item.value):
            waiting[use_of(item.value)] += 1
    return Census(uses, waiting, tuple(lost))
