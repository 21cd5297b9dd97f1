"""DaemonSets in a whole cluster: one pod on every node that should have one, whatever happens to pods and nodes (S#75)."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from api.client import Client, Delete, Write
from api.errors import Forbidden, NotFound
from api.selectors import labels_from
from control_plane.controllers.revisions import POD_LABEL
from node_agent.hollow import run_hollow
from proto.v1.apps_pb2 import ControllerRevision, DaemonSet
from proto.v1.cluster_pb2 import Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from tests.cluster.daemons import (
    IMAGE,
    Watched,
    complete,
    daemonset,
    images,
    patch_node,
    roll,
    the_set,
    until_on,
)
from tests.cluster.faults import watch_pods
from tests.cluster.whole import Cluster, is_ready, run


def test_every_node_gets_one_pod_and_the_scheduler_puts_it_there() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await until_on(world, "n0", "n1", "n2")
        await world.until(lambda: complete(world))
        status = (await the_set(world)).status
        assert status.desiredNumberScheduled == 3
        assert (status.numberReady, status.numberMisscheduled, status.numberUnavailable) == (
            3,
            0,
            0,
        )
        [pod, *_] = await world.pods()
        assert pod.metadata.name.startswith("web-")
        assert {t.key for t in pod.spec.tolerations} >= {
            "node.kubernetes.io/not-ready",
            "node.kubernetes.io/unschedulable",
        }
        assert not any(t.HasField("tolerationSeconds") for t in pod.spec.tolerations)
        said = [reason for reason, _ in await world.said("web")]
        assert said == ["SuccessfulCreate"] * 3
        told = [reason for reason, _ in await world.said(pod.metadata.name)]
        assert told[0] == "Scheduled"

    run(scenario)


def test_nodes_that_join_get_their_pod() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await until_on(world, "n0")
        joining = world.tasks.create_task(run_hollow(world.client, ["late"]))
        await until_on(world, "late", "n0")
        assert (await the_set(world)).status.desiredNumberScheduled == 2
        joining.cancel()

    run(scenario, nodes=1)


def test_a_pod_that_waits_for_a_node_that_is_gone_goes_as_well() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(Node(metadata=ObjectMeta(name="ghost")))  # it is never ready
        await world.client.create(daemonset())

        async def waits() -> bool:
            pods = await world.pods()
            return len(pods) == 2 and not all(pod.spec.nodeName for pod in pods)

        await world.until(waits)
        assert (await the_set(world)).status.desiredNumberScheduled == 2
        await world.client.delete(Node, "ghost", "")
        await until_on(world, "n0")
        await world.until(lambda: complete(world))
        assert (await the_set(world)).status.desiredNumberScheduled == 1

    run(scenario, nodes=1)


def test_labels_of_nodes_decide() -> None:
    async def scenario(world: Cluster) -> None:
        await patch_node(world, "n1", metadata={"labels": {"disk": "ssd"}})
        made = daemonset()
        made.spec.template.spec.nodeSelector["disk"] = "ssd"
        await world.client.create(made)
        await until_on(world, "n1")
        await patch_node(world, "n2", metadata={"labels": {"disk": "ssd"}})
        await until_on(world, "n1", "n2")
        await patch_node(world, "n1", metadata={"labels": {"disk": None}})
        await until_on(world, "n2")
        await world.until(lambda: complete(world))
        status = (await the_set(world)).status
        assert (status.desiredNumberScheduled, status.numberMisscheduled) == (1, 0)

    run(scenario)


def test_taints_keep_new_pods_away_and_some_drive_old_ones_off() -> None:
    async def scenario(world: Cluster) -> None:
        no_more = {"key": "gpu", "effect": "NoSchedule"}
        await patch_node(world, "n0", spec={"taints": [no_more]})
        await world.client.create(daemonset())
        await until_on(world, "n1", "n2")
        await patch_node(world, "n1", spec={"taints": [no_more]})
        await world.until(lambda: misscheduled(world, 1))
        await until_on(world, "n1", "n2")  # it may stay
        await patch_node(world, "n1", spec={"taints": [{"key": "gpu", "effect": "NoExecute"}]})
        await until_on(world, "n2")
        await patch_node(world, "n0", spec={"taints": []})
        await until_on(world, "n0", "n2")

    run(scenario)


async def misscheduled(world: Cluster, count: int) -> bool:
    return (await the_set(world)).status.numberMisscheduled == count


def test_a_cordoned_node_gets_its_pod_too() -> None:
    async def scenario(world: Cluster) -> None:
        await patch_node(world, "n0", spec={"unschedulable": True})
        await world.client.create(daemonset())
        await until_on(world, "n0", "n1")

    run(scenario, nodes=2)


def test_a_node_that_is_full_has_a_pod_that_waits_and_says_why() -> None:
    async def scenario(world: Cluster) -> None:
        made = daemonset()
        made.spec.template.spec.containers[0].resources.requests["cpu"] = "100"
        await world.client.create(made)

        async def waits() -> str:
            [*pods] = await world.pods()
            told = [c.message for pod in pods for c in pod.status.conditions]
            return told[0] if told else ""

        await world.until(waits)
        assert await waits() in {
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
            f"The pod can only be on node n{number}."
            for number in range(2)
        }
        status = (await the_set(world)).status
        assert (status.desiredNumberScheduled, status.numberReady) == (2, 0)

    run(scenario, nodes=2)


@pytest.mark.parametrize(
    ("bounds", "most_on_a_node", "fewest_nodes"),
    [
        ({}, 1, 3),
        ({"maxUnavailable": "50%"}, 1, 2),
        ({"maxUnavailable": 0, "maxSurge": 1}, 2, 4),
        ({"maxUnavailable": 0, "maxSurge": "100%"}, 2, 4),
    ],
)
def test_a_rollout_keeps_its_bounds(
    bounds: dict[str, Any], most_on_a_node: int, fewest_nodes: int
) -> None:
    async def scenario(world: Cluster) -> None:
        watched = Watched()
        recording = await watch_pods(world, watched.seen)
        made = daemonset(**bounds)
        made.spec.minReadySeconds = 5
        await world.client.create(made)
        await until_on(world, "n0", "n1", "n2", "n3")
        await world.until(lambda: complete(world))
        watched.begun = True
        await roll(world, "2")
        await world.until(lambda: complete(world))
        await until_on(world, "n0", "n1", "n2", "n3")
        assert images(await world.pods()) == {"2": 4}
        assert watched.most_on_a_node == most_on_a_node
        assert watched.fewest_available == fewest_nodes
        recording.cancel()

    run(scenario, nodes=4)


def test_a_bad_image_stops_the_rollout_and_the_old_template_repairs_it() -> None:
    """Going back is a rollout like any other; the revision of old gets a new number."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await world.until(lambda: complete(world))
        await until_on(world, "n0", "n1", "n2")
        await roll(world, "bad")
        await asyncio.sleep(600)
        assert images(await world.pods()) == {"1": 2, "bad": 1}
        assert (await the_set(world)).status.numberUnavailable == 1
        await roll(world, "1")
        await until_on(world, "n0", "n1", "n2")
        assert images(await world.pods()) == {"1": 3}
        history = (await world.client.list(ControllerRevision)).items
        numbers = {e.metadata.labels[POD_LABEL]: e.revision for e in history}
        present = {pod.metadata.labels[POD_LABEL] for pod in await world.pods()}
        assert sorted(numbers.values()) == [2, 3]
        assert [numbers[digest] for digest in present] == [3]

    run(scenario)


