"""For controllers that keep a long list as several objects of bounded size: what is to be done, and how it is written.

Of many pods that become ready at once each would rewrite the same slice, so between two writes for one key is a pause;
and nobody looks again before his own writes have come back to him.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from api.client import Client, Delete
from api.errors import NotFound
from api.workqueue import WorkQueue

S = TypeVar("S", bound=Any)  # the kind of slice

BATCH = 0.1  # seconds between two writes for one key


@dataclass
class Plan(Generic[S]):
    create: list[S] = field(default_factory=list)
    update: list[S] = field(default_factory=list)
    delete: list[S] = field(default_factory=list)


class Writes(Generic[S]):
    """Those of one controller, by the keys of its queue."""

    def __init__(self, client: Client, queue: WorkQueue) -> None:
        self._client, self._queue = client, queue
        # The version of our last write, and when it was (loop time).
        self._last: dict[str, tuple[int, float]] = {}

    def forget(self, key: str) -> None:
        self._last.pop(key, None)

    def look_soon(self, key: str) -> None:
        """Reconcile it, but not before the pause is over."""
        _, when = self._last.get(key, (0, -BATCH))
        wait = when + BATCH - asyncio.get_running_loop().time()
        if wait > 0:
            self._queue.add_later(key, wait)
        else:
            self._queue.add(key)

    def are_seen(self, key: str, version: str) -> bool:
        """Whether what we have written is in a copy of this resourceVersion."""
        return int(version or 0) >= self._last.get(key, (0, 0.0))[0]

    async def act(self, key: str, todo: Plan[S]) -> None:
        """Raises Conflict, AlreadyExists: we have not seen all that there is."""
        for slice in todo.create:
            self._wrote(key, await self._client.create(slice))
        for slice in todo.update:
            self._wrote(key, await self._client.update(slice))
        for slice in todo.delete:
            meta = slice.metadata
            try:
                await self._client.delete(
                    type(slice), meta.name, meta.namespace, Delete(uid=meta.uid)
                )
            except NotFound:
                continue

    def _wrote(self, key: str, slice: S) -> None:
        self._last[key] = int(slice.metadata.resourceVersion), asyncio.get_running_loop().time()
