"""Deployments in a whole cluster: rollouts stay within their bounds, stick where they should, and go on."""

import asyncio
from collections.abc import Callable
from typing import Any

from api.client import Client, Delete
from control_plane.controllers.deployment.notes import REVISION, ROLLED_BACK_FROM, WANTED
from control_plane.controllers.deployment.plan import new_set
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod
from tests.cluster.faults import watch_pods
from tests.cluster.whole import Cluster, deployment, is_ready, run

NEW, BAD = "registry.test/app:2", "registry.test/bad:1"


def reason(found: Deployment, type: str) -> str:
    return next((c.reason for c in found.status.conditions if c.type == type), "")


def test_a_deployment_comes_and_scales() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(3))
        await world.until(world.complete)
        [rs] = await world.sets()
        assert rs.metadata.name.startswith("web-")
        assert rs.metadata.annotations[REVISION] == "1"
        assert (await world.deployment()).metadata.annotations[REVISION] == "1"
        await world.change({"replicas": 5})
        await world.until(world.complete)
        await world.change({"replicas": 1})
        await world.until(world.complete)
        name = rs.metadata.name
        assert await world.said("web") == [
            ("ScalingReplicaSet", f"Scaled up replica set {name} from 0 to 3"),
            ("ScalingReplicaSet", f"Scaled up replica set {name} from 3 to 5"),
            ("ScalingReplicaSet", f"Scaled down replica set {name} from 5 to 1"),
        ]
        found = await world.deployment()
        assert reason(found, "Available") == "MinimumReplicasAvailable"
        assert reason(found, "Progressing") == "NewReplicaSetAvailable"

    run(scenario)


def _bounds(most: int, fewest: int) -> Callable[[list[Pod]], None]:
    """To be shown the pods at every change: not too many, not too few."""

    def check(pods: list[Pod]) -> None:
        active = [pod for pod in pods if not pod.metadata.HasField("deletionTimestamp")]
        assert len(active) <= most
        assert sum(map(is_ready, active)) >= fewest

    return check


def test_a_rollout_never_leaves_its_bounds() -> None:
    """10 at 25 %/25 %: at most 13 pods that do not end, at least 8 of them ready, at every single change."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(10))
        await world.until(world.complete)
        watching = await watch_pods(world, _bounds(13, 8))
        await world.image(NEW)
        await world.until(world.complete)
        await world.image("registry.test/app:3")
        await asyncio.sleep(0.3)
        await world.image(NEW)  # another one in the middle: a rollover
        await world.until(world.complete)
        watching.cancel()
        pods = await world.pods()
        assert {pod.spec.containers[0].image for pod in pods} == {NEW}

    run(scenario)


def test_a_bad_image_sticks_and_the_deadline_passes() -> None:
    """The documentation's "8 and 5": eight old pods go on serving, five new ones never start."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(10))
        await world.until(world.complete)
        await world.image(BAD)

        async def timed_out() -> bool:
            return reason(await world.deployment(), "Progressing") == "ProgressDeadlineExceeded"

        began = asyncio.get_running_loop().time()
        await world.until(timed_out)
        assert 600 <= asyncio.get_running_loop().time() - began <= 640
        assert [rs.spec.replicas for rs in await world.sets()] == [8, 5]
        status = (await world.deployment()).status
        assert (status.replicas, status.updatedReplicas, status.availableReplicas) == (13, 5, 8)
        await world.change({"replicas": 15})  # shared out: S#71

        async def shared() -> bool:
            return [rs.spec.replicas for rs in await world.sets()] == [12, 7]  # 19 in all

        await world.until(shared)
        await world.image("registry.test/app:1")  # back
        await world.until(world.complete)
        old, new = await world.sets()
        assert (old.spec.replicas, new.spec.replicas) == (0, 15)
        assert new.metadata.annotations[REVISION] == "3"
        assert new.metadata.annotations["deployment.kubernetes.io/revision-history"] == "1"

    run(scenario)


