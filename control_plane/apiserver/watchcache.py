"""Everything in the store, once more in memory, kept up to date by one watch, and passed on to every watcher.

The store is watched once, whoever watches the API. Each change becomes an `Event` of its kind: what the object was,
and what it is. Watchers keep a list of the events they have not sent yet, all of them references to the same few
objects; when one of them gets to send, everything that waits goes out as one message, and watchers that choose the
same get the same bytes. So a burst of writes costs little, and a slow watcher costs nothing but its place.

Three rules keep it honest:

 1. One moment. The revision of the cache and what it shows change together, between two steps of the event loop.
    A watcher that subscribes after looking, without waiting in between, misses nothing and sees nothing twice.
 2. The past is short, and its end is known. A watcher from before `floor` is told Expired and lists again; so is one
    that fell more than `watcher.PENDING` events behind.
 3. A gap is never papered over. If the store has forgotten what the cache did not see yet, the cache begins anew
    and tells all watchers Expired. If the store is away, the cache waits; nothing is sent, nothing is lost.
"""

import asyncio
import logging
from bisect import bisect_left, bisect_right, insort
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import aclosing
from typing import Protocol

from api.errors import ApiError
from api.kinds import Kind
from control_plane.apiserver import refusals, wire
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.watcher import Event, Watcher
from control_plane.store.contract import (
    Change,
    Compacted,
    FutureRevision,
    Item,
    Store,
    StoreUnavailable,
)

log = logging.getLogger(__name__)

ROOT = "/registry/"
HISTORY = 10_000  # events of a kind that a watcher may be behind and still resume
HISTORY_BYTES = 64 * 1024 * 1024  # … unless they are so large together
REMEMBERED = 16  # batches whose bytes are kept, for the next watcher that wants the same
RETRY = 0.2  # seconds until a store that was away is asked again


class Listener(Protocol):
    """Follows a kind inside of the server, between two steps of the event loop: it must be quick."""

    def reset(self, kind: Kind, items: Iterable[Stored]) -> None:
        """All that there is; whatever was known before is void."""
        ...

    def apply(self, kind: Kind, event: Event) -> None: ...


class KindCache:
    """The objects of one kind, their recent changes, and who wants to know."""

    def __init__(self, strategy: Strategy, floor: int) -> None:
        self.strategy = strategy
        self.floor = floor  # every change after this revision is in _history
        self._entries: dict[str, Stored] = {}
        self._keys: list[str] = []  # the keys of _entries, sorted
        self._history: deque[Event] = deque()  # oldest first
        self._weight = 0  # bytes of the objects in _history
        # Watchers by the value that triggers them; those under None want to see every event.
        self._watchers: dict[tuple[str, str] | None, set[Watcher]] = {None: set()}
        self._encoded: OrderedDict[tuple[Chosen, int, int, int], bytes] = OrderedDict()

    def load(self, item: Item) -> None:
        """Part of the state at `floor`. Items come in key order."""
        self._entries[item.key] = Stored(self.strategy, item.key, item.value, item.revision)
        self._keys.append(item.key)

    def get(self, key: str) -> Stored | None:
        return self._entries.get(key)

    def select(self, chosen: Chosen) -> Iterator[Stored]:
        """In key order."""
        for key in self._span(chosen.prefix):
            stored = self._entries[key]
            if chosen.everything or chosen.takes(stored):
                yield stored

    def _span(self, prefix: str) -> list[str]:
        first = bisect_left(self._keys, prefix)
        return self._keys[first : bisect_right(self._keys, prefix + "\x7f", lo=first)]

    def entries(self) -> Iterable[Stored]:
        return self._entries.values()

    @property
    def count(self) -> int:
        return len(self._entries)

    def apply(self, change: Change) -> Event | None:
        """What the change is; None: it deletes what is not there."""
        old = self._entries.get(change.key)
        if change.value is None:
            if old is None:
                return None
            new = None
            del self._entries[change.key]
            del self._keys[bisect_left(self._keys, change.key)]
        else:
            new = Stored(self.strategy, change.key, change.value, change.revision)
            self._entries[change.key] = new
            if old is None:
                insort(self._keys, change.key)
        event = Event(change.revision, old, new)
        self._remember(event)
        for watcher in self._concerned(event):
            watcher.push(event)
        return event

    def _remember(self, event: Event) -> None:
        self._history.append(event)
        self._weight += event.weight
        while len(self._history) > HISTORY or self._weight > HISTORY_BYTES:
            oldest = self._history.popleft()
            self._weight -= oldest.weight
            self.floor = oldest.revision

    def _concerned(self, event: Event) -> Iterator[Watcher]:
        yield from self._watchers[None]
        if len(self._watchers) > 1:
            sides = [side for side in (event.old, event.new) if side is not None]
            triggers = {pair for side in sides for pair in side.fields.items()}
            for trigger in triggers & self._watchers.keys():
                yield from self._watchers[trigger]

    def subscribe(self, chosen: Chosen, after: int) -> Watcher:
        """A watcher of every change later than `after`. Raises Expired."""
        if after < self.floor:
            raise refusals.too_old(after, self.floor)
        watcher = Watcher(chosen)
        missed = []
        for event in reversed(self._history):
            if event.revision <= after:
                break
            missed.append(event)
        for event in reversed(missed):
            watcher.push(event)
        self._watchers.setdefault(chosen.trigger, set()).add(watcher)
        return watcher

    def unsubscribe(self, watcher: Watcher) -> None:
        trigger = watcher.chosen.trigger
        same = self._watchers.get(trigger, set())
        same.discard(watcher)
        if not same and trigger is not None:
            self._watchers.pop(trigger, None)

    def company(self, chosen: Chosen) -> int:
        """How many watchers are told of an event together with one that chose this."""
        return len(self._watchers.get(chosen.trigger, ()))

    def watchers(self) -> Iterator[Watcher]:
        return (watcher for some in self._watchers.values() for watcher in some)

    def encode(self, chosen: Chosen, events: list[Event]) -> bytes:
        """The events as a WatchBatch; nothing, if nothing of it was chosen. The same question gets the same bytes."""
        asked = (chosen, events[0].revision, events[-1].revision, len(events))
        batch = self._encoded.get(asked)
        if batch is None:
            seen = (event.seen_by(chosen) for event in events)
            batch = b"".join(wire.event(each[0], each[1].envelope()) for each in seen if each)
            self._encoded[asked] = batch
            if len(self._encoded) > REMEMBERED:
                self._encoded.popitem(last=False)
        return batch


