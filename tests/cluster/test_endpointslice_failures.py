"""For every N: the controller's N-th call fails, or its reply is lost, or it crashes after it, while pods come and go.

The slices end up right each time, and never show an address twice for longer than it takes to look again.
"""

import pytest

from control_plane.controllers.endpointslice import main as endpointslices
from control_plane.controllers.replicaset import main as replicasets
from proto.v1.apps_pb2 import ReplicaSet
from proto.v1.network_pb2 import Service
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
)
from tests.cluster.test_endpointslices import endpoints, ready, service, slices
from tests.cluster.whole import Cluster, only, replicaset

PARTS = only(replicasets, endpointslices)


async def life(world: Cluster) -> None:
    await world.client.create(service())
    await world.client.create(replicaset(3))
    await world.until(lambda: ready(world, 3))
    await world.change({"replicas": 5}, ReplicaSet)
    await world.until(lambda: ready(world, 5))
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    await world.client.patch(Service, "web", "default", patch, patch_type="merge")
    await world.until(lambda: on(world, 8080))
    await world.change({"replicas": 2}, ReplicaSet)
    await world.until(lambda: ready(world, 2))
    shown = [address for each in await endpoints(world.client) for address in each.addresses]
    assert sorted(shown) == sorted({pod.status.podIP for pod in await world.pods()})


async def on(world: Cluster, port: int) -> bool:
    ports = [[each.port for each in slice.ports] for slice in await slices(world.client)]
    return ports == [[port]] and await ready(world, 5)


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    fail_at_every_call(life, fault, least=13, parts=PARTS)


def test_a_controller_that_crashes_at_any_call_is_followed_by_another() -> None:
    crash_at_every_call(life, parts=PARTS)
