"""A small cluster on fake time: a real API server over the memory store, and hollow nodes with the real agent.

An hour takes a moment. Tests wait for what should become true, and fail when fake hours pass without it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from api import clock
from api.client import Client, Delete, Selection
from api.errors import NotFound
from control_plane.store.open import open_store
from node_agent.agent import Agent
from node_agent.hollow import run_hollow
from node_agent.runtime.hollow import HollowRuntime
from node_agent.runtime.model import ContainerStatus
from proto.v1.cluster_pb2 import Event
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from tests import fake_time
from tests.apiserver import serving

PATIENCE = 3 * 3600  # fake seconds
POLL = 0.1  # fake seconds


@dataclass
class World:
    """A cluster whose nodes are named n0, n1, …"""

    client: Client
    runtimes: dict[str, HollowRuntime] = field(default_factory=dict)
    agents: list[Agent] = field(default_factory=list)
    running: asyncio.Task[None] | None = None  # the agents

    @property
    def runtime(self) -> HollowRuntime:
        return self.runtimes["n0"]

    async def create(self, pod: Pod) -> Pod:
        return await self.client.create(pod)

    async def pod(self, name: str = "web") -> Pod:
        return await self.client.get(Pod, name, "default")

    async def until(self, holds: Callable[[Pod], bool], name: str = "web") -> Pod:
        """The pod, as soon as this is true of it."""
        async with asyncio.timeout(PATIENCE):
            while True:
                found = await self.pod(name)
                if holds(found):
                    return found
                await asyncio.sleep(POLL)

    async def gone(self, name: str = "web") -> None:
        async with asyncio.timeout(PATIENCE):
            while True:
                try:
                    await self.pod(name)
                except NotFound:
                    return
                await asyncio.sleep(POLL)

    async def delete(self, name: str = "web", grace: int | None = None) -> None:
        await self.client.delete(Pod, name, "default", Delete(grace=grace))

    async def stop_agents(self) -> None:
        """As a crash would: whatever they were doing is cut off."""
        assert self.running is not None
        self.running.cancel()
        await asyncio.wait([self.running])

    async def runs(self, container: str, node: str = "n0") -> list[ContainerStatus]:
        records = await HollowRuntime.list(
            self.runtimes[node]
        )  # past what a test may have put there
        return [c for record in records for c in record.containers if c.name == container]

    async def run_of(self, container: str, attempt: int = 0) -> ContainerStatus:
        """A run, as soon as it is running."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for run in await self.runs(container):
                    if run.attempt == attempt and run.state == "running":
                        return run
                await asyncio.sleep(POLL)

    async def reasons(self, name: str = "web") -> list[str]:
        """Of the events about the pod, in order."""
        for agent in self.agents:
            await agent.events.flush()
        listing = await self.client.list(Event, Selection(namespace="default"))
        about = [e for e in listing.items if e.involvedObject.name == name]
        return [e.reason for e in sorted(about, key=lambda e: int(e.metadata.resourceVersion))]


Scenario = Callable[[World], Coroutine[Any, Any, None]]


def simulate(
    scenario: Scenario,
    *,
    nodes: int = 1,
    runtime: Callable[[str], HollowRuntime] = lambda name: HollowRuntime(),
    wrap: Callable[[Client], Client] = lambda client: client,
) -> None:
    """Run a scenario to its end; nothing may be left running after it."""

    async def whole() -> None:
        async with world(nodes, runtime, wrap) as here:
            await scenario(here)

    fake_time.run(whole())


@asynccontextmanager
async def world(
    nodes: int, runtime: Callable[[str], HollowRuntime], wrap: Callable[[Client], Client]
) -> AsyncIterator[World]:
    names = [f"n{i}" for i in range(nodes)]
    store = await open_store("memory://")
    async with serving(store, grpc=False) as api:
        here = World(api.client, {name: runtime(name) for name in names})
        async with asyncio.TaskGroup() as tasks:
            here.running = tasks.create_task(
                run_hollow(
                    wrap(api.client),
                    names,
                    runtime=here.runtimes.__getitem__,
                    started=here.agents.extend,
                )
            )
            try:
                yield here
            finally:
                here.running.cancel()
    await store.close()


def pod(*containers: Container, name: str = "web", node: str = "n0", **spec: Any) -> Pod:
    """A pod that is bound already; without containers it has one, called app."""
    made = PodSpec(nodeName=node, **spec)
    made.containers.extend(containers or [container("app")])
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=made)


def container(name: str = "app", **fields: Any) -> Container:
    return Container(name=name, image="registry.test/app:1", **fields)


def condition(pod: Pod, kind: str) -> str:
    return next((c.status for c in pod.status.conditions if c.type == kind), "")


def is_ready(pod: Pod) -> bool:
    return condition(pod, "Ready") == "True"


async def eventually(holds: Callable[[], bool]) -> None:
    """Until it is true."""
    async with asyncio.timeout(PATIENCE):
        while not holds():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(POLL)


def now() -> float:
    """Fake seconds since the beginning."""
    return (clock.now() - fake_time.BEGINNING).total_seconds()
