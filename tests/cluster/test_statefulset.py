"""StatefulSets in a whole cluster: order, updates, and never two pods of one name (S#72-S#74)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from api.client import Client, Delete, Selection
from api.jsonform import to_json
from api.revisions import patch_of
from control_plane.controllers import revisions
from control_plane.controllers.revisions import POD_LABEL
from node_agent.hollow import run_hollow
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet, StatefulSetUpdateStrategy
from proto.v1.cluster_pb2 import Event, Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from tests.cluster.whole import Cluster, is_ready, run, statefulset

OLD, NEW, BAD = "registry.test/app:1", "registry.test/app:2", "registry.test/bad:1"


def rolling(**fields: Any) -> StatefulSetUpdateStrategy:
    strategy = StatefulSetUpdateStrategy(type="RollingUpdate")
    strategy.rollingUpdate.SetInParent()
    for name, value in fields.items():
        if name == "maxUnavailable":
            strategy.rollingUpdate.maxUnavailable.number_value = value
        else:
            setattr(strategy.rollingUpdate, name, value)
    return strategy


async def the_set(world: Cluster) -> StatefulSet:
    return await world.client.get(StatefulSet, "web", "default")


async def images(world: Cluster) -> list[str]:
    """Of web-0, web-1, …"""
    pods = sorted(await world.pods(), key=lambda pod: pod.metadata.name)
    return [pod.spec.containers[0].image for pod in pods]


async def settled(world: Cluster, *wanted: str) -> None:
    """Until there are pods of these images, all ready, and the status says so."""

    async def holds() -> bool:
        found = await the_set(world)
        status = found.status
        seen = status.observedGeneration == found.metadata.generation
        counted = (status.replicas, status.availableReplicas) == (len(wanted),) * 2
        right = await images(world) == list(wanted)
        return seen and counted and right and await world.ready(len(wanted))

    await world.until(holds)


async def deletions(world: Cluster) -> dict[str, int]:
    """How often the set has told that it deletes a pod, by the pod's name."""
    await asyncio.sleep(1)  # events are sent a moment later
    events = (await world.client.list(Event)).items
    return {e.message.split()[2]: e.count for e in events if e.reason == "SuccessfulDelete"}


async def known(world: Cluster) -> list[ControllerRevision]:
    return revisions.in_order((await world.client.list(ControllerRevision)).items)


class Diary:
    """What happened to pods, in order; fails as soon as a name has two pods."""

    def __init__(self) -> None:
        self.made: list[str] = []  # "web-0"
        self.lines: list[str] = []  # "+web-0", "ready web-0", "-web-0"
        self.most_down = 0
        self.pods: dict[str, Pod] = {}

    def note(self, kind: str, pod: Pod) -> None:
        name = pod.metadata.name
        before = self.pods.get(name)
        if kind == "DELETED":
            self.lines.append(f"-{name}")
            del self.pods[name]
        else:
            if before is None:
                self.made.append(name)
                self.lines.append(f"+{name}")
            else:
                assert before.metadata.uid == pod.metadata.uid, f"two pods are called {name}"
            if is_ready(pod) and not (before and is_ready(before)):
                self.lines.append(f"ready {name}")
            self.pods[name] = pod
        up = [p for p in self.pods.values() if is_ready(p) and not is_ending(p)]
        self.most_down = max(self.most_down, 3 - len(up))


def is_ending(pod: Pod) -> bool:
    return bool(pod.metadata.HasField("deletionTimestamp"))


@asynccontextmanager
async def diary(world: Cluster) -> AsyncIterator[Diary]:
    listing = await world.client.list(Pod)
    found = Diary()
    found.pods = {pod.metadata.name: pod for pod in listing.items}

    async def follow(client: Client) -> None:
        changes = client.watch(Pod, Selection(), version=listing.version, bookmarks=False)
        async for batch in changes:
            for event in batch:
                found.note(event.type, event.object)

    following = world.tasks.create_task(follow(world.client))
    yield found
    following.cancel()