def test_pause_and_resume() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(4))
        await world.until(world.complete)
        await world.change({"paused": True})
        await world.image(NEW)
        await asyncio.sleep(3600)
        assert len(await world.sets()) == 1
        assert reason(await world.deployment(), "Progressing") == "DeploymentPaused"
        await world.change({"replicas": 6})  # scaling goes on
        await world.until(lambda: world.ready(6))
        await world.change({"paused": None})
        await world.until(world.complete)
        assert [rs.spec.replicas for rs in await world.sets()] == [0, 6]

    run(scenario)


def test_recreate_waits_until_the_old_pods_are_gone() -> None:
    async def scenario(world: Cluster) -> None:
        made = deployment(3)
        made.spec.strategy.type = "Recreate"
        await world.client.create(made)
        await world.until(world.complete)
        watching = await watch_pods(world, _never_mixed)
        await world.image(NEW)
        await world.until(world.complete)
        watching.cancel()

    run(scenario)


def _never_mixed(pods: list[Pod]) -> None:
    assert len({pod.spec.containers[0].image for pod in pods}) <= 1


def test_history_is_kept_up_to_its_limit() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(1, revisionHistoryLimit=2))
        await world.until(world.complete)
        for number in range(2, 7):
            await world.image(f"registry.test/app:{number}")
            await world.until(world.complete)

        async def kept() -> bool:
            revisions = [rs.metadata.annotations[REVISION] for rs in await world.sets()]
            return revisions == ["4", "5", "6"]

        await world.until(kept)

    run(scenario)


async def _nothing(world: Cluster) -> bool:
    kinds: tuple[type[Any], ...] = (Deployment, ReplicaSet, Pod)
    return not any([(await world.client.list(kind)).items for kind in kinds])


def test_what_a_deployment_made_goes_with_it() -> None:
    async def scenario(world: Cluster) -> None:
        for propagation in ("", "Foreground"):
            await world.client.create(deployment(3))
            await world.until(world.complete)
            how = Delete(propagation=propagation)
            await world.client.delete(Deployment, "web", "default", how)
            await world.until(lambda: _nothing(world))

    run(scenario)


def test_a_deleted_deployment_may_leave_its_pods() -> None:
    """Orphans stay, and a new Deployment of the same kind adopts them."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(3))
        await world.until(world.complete)
        names = {pod.metadata.name for pod in await world.pods()}
        await world.client.delete(Deployment, "web", "default", Delete(propagation="Orphan"))
        await world.until(lambda: world.is_gone(Deployment))
        await asyncio.sleep(60)
        [rs] = await world.sets()
        assert not rs.metadata.ownerReferences
        await world.client.create(deployment(3))
        await world.until(world.complete)
        assert {pod.metadata.name for pod in await world.pods()} == names
        assert len(await world.sets()) == 1

    run(scenario)


def test_a_name_that_is_taken_is_not_fought_for() -> None:
    """A set of somebody else has the name: collisionCount goes up, and another name is found."""

    async def scenario(world: Cluster) -> None:
        made = await world.client.create(deployment(1, paused=True))
        taken = new_set(made, [])
        del taken.metadata.ownerReferences[:]
        for labels in (taken.metadata.labels, taken.spec.selector.matchLabels):
            labels["app"] = "other"
        taken.spec.template.metadata.labels["app"] = "other"
        await world.client.create(taken)
        await world.change({"paused": None})
        await world.until(world.complete)
        assert (await world.deployment()).status.collisionCount == 1
        assert {rs.metadata.labels["app"] for rs in await world.sets()} == {"web", "other"}

    run(scenario)


def test_a_namespace_goes_with_its_deployments() -> None:
    """Its pods are deleted first, and nobody may replace them."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(Namespace(metadata=ObjectMeta(name="temp")))
        made = deployment(3)
        made.metadata.namespace = "temp"
        await world.client.create(made)
        await world.until(lambda: world.ready(3))
        await world.client.delete(Namespace, "temp")

        async def gone() -> bool:
            found = (await world.client.list(Namespace)).items
            return "temp" not in {each.metadata.name for each in found}

        await world.until(gone)
        assert await _nothing(world)

    run(scenario)


