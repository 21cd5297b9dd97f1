"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it. The autoscaler gets there.

One load is lived through each time. However it is disturbed: never more pods than may be, and never more than one added
in its policy's 40 seconds; only a controller that begins anew has forgotten how recent the last one was.
"""

import asyncio
from functools import partial

import pytest

from api.client import Client, Selection
from control_plane.controllers.deployment import main as deployments
from control_plane.controllers.hpa import main as autoscalers
from control_plane.controllers.replicaset import main as replicasets
from proto.v1.apps_pb2 import Deployment
from proto.v1.policy_pb2 import HorizontalPodAutoscaler
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
)
from tests.cluster.test_autoscaling import Traffic, autoscaler, size, web
from tests.cluster.whole import Cluster, only

PARTS = only(autoscalers, deployments, replicasets)

MOST, PERIOD = 3, 40  # seconds


async def _record(client: Client, sizes: list[tuple[float, int]]) -> None:
    """When the Deployment was given which size."""
    listing = await client.list(Deployment)
    async for batch in client.watch(
        Deployment, Selection(), version=listing.version, bookmarks=False
    ):
        for event in batch:
            if not sizes or sizes[-1][1] != event.object.spec.replicas:
                now = asyncio.get_running_loop().time()
                sizes.append((now, event.object.spec.replicas))


async def has(world: Cluster, wanted: int) -> bool:
    return await size(world) == wanted


async def one_load(world: Cluster, traffic: Traffic, *, patient: bool = True) -> None:
    traffic.cores = 4.0
    sizes: list[tuple[float, int]] = []
    recording = world.tasks.create_task(_record(world.client, sizes))
    await asyncio.sleep(0)
    hpa = autoscaler(most=MOST)
    hpa.spec.behavior.scaleUp.policies.add(type="Pods", value=1, periodSeconds=PERIOD)
    hpa.spec.behavior.scaleDown.stabilizationWindowSeconds = 0
    await world.client.create(web(1))
    await world.client.create(hpa)
    await world.until(lambda: has(world, MOST), 1.0)
    await world.until(lambda: world.ready(MOST), 1.0)
    traffic.cores = 0.1
    await world.until(lambda: has(world, 1), 1.0)
    await world.until(lambda: world.ready(1), 1.0)
    await world.client.delete(HorizontalPodAutoscaler, "web", "default")
    recording.cancel()
    counts = [count for _, count in sizes]
    assert counts[:MOST] == [1, 2, 3]
    assert sorted(counts[MOST:], reverse=True) == counts[MOST:], "down, and not up again"
    if patient:
        assert sizes[2][0] - sizes[1][0] >= PERIOD - 1


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    traffic = Traffic()
    life = partial(one_load, traffic=traffic)
    fail_at_every_call(life, fault, least=50, runtime=traffic.runtime, parts=PARTS)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    traffic = Traffic()
    life = partial(one_load, traffic=traffic, patient=False)
    crash_at_every_call(life, runtime=traffic.runtime, parts=PARTS)