def test_pods_come_one_after_the_other_and_go_in_reverse() -> None:
    async def scenario(world: Cluster) -> None:
        async with diary(world) as happened:
            await world.client.create(statefulset(3))
            await settled(world, OLD, OLD, OLD)
            await world.change({"replicas": 1}, StatefulSet)
            await settled(world, OLD)
        assert happened.lines == [
            *("+web-0", "ready web-0", "+web-1", "ready web-1", "+web-2", "ready web-2"),
            *("-web-2", "-web-1"),
        ]
        assert await world.said("web") == [
            ("SuccessfulCreate", "create Pod web-0 in StatefulSet web successful"),
            ("SuccessfulCreate", "create Pod web-1 in StatefulSet web successful"),
            ("SuccessfulCreate", "create Pod web-2 in StatefulSet web successful"),
            ("SuccessfulDelete", "delete Pod web-2 in StatefulSet web successful"),
            ("SuccessfulDelete", "delete Pod web-1 in StatefulSet web successful"),
        ]
        [revision] = await known(world)
        status = (await the_set(world)).status
        assert to_json(status) == {
            "observedGeneration": 2,
            "replicas": 1,
            "readyReplicas": 1,
            "currentReplicas": 1,
            "updatedReplicas": 1,
            "availableReplicas": 1,
            "currentRevision": revision.metadata.name,
            "updateRevision": revision.metadata.name,
            "collisionCount": 0,
        }

    run(scenario)


def test_in_parallel_they_come_at_once() -> None:
    async def scenario(world: Cluster) -> None:
        async with diary(world) as happened:
            await world.client.create(statefulset(5, podManagementPolicy="Parallel"))
            await settled(world, *[OLD] * 5)
        assert set(happened.lines[:5]) == {f"+web-{n}" for n in range(5)}

    run(scenario)


def test_an_update_renews_one_pod_at_a_time_from_the_last_to_the_first() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(3))
        await settled(world, OLD, OLD, OLD)
        async with diary(world) as happened:
            await world.image(NEW, StatefulSet)
            await settled(world, NEW, NEW, NEW)
        assert happened.made == ["web-2", "web-1", "web-0"]
        assert happened.most_down == 1
        status, [old, new] = (await the_set(world)).status, await known(world)
        assert status.currentRevision == status.updateRevision == new.metadata.name
        assert (old.revision, new.revision) == (1, 2)
        labels = {pod.metadata.labels[POD_LABEL] for pod in await world.pods()}
        assert labels == {new.metadata.name}
        assert await deletions(world) == {f"web-{n}": 1 for n in range(3)}

    run(scenario)


def test_going_back_uses_the_old_revision_again() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(2))
        await settled(world, OLD, OLD)
        await world.image(NEW, StatefulSet)
        await settled(world, NEW, NEW)
        old = (await known(world))[0]
        await world.client.patch(StatefulSet, "web", "default", patch_of(old))
        await settled(world, OLD, OLD)
        after = await known(world)
        assert [each.revision for each in after] == [2, 3]
        assert after[-1].metadata.uid == old.metadata.uid

    run(scenario)


def test_a_partition_keeps_the_lower_pods_even_when_they_die() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(3, updateStrategy=rolling(partition=2)))
        await settled(world, OLD, OLD, OLD)
        await world.image(NEW, StatefulSet)
        await settled(world, OLD, OLD, NEW)
        for name in ("web-0", "web-2"):
            await world.client.delete(Pod, name, "default")
            await settled(world, OLD, OLD, NEW)
        status = (await the_set(world)).status
        assert status.currentRevision != status.updateRevision
        assert (status.currentReplicas, status.updatedReplicas) == (2, 1)
        strategy = {"updateStrategy": {"rollingUpdate": {"partition": 0}}}
        await world.change(strategy, StatefulSet)
        await settled(world, NEW, NEW, NEW)

    run(scenario)