def test_on_delete_waits_for_somebody_to_delete() -> None:
    async def scenario(world: Cluster) -> None:
        made = daemonset()
        made.spec.updateStrategy.type = "OnDelete"
        await world.client.create(made)
        await until_on(world, "n0", "n1")
        await roll(world, "2")
        await asyncio.sleep(60)
        assert images(await world.pods()) == {"1": 2}
        assert (await the_set(world)).status.updatedNumberScheduled == 0
        [pod, _] = await world.pods()
        await world.client.delete(Pod, pod.metadata.name, "default")
        await world.until(lambda: updated(world, 1))
        await until_on(world, "n0", "n1")
        assert images(await world.pods()) == {"1": 1, "2": 1}

    run(scenario, nodes=2)


async def updated(world: Cluster, count: int) -> bool:
    return (await the_set(world)).status.updatedNumberScheduled == count


def test_old_revisions_are_forgotten_but_not_those_that_pods_are_made_from() -> None:
    async def scenario(world: Cluster) -> None:
        made = daemonset()
        made.spec.revisionHistoryLimit = 1
        await world.client.create(made)
        for version in ("2", "3", "4"):
            await world.until(lambda: complete(world))
            await roll(world, version)
        await world.until(lambda: complete(world))
        await asyncio.sleep(10)
        found = (await world.client.list(ControllerRevision)).items
        assert sorted(each.revision for each in found) == [3, 4]
        await roll(world, "bad")
        await roll(world, "bad2")
        await asyncio.sleep(60)
        live = {pod.metadata.labels[POD_LABEL] for pod in await world.pods()}
        found = (await world.client.list(ControllerRevision)).items
        assert live <= {each.metadata.labels[POD_LABEL] for each in found}

    run(scenario)


