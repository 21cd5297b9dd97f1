"""For every N: the N-th call of the controllers of a DaemonSet's life fails, or they crash after it. All of it heals.

Never, at any moment, are there two pods for a node, and not one pod more is made than in a life without failures.
"""

from collections import Counter
from typing import Any

import pytest

from control_plane.controllers.pods import is_over
from proto.v1.apps_pb2 import ControllerRevision, DaemonSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import Fault, crash, live, reply_lost, request_lost, watch_pods
from tests.cluster.test_daemonset import complete, daemonset, roll, target, until_on
from tests.cluster.whole import Cluster


async def one_life(world: Cluster) -> None:
    created: set[str] = set()
    most = 0

    def seen(pods: list[Pod]) -> None:
        nonlocal most
        created.update(pod.metadata.name for pod in pods)
        there = Counter(target(pod) for pod in pods if not is_over(pod))
        most = max(most, *there.values(), 0)

    recording = await watch_pods(world, seen)
    await world.client.create(daemonset())
    await until_on(world, "n0", "n1")
    await world.until(lambda: complete(world))
    await roll(world, "2")
    await world.until(lambda: complete(world))
    await until_on(world, "n0", "n1")
    revisions = (await world.client.list(ControllerRevision)).items
    assert sorted(each.revision for each in revisions) == [1, 2]
    await world.client.delete(DaemonSet, "web", "default")
    await world.until(lambda: _nothing(world))
    recording.cancel()
    assert most == 1
    assert len(created) == 4, "two pods of each version, and no other"


async def _nothing(world: Cluster) -> bool:
    kinds: tuple[type[Any], ...] = (DaemonSet, ControllerRevision, Pod)
    return not any([(await world.client.list(kind)).items for kind in kinds])


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    total = live(one_life, 0, fault, nodes=2)
    assert total > 30
    for n in range(1, total + 1):
        live(one_life, n, fault, nodes=2)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    total = live(one_life, 0, request_lost, nodes=2)
    for n in range(1, total + 1):
        crash(one_life, n, nodes=2)
