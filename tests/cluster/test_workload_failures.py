"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it. All of it heals.

One life of a Deployment is lived each time: it comes, is rolled out, and goes with everything it made. Not one pod more
is created than in a life without failures, not even for a moment.
"""

import asyncio
from typing import Any

import pytest

from control_plane.controllers.deployment import main as deployments
from control_plane.controllers.deployment import notes
from control_plane.controllers.replicaset import main as replicasets
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
    watch_pods,
)
from tests.cluster.whole import Cluster, deployment, only

PARTS = only(deployments, replicasets)


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
    fail_at_every_call(one_life, fault, least=30, parts=PARTS)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    crash_at_every_call(one_life, parts=PARTS)


async def a_rollback(world: Cluster) -> None:
    """Back to the good version in one step, whatever dies meanwhile."""
    made = deployment(2, progressDeadlineSeconds=30)
    made.metadata.annotations[notes.WANTED] = "true"
    await world.client.create(made)

    async def marked() -> bool:
        return any(notes.FULLY_AVAILABLE in rs.metadata.annotations for rs in await world.sets())

    async def rolled_back() -> bool:
        return notes.ROLLED_BACK_TO in (await world.deployment()).metadata.annotations

    await world.until(marked)
    await world.image("registry.test/bad:1")
    await world.until(rolled_back)
    await world.until(world.complete)
    await asyncio.sleep(120)
    found, sets = await world.deployment(), await world.sets()
    assert found.metadata.generation == 6, "three templates, each with its revision, and no more"
    assert [rs.spec.replicas for rs in sets] == [0, 2]
    assert sets[-1].spec.template.spec.containers[0].image == "registry.test/app:1"
    assert found.metadata.annotations[notes.ROLLED_BACK_FROM] == "2"


def test_a_rollback_happens_once_whoever_crashes() -> None:
    crash_at_every_call(a_rollback, parts=PARTS)