def test_failed_pods_are_replaced_each_time_later() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await until_on(world, "n0")
        for _ in range(5):
            [pod] = await world.pods()
            pod.status.phase = "Failed"
            await world.client.update(pod, subresource="status")
            await world.until(lambda gone=pod: replaced(world, gone))
        told = [
            message for reason, message in await world.said("web") if reason == "FailedDaemonPod"
        ]
        assert len(told) == 5
        assert told[0].startswith("Found failed daemon pod default/web-")
        assert told[0].endswith(" on node n0, will try to kill it")

    run(scenario, nodes=1)


async def replaced(world: Cluster, gone: Pod) -> bool:
    pods = await world.pods()
    return len(pods) == 1 and pods[0].metadata.uid != gone.metadata.uid and is_ready(pods[0])


def test_a_pod_that_ended_well_is_replaced_as_well() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await until_on(world, "n0")
        [pod] = await world.pods()
        pod.status.phase = "Succeeded"
        await world.client.update(pod, subresource="status")
        await world.until(lambda: replaced(world, pod))
        assert "SucceededDaemonPod" in [reason for reason, _ in await world.said("web")]

    run(scenario, nodes=1)


def test_it_adopts_releases_and_keeps_the_older_of_two() -> None:
    """S#22. Of two pods on a node the one that came first stays."""

    async def scenario(world: Cluster) -> None:
        spec = PodSpec(containers=[Container(name="app", image=f"{IMAGE}1")], nodeName="n0")
        meta = ObjectMeta(name="stray", namespace="default", labels={"app": "web"})
        await world.client.create(Pod(metadata=meta, spec=spec))
        await asyncio.sleep(2)
        made = daemonset()
        made.spec.updateStrategy.type = "OnDelete"
        await world.client.create(made)
        await until_on(world, "n0", "n1")
        stray = await world.client.get(Pod, "stray", "default")
        assert [owner.kind for owner in stray.metadata.ownerReferences] == ["DaemonSet"]
        later = ObjectMeta(name="later", namespace="default", labels={"app": "web"})
        await world.client.create(Pod(metadata=later, spec=spec))
        await world.until(lambda: world.is_gone(Pod, "later"))
        await until_on(world, "n0", "n1")
        await world.client.patch(Pod, "stray", "default", {"metadata": {"labels": {"app": "x"}}})
        await world.until(lambda: ready_with(world, made, 2))
        stray = await world.client.get(Pod, "stray", "default")
        assert not stray.metadata.ownerReferences

    run(scenario, nodes=2)


