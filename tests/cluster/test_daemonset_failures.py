"""For every N: the N-th call of the controllers of a DaemonSet's life fails, or they crash after it. All of it heals.

Never, at any moment, are there more pods for a node than there may be, and not one pod more is made than in a life
without failures.
"""

from typing import Any

import pytest

from control_plane.controllers.daemonset import main as daemonsets
from proto.v1.apps_pb2 import ControllerRevision, DaemonSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.daemons import Watched, complete, daemonset, roll, until_on
from tests.cluster.faults import (
    Fault,
    Life,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
    watch_pods,
)
from tests.cluster.whole import Cluster, only

PARTS = only(daemonsets)


def life_on(nodes: int, most_on_a_node: int, **bounds: Any) -> Life:
    """It comes, is rolled out, and goes with everything it made."""
    names = [f"n{number}" for number in range(nodes)]

    async def life(world: Cluster) -> None:
        watched = Watched()
        recording = await watch_pods(world, watched.seen)
        await world.client.create(daemonset(**bounds))
        await until_on(world, *names)
        await world.until(lambda: complete(world))
        await roll(world, "2")
        await world.until(lambda: complete(world))
        await until_on(world, *names)
        revisions = (await world.client.list(ControllerRevision)).items
        assert sorted(each.revision for each in revisions) == [1, 2]
        await world.client.delete(DaemonSet, "web", "default")
        await world.until(lambda: _nothing(world))
        recording.cancel()
        assert watched.most_on_a_node == most_on_a_node
        assert len(watched.names) == 2 * nodes, "one pod of each version per node, and no other"

    return life


async def _nothing(world: Cluster) -> bool:
    kinds: tuple[type[Any], ...] = (DaemonSet, ControllerRevision, Pod)
    return not any([(await world.client.list(kind)).items for kind in kinds])


WAYS = pytest.mark.parametrize(
    ("nodes", "life"),
    [
        pytest.param(2, life_on(2, 1), id="instead"),
        pytest.param(1, life_on(1, 2, maxUnavailable=0, maxSurge=1), id="beside"),
    ],
)


@WAYS
@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault, nodes: int, life: Life) -> None:
    fail_at_every_call(life, fault, least=20, nodes=nodes, parts=PARTS)


@WAYS
def test_controllers_that_crash_at_any_call_are_followed_by_others(nodes: int, life: Life) -> None:
    crash_at_every_call(life, nodes=nodes, parts=PARTS)
