"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it. All of it heals.

One life of a Deployment is lived each time: it comes, is rolled out, and goes with everything it made. Not one pod more
is created than in a life without failures, not even for a moment.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from api.client import Client, Selection
from api.errors import Unavailable
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.whole import Cluster, deployment, run

VERBS = (
    "get",
    "list",
    "create",
    "update",
    "patch",
    "delete",
    "bind",
    "batch",
    "get_scale",
    "update_scale",
)
Fault = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Coroutine[Any, Any, Any]]


class FaultyAt:
    """A client whose N-th call goes through `fault`."""

    def __init__(self, client: Client, at: int, fault: Fault) -> None:
        self._client, self._at, self._fault = client, at, fault
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return self._counted(method) if name in VERBS else method

    def _counted(self, method: Any) -> Any:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            if self.calls == self._at:
                return await self._fault(lambda: method(*args, **kwargs))
            return await method(*args, **kwargs)

        return call


async def request_lost(call: Any) -> Any:
    raise Unavailable("injected: the request was lost")


async def reply_lost(call: Any) -> Any:
    await call()
    raise Unavailable("injected: the reply was lost")


async def _record(client: Client, created: set[str]) -> None:
    """The name of every pod that ever was."""
    version = (await client.list(Pod)).version
    async for batch in client.watch(Pod, Selection(), version=version):
        created.update(event.object.metadata.name for event in batch)


async def one_life(world: Cluster) -> None:
    created: set[str] = set()
    recording = world.tasks.create_task(_record(world.client, created))
    await world.client.create(deployment(2))
    await world.until(world.complete)
    await world.image("registry.test/app:2")
    await world.until(world.complete)
    assert await world.ready(2)
    await world.client.delete(Deployment, "web", "default")
    await world.until(lambda: _nothing(world))
    recording.cancel()
    assert len(created) == 4, "two pods of each version, and no other"


async def _nothing(world: Cluster) -> bool:
    kinds: tuple[type[Any], ...] = (Deployment, ReplicaSet, Pod)
    return not any([(await world.client.list(kind)).items for kind in kinds])


def live_with(at: int, fault: Fault) -> int:
    """How many calls the controllers made."""
    clients: list[FaultyAt] = []

    def wrap(client: Client) -> Any:
        clients.append(FaultyAt(client, at, fault))
        return clients[0]

    run(one_life, nodes=1, wrap=wrap)
    return clients[0].calls


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    total = live_with(0, fault)
    assert total > 30
    for n in range(1, total + 1):
        live_with(n, fault)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    total = live_with(0, request_lost)
    for n in range(1, total + 1):
        _crash_after(n)


def _crash_after(n: int) -> None:
    crashed = asyncio.Event()

    async def crash(call: Any) -> Any:
        await call()
        crashed.set()
        await asyncio.Event().wait()  # the process is no more

    async def follow(world: Cluster) -> None:
        await crashed.wait()
        world.stop_controllers()
        await asyncio.sleep(1)  # a process takes that to start; what was on its way has arrived
        world.start_controllers(world.client)

    async def scenario(world: Cluster) -> None:
        following = world.tasks.create_task(follow(world))
        await one_life(world)
        following.cancel()

    def wrap(client: Client) -> Any:
        return FaultyAt(client, n, crash)

    run(scenario, nodes=1, wrap=wrap)