class WatchCache:
    """All kinds, at one revision. `run` keeps it going; until it has begun, it is at revision -1."""

    def __init__(self, store: Store, strategies: Mapping[Kind, Strategy]) -> None:
        self.revision = -1
        self._store = store
        self._strategies = strategies
        self._kinds = self._empty(0)  # by the prefix of their keys
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []  # for a revision to be reached
        self._listeners: dict[str, list[Listener]] = {}  # by the same prefixes

    def listen(self, kind: Kind, listener: Listener) -> None:
        """Before `run`."""
        self._listeners.setdefault(kind.prefix, []).append(listener)

    def of(self, kind: Kind) -> KindCache:
        return self._kinds[kind.prefix]

    async def reach(self, revision: int, within: float) -> bool:
        """Wait until the cache shows `revision` or later; False if it does not in so many seconds."""
        if self.revision >= revision:
            return True
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((revision, reached))
        try:
            async with asyncio.timeout(within):
                await reached
        except TimeoutError:
            return False
        finally:
            self._waiting.remove((revision, reached))
        return True

    async def run(self) -> None:
        """Follow the store until cancelled."""
        while True:
            try:
                if self.revision < 0:
                    await self._begin()
                await self._follow()
            except (Compacted, FutureRevision) as gap:
                log.warning("watch_cache_begins_anew because=%r", str(gap))
                self._forget(refusals.too_old(self.revision, self.revision + 1))
            except StoreUnavailable as error:
                log.warning("store_away error=%r", str(error))
                await asyncio.sleep(RETRY)

    async def _begin(self) -> None:
        """Start a little in the past: whoever watched a server before this one can then resume here."""
        now = await self._store.revision()
        items, start = await self._past(max(now - HISTORY, 0))
        self._kinds = self._empty(start)
        for item in items:
            cache = self._cache_of(item.key)
            if cache is not None:
                cache.load(item)
        for prefix, cache in self._kinds.items():
            for listener in self._listeners.get(prefix, ()):
                listener.reset(cache.strategy.kind, cache.entries())
        self._advance(start)

    def _empty(self, floor: int) -> dict[str, KindCache]:
        return {
            kind.prefix: KindCache(strategy, floor) for kind, strategy in self._strategies.items()
        }

    async def _past(self, revision: int) -> tuple[list[Item], int]:
        while True:
            if revision == 0 and await self._store.revision() == 0:
                return [], 0
            try:
                listing = await self._store.list(ROOT, revision=max(revision, 1))
            except Compacted as gap:
                revision = max(gap.revision, revision + 1)
            else:
                return listing.items, listing.revision

    async def _follow(self) -> None:
        async with aclosing(self._store.watch(ROOT, after=self.revision)) as batches:
            async for batch in batches:
                for change in batch:
                    self._apply(change)
                self._advance(batch[-1].revision)

    def _apply(self, change: Change) -> None:
        cache = self._cache_of(change.key)
        if cache is None:
            return
        event = cache.apply(change)
        kind = cache.strategy.kind
        if event is not None:
            for listener in self._listeners.get(kind.prefix, ()):
                listener.apply(kind, event)

    def _cache_of(self, key: str) -> KindCache | None:
        """The kind of a key: "/registry/pods/…", or with a group "/registry/apps/deployments/…"."""
        end = key.find("/", len(ROOT)) + 1
        return self._kinds.get(key[:end]) or self._kinds.get(key[: key.find("/", end) + 1])

    def _advance(self, revision: int) -> None:
        self.revision = revision
        for wanted, reached in self._waiting:
            if wanted <= revision and not reached.done():
                reached.set_result(None)

    def _forget(self, error: ApiError) -> None:
        """All that is known may be wrong."""
        self.end_watches(error)
        self.revision = -1

    def end_watches(self, error: ApiError) -> None:
        for cache in self._kinds.values():
            for watcher in cache.watchers():
                watcher.fail(error)