def test_as_many_as_may_be_missing_are_renewed_together() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(3, updateStrategy=rolling(maxUnavailable=2)))
        await settled(world, OLD, OLD, OLD)
        async with diary(world) as happened:
            await world.image(NEW, StatefulSet)
            await settled(world, NEW, NEW, NEW)
        assert happened.most_down == 2

    run(scenario)


def test_on_delete_only_what_somebody_deletes_is_renewed() -> None:
    async def scenario(world: Cluster) -> None:
        strategy = StatefulSetUpdateStrategy(type="OnDelete")
        await world.client.create(statefulset(3, updateStrategy=strategy))
        await settled(world, OLD, OLD, OLD)
        await world.image(NEW, StatefulSet)
        await asyncio.sleep(600)
        assert await images(world) == [OLD, OLD, OLD]
        await world.client.delete(Pod, "web-1", "default")
        await settled(world, OLD, NEW, OLD)

    run(scenario)


def test_a_broken_template_stops_at_its_first_pod_which_has_to_be_deleted_by_hand() -> None:
    """The trap that Kubernetes documents as "forced rollback": going back alone does not help."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(3))
        await settled(world, OLD, OLD, OLD)
        await world.image(BAD, StatefulSet)
        await asyncio.sleep(600)
        assert await images(world) == [OLD, OLD, BAD]
        await world.image(NEW, StatefulSet)
        await asyncio.sleep(600)
        assert await images(world) == [OLD, OLD, BAD], "it waits for the broken pod"
        await world.client.delete(Pod, "web-2", "default")
        await settled(world, NEW, NEW, NEW)

    run(scenario)


def test_in_parallel_a_broken_template_is_left_at_once() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(3, podManagementPolicy="Parallel"))
        await settled(world, OLD, OLD, OLD)
        await world.image(BAD, StatefulSet)
        await asyncio.sleep(600)
        assert await images(world) == [OLD, OLD, BAD]
        await world.image(NEW, StatefulSet)
        await settled(world, NEW, NEW, NEW)

    run(scenario)


def test_each_pod_must_have_been_ready_long_enough_for_the_next() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(2, minReadySeconds=60))
        await world.until(lambda: world.ready(1))
        await asyncio.sleep(50)
        assert len(await world.pods()) == 1
        await settled(world, OLD, OLD)

    run(scenario)


def test_a_pod_that_has_failed_is_replaced_under_its_name() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(2))
        await settled(world, OLD, OLD)
        before = await world.client.get(Pod, "web-0", "default")
        async with diary(world) as happened:
            before.status.phase = "Failed"
            before.metadata.ClearField("resourceVersion")
            await world.client.update(before, subresource="status")
            await world.until(lambda: _is_another(world, before))
            await settled(world, OLD, OLD)
        assert happened.made == ["web-0"]

    run(scenario)


async def _is_another(world: Cluster, before: Pod) -> bool:
    pods = {pod.metadata.name: pod for pod in await world.pods()}
    found = pods.get(before.metadata.name)
    return found is not None and found.metadata.uid != before.metadata.uid


def test_on_a_node_that_is_gone_a_name_stays_taken_until_somebody_swears_that_it_is_free() -> None:
    """S#74"""

    async def scenario(world: Cluster) -> None:
        node = world.tasks.create_task(run_hollow(world.client, ["n9"]))
        await world.client.create(statefulset(2))
        await settled(world, OLD, OLD)
        node.cancel()
        other = world.tasks.create_task(run_hollow(world.client, ["n8"]))
        async with diary(world) as happened:
            await world.client.delete(Pod, "web-0", "default")
            await asyncio.sleep(3600)
            assert happened.made == [], "web-0 may still be running on n9"
            await world.client.delete(Node, "n9")
            await world.client.delete(Pod, "web-0", "default", Delete(grace=0))
            await world.until(lambda: _runs_on(world, "web-0", "n8"))
        assert happened.made == ["web-0"]
        other.cancel()

    run(scenario, nodes=0)


