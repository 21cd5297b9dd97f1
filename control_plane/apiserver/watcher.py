"""One change, what it is to one watcher, and the watcher's place in the stream of changes."""

import asyncio

from api.errors import ApiError, Expired
from control_plane.apiserver import refusals
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.stored import Stored

PENDING = 10_000  # events that a watcher may leave waiting before it is told to list again


class Event:
    """One change of one object. `old` is None for a new object, `new` for one that is gone."""

    __slots__ = ("new", "old", "revision")

    def __init__(self, revision: int, old: Stored | None, new: Stored | None) -> None:
        self.revision, self.old, self.new = revision, old, new

    def seen_by(self, chosen: Chosen) -> tuple[str, Stored] | None:
        """What the change is to somebody who sees only what was chosen (S#7): leaving the choice is a deletion."""
        was = self.old is not None and chosen.takes(self.old)
        if self.new is not None and chosen.takes(self.new):
            return ("MODIFIED" if was else "ADDED"), self.new
        if was and self.old is not None:
            return "DELETED", self.old.at(self.revision)
        return None

    @property
    def weight(self) -> int:
        stored = self.new or self.old
        return len(stored.value) if stored else 0


class Watcher:
    """A subscription: the events that were not taken yet. Belongs to one task."""

    def __init__(self, chosen: Chosen) -> None:
        self.chosen = chosen
        self._pending: list[Event] = []
        self._failure: ApiError | None = None  # ends the watch when the pending events are taken
        self._more = asyncio.Event()  # set: there is something pending, or a failure

    def push(self, event: Event) -> None:
        if event.new is not None and event.new.lost and self.chosen.one:
            # Expired: the client lists, is told there what is wrong, and goes on when that has been mended.
            self.fail(Expired(event.new.lost))
            return
        self._pending.append(event)
        if len(self._pending) > PENDING and self._failure is None:
            self.fail(refusals.too_old(event.revision - 1, event.revision))
        self._more.set()

    def fail(self, error: ApiError) -> None:
        """What was not taken yet is dropped: the watcher must look at everything anew."""
        self._pending.clear()
        self._failure = error
        self._more.set()

    @property
    def waiting(self) -> bool:
        """There is something to take."""
        return self._more.is_set()

    async def take(self, at_most: float) -> list[Event]:
        """All that waits; nothing, if nothing comes within so many seconds. Raises what the watch has ended with."""
        if not self._more.is_set():
            try:
                async with asyncio.timeout(at_most):
                    await self._more.wait()
            except TimeoutError:
                return []
        if self._failure is not None:
            raise self._failure
        taken, self._pending = self._pending, []
        self._more.clear()
        return taken
