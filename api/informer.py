"""A local copy of a kind's objects that keeps itself up to date: list once, then watch.

Controllers read from here and not from the server, so a thousand reconciles cost no call. The copy is a little
behind the truth, always; that is harmless because writes carry the version they are based on and names are
deterministic. What an informer promises: after a lost connection it resumes where it was; when the server has
forgotten that version (Expired) it lists again and tells its handlers the difference, deletions included, as if it
had never been away.

A list is of the latest state, the first one too. Kubernetes' informers begin with whatever the server's cache has,
which may be older than the last write of the process that ran here before: a controller that is back at once after a
crash would not see the pod that it made a moment ago, and make another.

Objects in `objects` are shared by everybody in the process. Read them; to change one, copy it first.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Generic, TypeVar

from api import kinds
from api.client import EVERYTHING, Client, Selection, WatchEvent
from api.errors import ApiError, Expired, Timeout, Unavailable

log = logging.getLogger(__name__)
M = TypeVar("M")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0  # seconds between attempts to reach the server

# Told (old, new) after the change is in `objects`; None for old: it is new, None for new: it is gone.
# A hint to look at the object's key, no more. Must not wait and must not raise.
Handler = Callable[[M | None, M | None], None]
# The values under which an object is found in an index.
IndexFunction = Callable[[M], Iterable[str]]


class Informer(Generic[M]):
    """The objects of one kind, or of a selection of it."""

    def __init__(self, client: Client, kind: type[M], which: Selection = EVERYTHING) -> None:
        self.kind, self.which = kind, which
        self.objects: dict[str, M] = {}  # "namespace/name" (or "name") -> object
        self.version = ""  # the resourceVersion that `objects` shows
        self._client = client
        self._handlers: list[Handler[M]] = []
        self._indices: dict[str, _Index[M]] = {}
        self._synced = asyncio.Event()

    @property
    def has_synced(self) -> bool:
        """The copy was complete at least once."""
        return self._synced.is_set()

    async def wait_synced(self) -> None:
        await self._synced.wait()

    def add_handler(self, handler: Handler[M]) -> None:
        """Be told of changes. What is here already is told at once, as new."""
        self._handlers.append(handler)
        for obj in list(self.objects.values()):
            handler(None, obj)

    def add_index(self, name: str, function: IndexFunction[M]) -> None:
        """Find objects by something else than their name. The same name again changes nothing."""
        if name not in self._indices:
            self._indices[name] = index = _Index(function)
            for key, obj in self.objects.items():
                index.replace(key, None, obj)

    def by_index(self, name: str, value: str) -> list[M]:
        return [self.objects[key] for key in self._indices[name].keys.get(value, ())]

    async def run(self) -> None:
        """Keep the copy up to date until cancelled."""
        failures = 0
        while True:
            before = self.version
            try:
                await self._follow()
            except (Expired, Timeout) as error:
                # Timeout: the server has not come as far as we have seen; its store was put back to an older state.
                log.info("relist kind=%s because=%r", self.kind.__name__, error.message)
                with suppress(ApiError):  # whatever it is, the next round meets it and waits
                    await self._relist()
            except ApiError as error:
                level = logging.INFO if isinstance(error, Unavailable) else logging.WARNING
                log.log(level, "watch_broken kind=%s error=%r", self.kind.__name__, error.message)
            failures = 0 if self.version != before else failures + 1
            await asyncio.sleep(_pause(failures))

    async def _follow(self) -> None:
        if not self.version:
            await self._relist()
        async for batch in self._client.watch(self.kind, self.which, version=self.version):
            self._apply(batch)

    async def _relist(self) -> None:
        listing = await self._client.list(self.kind, self.which)
        fresh = {kinds.object_key(obj): obj for obj in listing.items}
        for key in self.objects.keys() - fresh.keys():
            self._change(key, None)
        for key, obj in fresh.items():
            self._change(key, obj)
        self.version = listing.version
        self._synced.set()

    def _apply(self, batch: Sequence[WatchEvent[M]]) -> None:
        for event in batch:
            if event.type != "BOOKMARK":
                key = kinds.object_key(event.object)
                self._change(key, None if event.type == "DELETED" else event.object)
        last: Any = batch[-1].object
        self.version = last.metadata.resourceVersion

    def _change(self, key: str, new: Any) -> None:
        old: Any = self.objects.get(key)
        if new is None:
            self.objects.pop(key, None)
        else:
            if old is not None and (
                old.metadata.resourceVersion == new.metadata.resourceVersion
            ):  # a relist showed what we knew
                return
            self.objects[key] = new
        for index in self._indices.values():
            index.replace(key, old, new)
        if old is not None or new is not None:
            for handler in self._handlers:
                handler(old, new)


class _Index(Generic[M]):
    """For each value the keys of the objects that have it."""

    def __init__(self, function: IndexFunction[M]) -> None:
        self._function = function
        self.keys: dict[str, dict[str, None]] = {}  # the inner dict is a set that keeps its order

    def replace(self, key: str, old: M | None, new: M | None) -> None:
        was = tuple(self._function(old)) if old is not None else ()
        will_be = tuple(self._function(new)) if new is not None else ()
        if was == will_be:  # as almost always
            return
        before, after = set(was), set(will_be)
        for value in before - after:
            keys = self.keys[value]
            keys.pop(key, None)
            if not keys:
                del self.keys[value]
        for value in after - before:
            self.keys.setdefault(value, {})[key] = None


def _pause(failures: int) -> float:
    """A server that comes back is not greeted by everybody at once: the pause is drawn by lot."""
    longest = min(FIRST_PAUSE * 2.0 ** min(failures, 16), LONGEST_PAUSE)
    return random.uniform(longest / 2, longest)


def by_owner(obj: Any) -> Iterable[str]:
    """An index function: the uids of an object's owners."""
    return (owner.uid for owner in obj.metadata.ownerReferences)


def by_namespace(obj: Any) -> Iterable[str]:
    """An index function: the object's namespace."""
    return (obj.metadata.namespace,)


class Informers:
    """One informer per kind and selection, shared by all that ask.

    informers = Informers(client)
    pods = informers.of(Pod)
    pods.add_handler(lambda old, new: queue.add(...))
    tasks.create_task(informers.run())
    await informers.wait_synced()
    """

    def __init__(self, client: Client) -> None:
        self.client = client
        self._all: dict[tuple[type[Any], Selection], Informer[Any]] = {}
        self._tasks: asyncio.TaskGroup | None = None  # while running

    def of(self, kind: type[M], which: Selection = EVERYTHING) -> Informer[M]:
        found = self._all.get((kind, which))
        if found is None:
            found = self._all[kind, which] = Informer(self.client, kind, which)
            if self._tasks is not None:
                self._tasks.create_task(found.run())
        return found

    async def run(self) -> None:
        """Run them all, and those asked for later, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            try:
                for informer in list(self._all.values()):
                    tasks.create_task(informer.run())
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                self._tasks = None

    async def wait_synced(self, *kinds: type[Any]) -> None:
        """Until those of these kinds are complete; of none: every informer asked for so far."""
        for informer in [self.of(kind) for kind in kinds] or list(self._all.values()):
            await informer.wait_synced()
