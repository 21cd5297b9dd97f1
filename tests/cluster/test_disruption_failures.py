"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it, while pods are driven out.

Two lives: pods are evicted under a budget, and a node falls silent. Neither the budget is ever hurt, nor is a pod made
twice, nor left behind.
"""

import pytest

from api import conditions
from api.errors import TooManyRequests
from control_plane import main
from control_plane.controllers.deployment import main as deployments
from control_plane.controllers.disruption import main as disruptions
from control_plane.controllers.nodelifecycle.times import Times
from control_plane.controllers.replicaset import main as replicasets
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget
from tests.cluster.faults import (
    Fault,
    Life,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
    watch_pods,
)
from tests.cluster.machines import Machines
from tests.cluster.test_disruption import budget, shows
from tests.cluster.whole import Cluster, deployment, is_ready, only

MAKERS = only(deployments, replicasets, disruptions)
QUICK = main.NodeOptions(Times(monitor_period=1, monitor_grace_period=15))


def parts() -> tuple[main.Part, ...]:
    return MAKERS() + QUICK.parts()


async def evictions(world: Cluster) -> None:
    """Both pods of two go, one after the other; there is always one that is ready."""
    await world.client.create(deployment(2))
    await world.client.create(budget(minAvailable=1))
    await world.until(lambda: shows(world, 1, 2, 1, 2))
    fewest = 2

    def seen(pods: list[Pod]) -> None:
        nonlocal fewest
        staying = [pod for pod in pods if not pod.metadata.HasField("deletionTimestamp")]
        fewest = min(fewest, sum(map(is_ready, staying)))

    recording = await watch_pods(world, seen)
    old = [pod.metadata.name for pod in await world.pods()]
    for name in old:
        await world.until(lambda name=name: evicted(world, name))  # type: ignore[misc]
    await world.until(lambda: shows(world, 1, 2, 1, 2))
    recording.cancel()
    assert fewest == 1
    found = await world.client.get(PodDisruptionBudget, "web", "default")
    assert not found.status.disruptedPods
    assert conditions.holds(found.status.conditions, "DisruptionAllowed")


async def evicted(world: Cluster, name: str) -> bool:
    try:
        await world.client.evict("default", name)
    except TooManyRequests:
        return False
    return True


async def silence(world: Cluster) -> None:
    """A node of two falls silent; its pods are made once more on the other."""
    machines, created = Machines(world), set[str]()
    for name in ("n0", "n1"):
        machines.start(name)
    try:
        await world.until(lambda: machines.says("True", "n0", "n1"))
        wanted = deployment(2)
        for key in ("not-ready", "unreachable"):
            wanted.spec.template.spec.tolerations.add(
                key=f"node.kubernetes.io/{key}",
                operator="Exists",
                effect="NoExecute",
                tolerationSeconds=5,
            )
        recording = await watch_pods(
            world, lambda pods: created.update(pod.metadata.name for pod in pods)
        )
        await world.client.create(wanted)
        await world.until(lambda: world.ready(2))
        victims = await machines.on("n0")
        machines.cut("n0")
        await world.until(lambda: moved(machines))
        recording.cancel()
        assert len(created) == 2 + len(victims)
        assert await machines.taints("n0") == {"unreachable:NoSchedule", "unreachable:NoExecute"}
    finally:
        machines.stop(*list(machines.agents))


async def moved(machines: Machines) -> bool:
    on = set((await machines.places()).values())
    return on == {"n1"} and await machines.world.ready(2)


LIVES = pytest.mark.parametrize(("life", "nodes"), [(evictions, 1), (silence, 0)])


@LIVES
@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(life: Life, nodes: int, fault: Fault) -> None:
    fail_at_every_call(life, fault, least=30, nodes=nodes, parts=parts)


@LIVES
def test_controllers_that_crash_at_any_call_are_followed_by_others(life: Life, nodes: int) -> None:
    crash_at_every_call(life, nodes=nodes, parts=parts)