async def _runs_on(world: Cluster, name: str, node: str) -> bool:
    pods = {pod.metadata.name: pod for pod in await world.pods()}
    return name in pods and pods[name].spec.nodeName == node and is_ready(pods[name])


def test_it_adopts_what_is_called_like_its_own_and_releases_what_does_not_match() -> None:
    """S#22"""

    async def scenario(world: Cluster) -> None:
        for name in ("web-1", "other"):
            meta = ObjectMeta(name=name, namespace="default", labels={"app": "web"})
            spec = PodSpec(containers=[Container(name="app", image=OLD)])
            await world.client.create(Pod(metadata=meta, spec=spec))
        await world.client.create(statefulset(2))
        await world.until(lambda: _owned(world, "web-1"))
        await world.until(lambda: world.ready(3))
        adopted = await world.client.get(Pod, "web-1", "default")
        assert adopted.metadata.labels["statefulset.kubernetes.io/pod-name"] == "web-1"
        other = await world.client.get(Pod, "other", "default")
        assert not other.metadata.ownerReferences
        patch = {"metadata": {"labels": {"app": "free"}}}
        await world.client.patch(Pod, "web-0", "default", patch)
        await world.until(lambda: _released(world, "web-0"))
        said = await world.said("web")
        assert any(reason == "FailedCreate" and "web-0" in told for reason, told in said), (
            "its name is taken by a pod that is not its own"
        )

    run(scenario)


async def _owned(world: Cluster, name: str) -> bool:
    return bool((await world.client.get(Pod, name, "default")).metadata.ownerReferences)


async def _released(world: Cluster, name: str) -> bool:
    return not await _owned(world, name)


def test_history_is_cut_and_what_pods_are_made_of_is_kept() -> None:
    async def scenario(world: Cluster) -> None:
        strategy = StatefulSetUpdateStrategy(type="OnDelete")
        await world.client.create(statefulset(1, updateStrategy=strategy, revisionHistoryLimit=1))
        await settled(world, OLD)
        for number in range(2, 6):
            await world.image(f"registry.test/app:{number}", StatefulSet)
            await settled(world, OLD)

        async def cut() -> bool:
            return [each.revision for each in await known(world)] == [1, 4, 5]

        await world.until(cut)  # the pod's, one of the past, the present one

    run(scenario)


def test_a_name_of_a_revision_that_is_taken_is_avoided() -> None:
    async def scenario(world: Cluster) -> None:
        wanted = statefulset(1)
        created = await world.client.create(wanted, dry_run=True)
        taken = revisions.new_revision(created, 1)
        taken.metadata.ClearField("ownerReferences")
        taken.metadata.labels["app"] = "other"
        taken.data.Clear()
        taken.data.update({"spec": {}})
        await world.client.create(taken)
        await world.client.create(wanted)
        await settled(world, OLD)
        status = (await the_set(world)).status
        assert status.collisionCount == 1
        assert status.updateRevision != taken.metadata.name

    run(scenario)


def test_it_can_be_scaled_like_everything_that_has_replicas() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(1))
        await settled(world, OLD)
        scale = await world.client.get_scale(StatefulSet, "web", "default")
        assert (scale.status.replicas, scale.status.selector) == (1, "app=web")
        scale.spec.replicas = 2
        await world.client.update_scale(StatefulSet, scale)
        await settled(world, OLD, OLD)

    run(scenario)


def test_it_goes_with_all_that_it_made() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(statefulset(2))
        await settled(world, OLD, OLD)
        await world.client.delete(StatefulSet, "web", "default", Delete(propagation="Foreground"))

        async def nothing() -> bool:
            kinds: tuple[type[Any], ...] = (StatefulSet, ControllerRevision, Pod)
            return not any([(await world.client.list(kind)).items for kind in kinds])

        await world.until(nothing)

    run(scenario)