async def ready_with(world: Cluster, made: DaemonSet, count: int) -> bool:
    selector = labels_from(made.spec.selector)
    mine = [pod for pod in await world.pods() if selector.matches(pod.metadata.labels)]
    return len(mine) == count and all(map(is_ready, mine))


def test_a_successor_waits_until_the_pod_before_it_is_gone() -> None:
    async def scenario(world: Cluster) -> None:
        watched = Watched()
        recording = await watch_pods(world, watched.seen)
        await world.client.create(daemonset())
        await until_on(world, "n0", "n1")
        for pod in await world.pods():
            await world.client.delete(Pod, pod.metadata.name, "default", Delete(grace=30))
        await until_on(world, "n0", "n1")
        assert watched.most_on_a_node == 1
        recording.cancel()

    run(scenario, nodes=2)


def test_pods_become_available_when_they_have_been_ready_long_enough() -> None:
    async def scenario(world: Cluster) -> None:
        made = daemonset()
        made.spec.minReadySeconds = 60
        await world.client.create(made)
        await until_on(world, "n0", "n1")
        await asyncio.sleep(50)
        status = (await the_set(world)).status
        assert (status.numberReady, status.numberAvailable, status.numberUnavailable) == (2, 0, 2)
        await asyncio.sleep(12)
        status = (await the_set(world)).status
        assert (status.numberAvailable, status.numberUnavailable) == (2, 0)

    run(scenario, nodes=2)


class NoMorePods:
    """A client through which pods cannot be created, as if a quota were used up."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: list[int] = []  # pods asked for in one call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def batch(self, writes: Sequence[Write[Any]]) -> Sequence[Any]:
        if not any(isinstance(w.object, Pod) and w.verb == "create" for w in writes):
            return await self._client.batch(writes)
        self.asked.append(len(writes))
        return [Forbidden("exceeded quota: pods")] * len(writes)


def test_when_no_pod_can_be_made_it_asks_for_one_at_a_time() -> None:
    clients: list[NoMorePods] = []

    def wrap(client: Client) -> Any:
        clients.append(NoMorePods(client))
        return clients[0]

    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await asyncio.sleep(300)
        assert 5 < len(clients[0].asked) < 30
        assert set(clients[0].asked) == {1}
        said = await world.said("web")
        assert ("FailedCreate", "Error creating: exceeded quota: pods") in said
        assert (await the_set(world)).status.desiredNumberScheduled == 5

    run(scenario, nodes=5, wrap=wrap)


class SlowToRecord:
    """A client for which revisions take five seconds to be made."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def create(self, obj: Any, **how: Any) -> Any:
        if isinstance(obj, ControllerRevision):
            await asyncio.sleep(5)
        return await self._client.create(obj, **how)


def test_a_template_that_changes_during_a_step_is_what_counts_in_the_next() -> None:
    async def scenario(world: Cluster) -> None:
        await patch_node(world, "n1", metadata={"labels": {"disk": "ssd"}})
        await world.client.create(daemonset())
        await asyncio.sleep(1)  # the first revision is being made
        template = {"spec": {"nodeSelector": {"disk": "ssd"}}}
        await world.change({"template": template}, DaemonSet)
        await asyncio.sleep(60)
        assert await complete(world)
        assert [pod.spec.nodeName for pod in await world.pods()] == ["n1"]

    def wrap(client: Client) -> Any:
        return SlowToRecord(client)

    run(scenario, wrap=wrap)


def test_when_it_is_deleted_its_pods_and_revisions_go() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(daemonset())
        await until_on(world, "n0", "n1")
        await world.client.delete(DaemonSet, "web", "default")

        async def nothing() -> bool:
            kinds: tuple[type[Any], ...] = (DaemonSet, ControllerRevision, Pod)
            return not any([(await world.client.list(kind)).items for kind in kinds])

        await world.until(nothing)
        with pytest.raises(NotFound):
            await the_set(world)

    run(scenario, nodes=2)
