"""What goes wrong between controllers and server: for every N, the N-th call, in each of three ways."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypedDict, Unpack

from api.client import Client
from api.errors import Unavailable
from proto.v1.pod_pb2 import Pod
from tests.cluster.whole import Cluster, Parts, Runtimes, Wrap, run

VERBS = ("get", "list", "create", "update", "patch", "delete", "bind", "batch", "get_scale", "update_scale")  # fmt: skip
Fault = Callable[[Callable[[], Coroutine[Any, Any, Any]]], Coroutine[Any, Any, Any]]
Life = Callable[[Cluster], Coroutine[Any, Any, None]]


class Where(TypedDict, total=False):
    """What a life is lived in; see `whole.run`. One node, unless it says otherwise."""

    nodes: int
    runtime: Runtimes
    parts: Parts


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


def fail_at_every_call(life: Life, fault: Fault, *, least: int = 0, **where: Unpack[Where]) -> None:
    """For every N: the controllers' N-th call goes through `fault`. In a life without, they make more than `least`."""
    total = _live(life, 0, fault, **where)
    assert total > least
    for n in range(1, total + 1):
        _live(life, n, fault, **where)


def crash_at_every_call(life: Life, **where: Unpack[Where]) -> None:
    """For every N: after their N-th call the controllers are no more, and there are others."""
    for n in range(1, _live(life, 0, request_lost, **where) + 1):
        _crash(life, n, **where)


def _live(life: Life, at: int, fault: Fault, **where: Unpack[Where]) -> int:
    """How many calls the controllers made. `at` 0: no call is hit."""
    clients: list[FaultyAt] = []

    def wrap(client: Client) -> Any:
        clients.append(FaultyAt(client, at, fault))
        return clients[0]

    _run(life, wrap, **where)
    return clients[0].calls


def _crash(life: Life, n: int, **where: Unpack[Where]) -> None:
    crashed = asyncio.Event()

    async def die(call: Any) -> Any:
        await call()
        crashed.set()
        await asyncio.Event().wait()  # the process is no more

    async def follow(world: Cluster) -> None:
        await crashed.wait()
        world.stop_controllers()
        world.start_controllers(world.client)

    async def scenario(world: Cluster) -> None:
        following = world.tasks.create_task(follow(world))
        await life(world)
        following.cancel()

    def wrap(client: Client) -> Any:
        return FaultyAt(client, n, die)

    _run(scenario, wrap, **where)


def _run(life: Life, wrap: Wrap, **where: Unpack[Where]) -> None:
    here: Where = {"nodes": 1, **where}
    run(life, wrap=wrap, **here)


async def watch_pods(world: Cluster, seen: Callable[[list[Pod]], None]) -> asyncio.Task[None]:
    """`seen` is shown all pods as they are after each change, until what is returned is cancelled."""
    listing = await world.client.list(Pod)
    pods = {pod.metadata.uid: pod for pod in listing.items}

    async def follow() -> None:
        watching = world.client.watch(Pod, version=listing.version, bookmarks=False)
        async for batch in watching:
            for event in batch:
                pods[event.object.metadata.uid] = event.object
                if event.type == "DELETED":
                    del pods[event.object.metadata.uid]
                seen(list(pods.values()))

    return world.tasks.create_task(follow())
