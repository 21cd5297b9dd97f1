"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it, and a StatefulSet heals.

Two things must hold in each of these lives: it converges, and there are never two pods of one name. Every pod is made
once for each revision, and not once more.
"""

import asyncio
from collections import Counter
from typing import Any

import pytest

from api.client import Client, Selection
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.test_workload_failures import Fault, FaultyAt, reply_lost, request_lost
from tests.cluster.whole import Cluster, run, statefulset


class Names:
    """Of all pods that ever were. Fails when two of one name exist at the same time, in the store or on a node."""

    def __init__(self) -> None:
        self.made: Counter[str] = Counter()
        self.alive: dict[str, str] = {}  # name -> uid

    async def follow(self, client: Client, version: str) -> None:
        changes = client.watch(Pod, Selection(), version=version, bookmarks=False)
        async for batch in changes:
            for event in batch:
                self._note(event.type, event.object)

    def _note(self, kind: str, pod: Pod) -> None:
        name, uid = pod.metadata.name, pod.metadata.uid
        if kind == "DELETED":
            del self.alive[name]
            return
        if name not in self.alive:
            self.made[name] += 1
        assert self.alive.setdefault(name, uid) == uid, f"two pods are called {name}"


async def _complete(world: Cluster) -> bool:
    found = await world.client.get(StatefulSet, "web", "default")
    status, wanted = found.status, found.spec.replicas
    counts = {status.replicas, status.updatedReplicas, status.availableReplicas}
    seen = status.observedGeneration == found.metadata.generation
    return seen and counts == {wanted} and status.currentRevision == status.updateRevision


async def one_life(world: Cluster, policy: str) -> None:
    names = Names()
    following = world.tasks.create_task(names.follow(world.client, "0"))
    await world.client.create(statefulset(2, podManagementPolicy=policy))
    await world.until(lambda: _complete(world))
    await world.image("registry.test/app:2", StatefulSet)
    await world.until(lambda: _complete(world))
    await world.change({"replicas": 1}, StatefulSet)
    await world.until(lambda: _complete(world))
    revisions = (await world.client.list(ControllerRevision)).items
    assert sorted(each.revision for each in revisions) == [1, 2]
    await world.client.delete(StatefulSet, "web", "default")
    await world.until(lambda: _nothing(world))
    following.cancel()
    assert names.made == {"web-0": 2, "web-1": 2}


async def _nothing(world: Cluster) -> bool:
    kinds: tuple[type[Any], ...] = (StatefulSet, ControllerRevision, Pod)
    return not any([(await world.client.list(kind)).items for kind in kinds])


def live_with(at: int, fault: Fault, policy: str) -> int:
    """How many calls the controllers made."""
    clients: list[FaultyAt] = []

    def wrap(client: Client) -> Any:
        clients.append(FaultyAt(client, at, fault))
        return clients[0]

    run(lambda world: one_life(world, policy), nodes=1, wrap=wrap)
    return clients[0].calls


@pytest.mark.parametrize(
    ("fault", "policy"),
    [(request_lost, "OrderedReady"), (reply_lost, "OrderedReady"), (reply_lost, "Parallel")],
)
def test_any_call_that_fails_is_healed(fault: Fault, policy: str) -> None:
    total = live_with(0, fault, policy)
    assert total > 30
    for n in range(1, total + 1):
        live_with(n, fault, policy)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    total = live_with(0, request_lost, "OrderedReady")
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
        await one_life(world, "OrderedReady")
        following.cancel()

    run(scenario, nodes=1, wrap=lambda client: FaultyAt(client, n, crash))  # type: ignore[arg-type, return-value]
