"""A control plane for the scheduler's cluster tests: a real API server on a memory store, and fake time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from api.client import Client, Selection
from api.errors import ApiError
from api.informer import Informers
from api.recorder import Recorder
from control_plane.apiserver.server import ApiServer
from control_plane.scheduler.main import Scheduler
from control_plane.store.memory import MemoryStore
from proto.v1.cluster_pb2 import Event, Node
from proto.v1.pod_pb2 import Binding, Pod

Faults = Callable[[Client], Client]


class World:
    def __init__(self, client: Client, scheduler: Scheduler, recorder: Recorder) -> None:
        self.client, self.scheduler, self._recorder = client, scheduler, recorder

    async def create(self, *objects: Node | Pod) -> None:
        for each in objects:
            if isinstance(each, Pod):
                await self.client.create(each)
            else:  # a status is written by itself
                made = await self.client.create(each)
                made.status.CopyFrom(each.status)
                await self.client.update(made, subresource="status")

    async def pod(self, name: str) -> Pod:
        return await self.client.get(Pod, name, "default")

    async def node_of(self, name: str) -> str:
        return (await self.pod(name)).spec.nodeName

    async def bound(self) -> dict[str, str]:
        """Pod -> node, of those that have one."""
        pods = (await self.client.list(Pod)).items
        return {p.metadata.name: p.spec.nodeName for p in pods if p.spec.nodeName}

    async def refusal(self, name: str) -> tuple[str, str, str]:
        """Status, reason and message of the condition PodScheduled."""
        for c in (await self.pod(name)).status.conditions:
            if c.type == "PodScheduled":
                return c.status, c.reason, c.message
        return "", "", ""

    async def events(self, name: str) -> list[tuple[str, str]]:
        await self._recorder.flush()
        found = (await self.client.list(Event, Selection(namespace="default"))).items
        return [(e.reason, e.message) for e in found if e.involvedObject.name == name]

    async def until(self, condition: Callable[[], Any], seconds: float = 600) -> None:
        """Wait for it. With fake time the limit costs nothing unless it is reached."""
        async with asyncio.timeout(seconds):
            while not await condition():  # noqa: ASYNC110  (the condition is the server's to know)
                await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """Nothing is queued, under way, or to be told."""
        await asyncio.sleep(0.5)


@asynccontextmanager
async def control_plane(faults: Faults = lambda client: client) -> AsyncIterator[World]:
    server = ApiServer(MemoryStore())
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(server.run())]
        await server.prepare()
        client = faults(server.client)
        recorder, informers = Recorder(client, "default-scheduler"), Informers(client)
        scheduler = Scheduler(client, recorder=recorder, informers=informers)
        running += [tasks.create_task(each.run()) for each in (informers, recorder, scheduler)]
        try:
            yield World(server.client, scheduler, recorder)
        finally:
            for task in running:
                task.cancel()


class FailingBinds:
    """A client of which every N-th binding fails: before it reaches the server, or after."""

    def __init__(self, client: Client, every: int, error: ApiError, *, arrives: bool) -> None:
        self._client, self._every, self._error, self._arrives = client, every, error, arrives
        self.count = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def batch(self, writes: Sequence[Any]) -> Sequence[Any]:
        outcomes = []
        for write in writes:
            binding = isinstance(write.object, Binding)
            self.count += binding
            fails = binding and self.count % self._every == 0
            if fails and not self._arrives:
                outcomes.append(self._error)
                continue
            [outcome] = await self._client.batch([write])
            outcomes.append(self._error if fails else outcome)
        return outcomes
