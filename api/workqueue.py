"""Keys that need work: many events in, one reconcile out.

A controller is told "default/web" and looks at the world for itself, so two events about the same key are one
piece of work. The queue therefore holds a set of keys: adding one that waits already changes nothing, and adding
one that is being worked on makes it wait until that work is done. Two workers never hold the same key, which is
why reconcilers need no locks.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class WorkQueue:
    """A set of keys with a queue in front.

    Invariant: `_ready` holds exactly the keys that are dirty and not active.
    """

    def __init__(self) -> None:
        self._ready: asyncio.Queue[str] = asyncio.Queue()
        self._dirty: set[str] = set()  # must be reconciled (again)
        self._active: set[str] = set()  # being reconciled right now
        self._later: dict[str, asyncio.TimerHandle] = {}  # at most one timer per key: the earliest

    def __len__(self) -> int:
        """How many keys wait, not counting those that wait for their time."""
        return len(self._dirty)

    @property
    def idle(self) -> bool:
        """Nothing waits and nothing is being worked on (timers do not count)."""
        return not self._dirty and not self._active

    def add(self, key: str) -> None:
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._active:
            self._ready.put_nowait(key)

    def add_later(self, key: str, delay: float) -> None:
        """Add the key in `delay` seconds. If it is to come earlier anyway, that time stands."""
        loop = asyncio.get_running_loop()
        planned = self._later.get(key)
        if planned is not None:
            if planned.when() <= loop.time() + delay:
                return
            planned.cancel()
        self._later[key] = loop.call_later(delay, self._due, key)

    def _due(self, key: str) -> None:
        self._later.pop(key, None)
        self.add(key)

    @asynccontextmanager
    async def take(self) -> AsyncIterator[str]:
        """The next key, for as long as the block runs."""
        key = await self._ready.get()
        self._dirty.discard(key)
        self._active.add(key)
        try:
            yield key
        finally:
            self._active.discard(key)
            if key in self._dirty:  # it changed while we worked on it
                self._ready.put_nowait(key)

    def close(self) -> None:
        """Forget the keys whose time has not come: no timer outlives the queue."""
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
