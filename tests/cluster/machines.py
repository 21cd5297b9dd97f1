"""Nodes that fail, on fake time: each has its own agents and its own wire, which can be cut and mended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from api import conditions
from api.client import Client
from api.errors import NotFound, Unavailable
from node_agent.hollow import run_hollow
from node_agent.runtime.hollow import HollowRuntime
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod
from tests.cluster.whole import Cluster, as_is, run

VERBS = ("get", "list", "create", "update", "patch", "delete", "bind", "batch", "evict")


class Wire:
    """A client that reaches nobody while it is cut. A watch ends with the first event that does not come through."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.is_cut = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._checked(method) if name in VERBS else method

    def _check(self) -> None:
        if self.is_cut:
            raise Unavailable("the wire is cut")

    def _checked(self, method: Any) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self._check()
            return await method(*args, **kwargs)

        return call

    async def watch(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        self._check()
        async for batch in self._client.watch(*args, **kwargs):
            self._check()
            yield batch


@dataclass
class Machines:
    """n0, n1, …: `cut` is a partition, `stop` the end of the agent, both leave the containers running."""

    world: Cluster
    wires: dict[str, Wire] = field(default_factory=dict)
    runtimes: dict[str, HollowRuntime] = field(default_factory=dict)
    agents: dict[str, asyncio.Task[None]] = field(default_factory=dict)

    def start(self, name: str) -> None:
        self.wires.setdefault(name, Wire(self.world.client))
        runtime = self.runtimes.setdefault(name, HollowRuntime())
        agent = run_hollow(self.wires[name], [name], runtime=lambda _: runtime)  # type: ignore[arg-type]
        self.agents[name] = self.world.tasks.create_task(agent)

    def cut(self, *names: str) -> None:
        for name in names:
            self.wires[name].is_cut = True

    def mend(self, *names: str) -> None:
        for name in names:
            self.wires[name].is_cut = False

    def stop(self, *names: str) -> None:
        for name in names:
            self.agents.pop(name).cancel()

    async def node(self, name: str) -> Node:
        return await self.world.client.get(Node, name)

    async def ready(self, name: str) -> str:
        """The status of the condition Ready; "" before there is one."""
        try:
            found = conditions.find((await self.node(name)).status.conditions, "Ready")
        except NotFound:
            return ""
        return found.status if found is not None else ""

    async def says(self, status: str, *names: str) -> bool:
        return all([await self.ready(name) == status for name in names])

    async def taints(self, name: str) -> set[str]:
        """ "not-ready:NoExecute", …"""
        return {
            f"{taint.key.removeprefix('node.kubernetes.io/')}:{taint.effect}"
            for taint in (await self.node(name)).spec.taints
        }

    async def places(self) -> dict[str, str]:
        """Pod → node, of the pods that do not end."""
        return {pod.metadata.name: pod.spec.nodeName for pod in await self.world.pods()}

    async def on(self, node: str) -> list[Pod]:
        return [pod for pod in await self.world.pods() if pod.spec.nodeName == node]


Story = Callable[[Machines], Coroutine[Any, Any, None]]


def fail(
    story: Story, *nodes: str, wrap: Callable[[Client], Client] = as_is, **options: Any
) -> None:
    """A cluster of these nodes, all of them ready when the story begins."""

    async def scenario(world: Cluster) -> None:
        machines = Machines(world)
        for name in nodes:
            machines.start(name)
        try:
            await world.until(lambda: machines.says("True", *nodes))
            await story(machines)
        finally:
            machines.stop(*list(machines.agents))

    run(scenario, nodes=0, wrap=wrap, **options)


async def seconds(of: Awaitable[object]) -> float:
    """How long it takes, in fake time."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    await of
    return loop.time() - begun
