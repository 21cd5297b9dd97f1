"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it. All of it heals.

One life of a Deployment is lived each time: it comes, is rolled out, and goes with everything it made. Not one pod more
is created than in a life without failures, not even for a moment.
"""

from typing import Any

import pytest

from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import Fault, crash, live, reply_lost, request_lost, watch_pods
from tests.cluster.whole import Cluster, deployment


async def one_life(world: Cluster) -> None:
    created: set[str] = set()

    def seen(pods: list[Pod]) -> None:
        created.update(pod.metadata.name for pod in pods)

    recording = await watch_pods(world, seen)
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


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    total = live(one_life, 0, fault)
    assert total > 30
    for n in range(1, total + 1):
        live(one_life, n, fault)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    total = live(one_life, 0, request_lost)
    for n in range(1, total + 1):
        crash(one_life, n)
