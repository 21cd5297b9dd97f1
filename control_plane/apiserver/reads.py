"""The verbs that read many objects: list and watch, and what a resourceVersion means to them (S#5, S#6, S#8–S#10).

    list    ""      the latest: every write acknowledged before is shown (the cache is waited for)
            "0"     whatever the cache has
            N       N or later; with a limit, or "Exact", precisely N
    watch   ""      begin with the latest state, as ADDED events
            "0"     begin with whatever state the cache has
            N       every change later than N
            N, with sendInitialEvents: begin with a state not older than N

A list in pages shows one moment: the first page comes from the cache, the others from the store's past at that
revision, and when that has been compacted, the client is told Expired.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable
from dataclasses import dataclass

from api.errors import BadRequest, Cause, Expired, Invalid, Unavailable
from api.kinds import Kind
from control_plane.apiserver import continuation, refusals, unreadable
from control_plane.apiserver.continuation import Place
from control_plane.apiserver.errors import store_errors
from control_plane.apiserver.metrics import Metrics
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.watchcache import KindCache, WatchCache
from control_plane.apiserver.watcher import Event
from control_plane.store.contract import Compacted, FutureRevision, Listing, Store

PATIENCE = (
    3.0  # seconds that a request waits for a version that has not happened yet, as in Kubernetes
)
CATCH_UP = 0.5  # seconds that a list waits for the cache before it asks the store itself
PAGE = 500  # items read from the store at once when a selector leaves some of them out
BOOKMARK_EVERY = 60.0  # seconds
INITIAL_EVENTS_END = "k8s.io/initial-events-end"


@dataclass(frozen=True, slots=True)
class Page:
    """The answer to a list."""

    items: list[Stored]
    revision: int
    token: str = ""  # not empty: there is more
    remaining: int | None = None


@dataclass(frozen=True, slots=True)
class ListQuery:
    chosen: Chosen
    limit: int = 0
    token: str = ""
    version: str = ""
    match: str = ""  # Exact, NotOlderThan or empty


@dataclass(frozen=True, slots=True)
class WatchQuery:
    chosen: Chosen
    version: str = ""
    bookmarks: bool = False
    initial: bool = False  # begin with the present state even if there is a version


@dataclass(frozen=True, slots=True)
class State:
    """How a watch begins that has not said after which version."""

    items: list[Stored]


@dataclass(frozen=True, slots=True)
class Bookmark:
    """Everything up to this revision has been sent."""

    revision: int
    initial_events_end: bool = False


Message = State | list[Event] | Bookmark


class Reads:
    def __init__(self, store: Store, cache: WatchCache, metrics: Metrics) -> None:
        self._store = store
        self._cache = cache
        self._metrics = metrics

    async def list(self, kind: Kind, query: ListQuery) -> Page:
        """Raises BadRequest, Expired, Timeout; Internal: the one object that is meant cannot be read."""
        _check(query)
        page = await self._list(kind, query)
        _check_readable(query.chosen, page.items)
        return page

    async def _list(self, kind: Kind, query: ListQuery) -> Page:
        if not kind.stored:
            return Page(self._metrics.list(query.chosen), 0)
        if query.token:
            place = continuation.read(query.token)
            return await self._past(kind, query, place)
        if query.version not in ("", "0") and _is_exact(query):
            return await self._past(kind, query, Place(_revision(query.version), ""))
        if not await self._fresh(query.version):
            return await self._past(kind, query, Place(0, ""))
        return self._present(kind, query)

    async def _fresh(self, version: str) -> bool:
        """Wait until the cache is as new as asked for. False: ask the store instead."""
        if version == "":
            with store_errors():
                now = await self._store.revision()
            return await self._cache.reach(now, CATCH_UP)
        await self._reach(0 if version == "0" else _revision(version))
        return True

    async def _reach(self, revision: int) -> None:
        if not await self._cache.reach(revision, PATIENCE):
            if self._cache.revision < 0:
                raise Unavailable("the server is still reading its store", retry_after=1)
            raise refusals.too_large(revision, self._cache.revision)

    def _present(self, kind: Kind, query: ListQuery) -> Page:
        cache, revision = self._cache.of(kind), self._cache.revision
        if not query.limit:
            return Page(list(cache.select(query.chosen)), revision)
        items: list[Stored] = []
        more = 0
        for stored in cache.select(query.chosen):
            if len(items) < query.limit:
                items.append(stored)
            else:
                more += 1
                if not query.chosen.everything:
                    break  # nobody is told how many more
        return _page(query, items, revision, more=bool(more), remaining=more)

    async def _past(self, kind: Kind, query: ListQuery, place: Place) -> Page:
        """One page of a past moment, or of now (0), from the store."""
        chosen, strategy = query.chosen, self._cache.of(kind).strategy
        items: list[Stored] = []
        after = chosen.prefix + place.after
        size = max(query.limit, PAGE) if query.limit and not chosen.everything else query.limit
        while True:
            listing = await self._read(chosen.prefix, place.revision, after, size, query.token)
            place = Place(listing.revision, place.after)
            for item in listing.items:
                stored = Stored(strategy, item.key, item.value, item.revision)
                if chosen.everything or chosen.takes(stored):
                    if query.limit and len(items) == query.limit:
                        return _page(query, items, listing.revision, more=True)
                    items.append(stored)
            if not listing.more or (query.limit and chosen.everything):
                return _page(
                    query, items, listing.revision, more=listing.more, remaining=listing.remaining
                )
            after = listing.items[-1].key

    async def _read(self, prefix: str, revision: int, after: str, size: int, token: str) -> Listing:
        try:
            with store_errors():
                return await self._store.list(prefix, revision=revision, after=after, limit=size)
        except Compacted as gap:
            if token:
                raise Expired(
                    "The provided continue parameter is too old to display a consistent list result. "
                    "You must start a new list without the continue parameter."
                ) from None
            raise refusals.too_old(revision, gap.revision) from None
        except FutureRevision as error:
            raise refusals.too_large(revision, error.revision) from None

    async def watch(self, kind: Kind, query: WatchQuery) -> AsyncGenerator[Message, None]:
        """Without end. Raises Expired: list again; Timeout: that version is in the future; Unavailable.

        Leave it under `contextlib.aclosing`, so that nothing is left of it.
        """
        if not kind.stored:
            raise refusals.not_allowed(kind, "watch")
        with_state = query.initial or query.version in ("", "0")
        await self._ready_to_watch(query.version)
        cache, revision = self._cache.of(kind), self._cache.revision
        # From here to the subscription there is no await: state and events meet without a gap.
        state = list(cache.select(query.chosen)) if with_state else []
        _check_readable(query.chosen, state)
        watcher = cache.subscribe(
            query.chosen, revision if with_state else _revision(query.version)
        )
        try:
            yield State(state)  # even if it is empty: from here on nothing is missed
            if query.initial and query.bookmarks:
                yield Bookmark(revision, initial_events_end=True)
            bookmark_at = _now() + BOOKMARK_EVERY
            while True:
                events = await watcher.take(max(bookmark_at - _now(), 0))
                if events:
                    yield events
                # None came: it is time, even if the clock, being a float, says that it is not quite.
                if not events or _now() >= bookmark_at:
                    bookmark_at = _now() + BOOKMARK_EVERY
                    if query.bookmarks and not watcher.waiting:
                        yield Bookmark(self._cache.revision)
        finally:
            cache.unsubscribe(watcher)

    async def _ready_to_watch(self, version: str) -> None:
        if version != "":
            await self._reach(0 if version == "0" else _revision(version))
            return
        with store_errors():
            now = await self._store.revision()
        await self._reach(now)

    async def caught_up(self) -> None:
        """Wait until the cache shows all that is in the store now. Raises Timeout, Unavailable."""
        await self._ready_to_watch("")

    @property
    def revision(self) -> int:
        """Where the cache is; -1: it has not begun."""
        return self._cache.revision

    def cache_of(self, kind: Kind) -> KindCache:
        return self._cache.of(kind)


def _check_readable(chosen: Chosen, items: Iterable[Stored]) -> None:
    """Raises Internal for a lost object that was asked for by name; among others it is shown as what it is."""
    if chosen.one:
        for stored in items:
            if stored.lost:
                raise unreadable.refusal(stored.lost)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _is_exact(query: ListQuery) -> bool:
    return query.match == "Exact" or (query.match == "" and query.limit > 0)


def _page(
    query: ListQuery,
    items: list[Stored],
    revision: int,
    *,
    more: bool,
    remaining: int | None = None,
) -> Page:
    if not more:
        return Page(items, revision)
    after = items[-1].key[len(query.chosen.prefix) :]
    token = continuation.write(Place(revision, after))
    return Page(items, revision, token, remaining if query.chosen.everything else None)


def _revision(version: str) -> int:
    """A resourceVersion is the store's revision, but that is for nobody else to know."""
    if not (version.isascii() and version.isdigit()) or len(version) > 18:
        raise refusals.unreadable_version(version)
    return int(version)


def _check(query: ListQuery) -> None:
    """Raises BadRequest, Invalid: the parameters contradict each other."""
    if query.limit < 0:
        raise BadRequest(f"limit must not be negative: {query.limit}")
    if query.token and query.version not in ("", "0"):
        raise BadRequest("specifying resource version is not allowed when using continue")
    if not query.match:
        return
    why = ""
    if query.match not in ("Exact", "NotOlderThan"):
        why = f'Unsupported value: "{query.match}": supported values: "Exact", "NotOlderThan"'
    elif query.token:
        why = "Forbidden: resourceVersionMatch is forbidden when continue is provided"
    elif not query.version:
        why = "Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided"
    elif query.match == "Exact" and query.version == "0":
        why = 'Forbidden: resourceVersionMatch "Exact" is forbidden for resourceVersion "0"'
    if why:
        raise Invalid.because("ListOptions", "", [Cause("resourceVersionMatch", why)])
