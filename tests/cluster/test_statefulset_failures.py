"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it, and a StatefulSet heals.

Two things must hold in each of these lives: it converges, and there are never two pods of one name. Every pod is made
once for each revision, and not once more.
"""

from collections import Counter
from functools import partial
from typing import Any

import pytest

from api.client import Client, Selection
from control_plane.controllers.statefulset import main as statefulsets
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
)
from tests.cluster.whole import Cluster, only, statefulset

PARTS = only(statefulsets)


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


@pytest.mark.parametrize(
    ("fault", "policy"),
    [(request_lost, "OrderedReady"), (reply_lost, "OrderedReady"), (reply_lost, "Parallel")],
)
def test_any_call_that_fails_is_healed(fault: Fault, policy: str) -> None:
    fail_at_every_call(partial(one_life, policy=policy), fault, least=30, parts=PARTS)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    crash_at_every_call(partial(one_life, policy="OrderedReady"), parts=PARTS)