def with_rollback(**spec: Any) -> Deployment:
    made = deployment(4, progressDeadlineSeconds=60, **spec)
    made.metadata.annotations[WANTED] = "true"
    return made


def image_of(found: Deployment) -> str:
    return found.spec.template.spec.containers[0].image


async def _record_progress(client: Client, seen: list[tuple[str, str]]) -> None:
    """Image and reason of each version of the Deployment, as somebody sees them who waits for its rollout."""
    version = (await client.list(Deployment)).version
    async for batch in client.watch(Deployment, version=version, bookmarks=False):
        seen += [(image_of(event.object), reason(event.object, "Progressing")) for event in batch]


def test_a_bad_version_is_rolled_back_if_that_is_asked_for() -> None:
    """Past a version that was bad as well; and who waits for the bad one is told that it failed, before it is gone."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(with_rollback())
        await world.until(world.complete)
        await world.image("registry.test/bad:0")
        await asyncio.sleep(30)
        seen: list[tuple[str, str]] = []
        recording = world.tasks.create_task(_record_progress(world.client, seen))
        await world.image(BAD)  # revision 3; 2 never got anywhere

        async def back() -> bool:
            return image_of(await world.deployment()) == "registry.test/app:1"

        await world.until(back)
        assert (BAD, "ProgressDeadlineExceeded") in seen
        recording.cancel()
        await world.until(world.complete)
        found = await world.deployment()
        good = (await world.sets())[-1]
        assert good.metadata.annotations[REVISION] == "4"
        assert reason(found, "Progressing") == "NewReplicaSetAvailable"
        assert reason(found, "RolledBack") == "ProgressDeadlineExceeded"
        assert found.metadata.annotations[ROLLED_BACK_FROM] == "3"
        told = (
            "Revision 3 exceeded its progress deadline: rolled back to the template of revision 1"
        )
        assert ("DeploymentRollback", told) in await world.said("web")
        await world.image(NEW)
        await world.until(world.complete)
        found = await world.deployment()
        assert ROLLED_BACK_FROM not in found.metadata.annotations
        assert reason(found, "RolledBack") == ""

    run(scenario)


def test_a_rollback_that_fails_is_the_last() -> None:
    async def scenario(world: Cluster) -> None:
        made = with_rollback()
        made.spec.strategy.type = "Recreate"
        await world.client.create(made)
        await world.until(world.complete)
        await world.image(BAD)
        await asyncio.sleep(10)
        for node in (await world.client.list(Node)).items:  # from now on no pod finds a place
            patch = {"spec": {"unschedulable": True}}
            await world.client.patch(Node, node.metadata.name, "", patch)
        await asyncio.sleep(3600)
        found = await world.deployment()
        assert image_of(found) == "registry.test/app:1"
        assert reason(found, "Progressing") == "ProgressDeadlineExceeded"
        rollbacks = [why for why, _ in await world.said("web") if why.startswith("DeploymentRoll")]
        assert rollbacks == ["DeploymentRollback", "DeploymentRollbackFailed"]

    run(scenario)


def test_without_a_good_version_it_stays() -> None:
    async def scenario(world: Cluster) -> None:
        made = with_rollback()
        made.spec.template.spec.containers[0].image = BAD
        await world.client.create(made)
        await asyncio.sleep(3600)
        assert image_of(await world.deployment()) == BAD
        rollbacks = [why for why, _ in await world.said("web") if why.startswith("DeploymentRoll")]
        assert rollbacks == ["DeploymentRollbackRevisionNotFound"]

    run(scenario)
