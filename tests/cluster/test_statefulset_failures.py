"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it, and a StatefulSet heals.

Two things must hold in each of these lives: it converges, and there are never two pods of one name. Every pod is made
once for each revision, and not once more.
"""

from collections import defaultdict
from typing import Any

import pytest

from proto.v1.apps_pb2 import ControllerRevision, StatefulSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import Fault, Life, crash, live, reply_lost, request_lost, watch_pods
from tests.cluster.whole import Cluster, statefulset


async def _complete(world: Cluster) -> bool:
    found = await world.client.get(StatefulSet, "web", "default")
    status, wanted = found.status, found.spec.replicas
    counts = {status.replicas, status.updatedReplicas, status.availableReplicas}
    seen = status.observedGeneration == found.metadata.generation
    return seen and counts == {wanted} and status.currentRevision == status.updateRevision


def life_with(policy: str) -> Life:
    async def life(world: Cluster) -> None:
        made: defaultdict[str, set[str]] = defaultdict(set)  # name -> uids

        def seen(pods: list[Pod]) -> None:
            names = [pod.metadata.name for pod in pods]
            assert len(set(names)) == len(names), f"two pods of one name: {sorted(names)}"
            for pod in pods:
                made[pod.metadata.name].add(pod.metadata.uid)

        recording = await watch_pods(world, seen)
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
        recording.cancel()
        assert {name: len(uids) for name, uids in made.items()} == {"web-0": 2, "web-1": 2}

    return life


async def _nothing(world: Cluster) -> bool:
    kinds: tuple[type[Any], ...] = (StatefulSet, ControllerRevision, Pod)
    return not any([(await world.client.list(kind)).items for kind in kinds])


@pytest.mark.parametrize(
    ("fault", "policy"),
    [(request_lost, "OrderedReady"), (reply_lost, "OrderedReady"), (reply_lost, "Parallel")],
)
def test_any_call_that_fails_is_healed(fault: Fault, policy: str) -> None:
    life = life_with(policy)
    total = live(life, 0, fault)
    assert total > 30
    for n in range(1, total + 1):
        live(life, n, fault)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    life = life_with("OrderedReady")
    total = live(life, 0, request_lost)
    for n in range(1, total + 1):
        crash(life, n)
