"""The scheduler against a real API server."""

import itertools
from functools import partial
from typing import Any

import pytest

from api import quantity
from api.client import Client, Delete
from api.errors import ApiError, Conflict, Timeout, Unavailable
from proto.v1.cluster_pb2 import Namespace
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.cluster.scheduled import FailingBinds, World, control_plane
from tests.scheduler_objects import node, pod

HOST = "kubernetes.io/hostname"


def bare(name: str, **wishes: Any) -> Pod:
    """As people create it: without what only the server writes."""
    made = pod(name, **wishes)
    made.metadata.ClearField("uid")
    return made


def apart(app: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def test_a_pod_waits_for_its_first_node_and_then_goes_at_once() -> None:
    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(bare("web"))
            await world.until(lambda: _refused(world, "web"))
            told = ("False", "Unschedulable", "no nodes available to schedule pods")
            assert await world.refusal("web") == told
            await world.create(node("n1"))
            await world.until(lambda: world.node_of("web"), seconds=1)
            assert (await world.refusal("web"))[0] == "True"
            events = await world.events("web")
            assert ("Scheduled", "Successfully assigned default/web to n1") in events
            assert ("FailedScheduling", "no nodes available to schedule pods") in events

    fake_time.run(scenario())


def test_the_message_counts_the_reasons() -> None:
    async def scenario() -> None:
        async with control_plane() as world:
            taint = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}
            await world.create(node("n1", cpu="1"), node("n2", taints=[taint]))
            await world.create(node("n3", unschedulable=True), bare("web", cpu="2"))
            await world.until(lambda: _refused(world, "web"))
            assert (await world.refusal("web"))[2] == (
                "0/3 nodes are available: 1 Insufficient cpu, "
                "1 node(s) had untolerated taint {gpu: yes}, 1 node(s) were unschedulable."
            )

    fake_time.run(scenario())


def test_what_has_been_told_is_not_told_again() -> None:
    """Tried every five minutes for an hour, a pod gets one event and one condition."""

    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(node("n1", cpu="1"), bare("web", cpu="2"))
            await world.until(lambda: _refused(world, "web"))
            version = (await world.pod("web")).metadata.resourceVersion
            waiting = world.scheduler.cluster.queue.pods["default/web"]
            tries = waiting.tries
            await world.until(lambda: _is(lambda: waiting.tries >= tries + 3), seconds=3600)
            assert (await world.pod("web")).metadata.resourceVersion == version
            assert len(await world.events("web")) == 1

    fake_time.run(scenario())


def test_a_deletion_wakes_exactly_the_pod_it_helps() -> None:
    """Two pods wait for different neighbours to go. One goes: the other pod is not even tried."""

    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(node("n1"))
            for app in ("red", "blue"):
                await world.create(bare(f"old-{app}", labels={"app": app}))
            await world.until(lambda: _all_bound(world, 2))
            for app in ("red", "blue"):
                await world.create(bare(f"new-{app}", affinity=apart(app)))
            for app in ("red", "blue"):
                await world.until(partial(_refused, world, f"new-{app}"))
            blue = world.scheduler.cluster.queue.pods["default/new-blue"]
            tries = blue.tries
            await _remove(world, "old-red")
            await world.until(lambda: world.node_of("new-red"), seconds=5)
            await world.settled()
            assert (blue.tries, await world.node_of("new-blue")) == (tries, "")
            await _remove(world, "old-blue")
            await world.until(lambda: world.node_of("new-blue"), seconds=5)

    fake_time.run(scenario())


def test_five_hundred_pods_on_fifty_nodes() -> None:
    """All are bound, evenly, and no node gives more than it has."""

    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(*(node(f"n{i}", cpu="2", pods="20") for i in range(50)))
            await world.create(*(bare(f"web-{i}", cpu="190m", owner="web") for i in range(500)))
            await world.until(lambda: _all_bound(world, 500))
            await _assert_no_node_is_overcommitted(world)
            loads = [list((await world.bound()).values()).count(f"n{i}") for i in range(50)]
            assert set(loads) == {10}

    fake_time.run(scenario())


# Every binding may fail if it has arrived; of those that do not arrive some must, or there is no end.
FAILURES = [(1, True), (2, True), (2, False), (3, False), (7, False), (7, True)]


@pytest.mark.parametrize("error", [Unavailable("away"), Timeout("slow"), Conflict("no")])
@pytest.mark.parametrize(("every", "arrives"), FAILURES)
def test_failing_bindings(every: int, arrives: bool, error: ApiError) -> None:
    """Whichever bindings fail, each pod ends on one node, none is bound twice, and no node is overcommitted."""
    clients = []

    def faults(client: Client) -> Client:
        clients.append(FailingBinds(client, every, error, arrives=arrives))
        return clients[0]

    async def scenario() -> None:
        async with control_plane(faults) as world:
            await world.create(*(node(f"n{i}", cpu="1") for i in range(4)))
            await world.create(*(bare(f"web-{i}", cpu="250m") for i in range(16)))
            await world.until(lambda: _all_bound(world, 16))
            await world.settled()
            await _assert_no_node_is_overcommitted(world)
            assert len(world.scheduler.cluster.snapshot.pods) == 16
            assert not world.scheduler.cluster.queue.pods
            if arrives:
                assert clients[0].count == 16  # an arrived binding is not tried again

    fake_time.run(scenario())


def test_gated_pods_wait_for_their_gates() -> None:
    async def scenario() -> None:
        async with control_plane() as world:
            gate = {"schedulingGates": [{"name": "example.com/quota"}]}
            await world.create(node("n1"), bare("web", **gate))
            await world.until(lambda: _refused(world, "web"))
            assert (await world.refusal("web"))[:2] == ("False", "SchedulingGated")
            made = await world.pod("web")
            del made.spec.schedulingGates[:]
            await world.client.update(made)
            await world.until(lambda: world.node_of("web"))

    fake_time.run(scenario())


def test_others_pods_are_left_alone() -> None:
    """Another scheduler's pods, pods that are going, and pods with a node: counted, perhaps, but never bound."""

    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(node("n1", pods="2"))
            await world.create(bare("theirs", schedulerName="other"), bare("fixed", nodeName="n1"))
            await world.create(bare("first"), bare("second"))
            await world.until(lambda: _refused(world, "second"))
            assert await world.bound() == {"fixed": "n1", "first": "n1"}
            assert "Too many pods" in (await world.refusal("second"))[2]

    fake_time.run(scenario())


def test_priority_goes_first() -> None:
    async def scenario() -> None:
        async with control_plane() as world:
            names = [("low", 0), ("high", 10), ("middle", 5)]
            await world.create(*(bare(name, priority=number) for name, number in names))
            for name, _ in names:
                await world.until(partial(_refused, world, name))
            await world.create(node("n1", pods="2"))
            await world.until(lambda: _all_bound(world, 2))
            await world.settled()
            assert set(await world.bound()) == {"high", "middle"}

    fake_time.run(scenario())


def test_a_finished_pod_makes_room() -> None:
    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(node("n1", cpu="1"), bare("first", cpu="1"))
            await world.until(lambda: world.node_of("first"))
            await world.create(bare("second", cpu="1"))
            await world.until(lambda: _refused(world, "second"))
            done = await world.pod("first")
            done.status.phase = "Succeeded"
            await world.client.update(done, subresource="status")
            await world.until(lambda: world.node_of("second"), seconds=5)

    fake_time.run(scenario())


def test_a_cordoned_node_is_used_again_when_uncordoned() -> None:
    async def scenario() -> None:
        async with control_plane() as world:
            await world.create(node("n1", unschedulable=True), bare("web"))
            await world.until(lambda: _refused(world, "web"))
            found = await world.client.get(type(node("n1")), "n1")
            found.spec.unschedulable = False
            await world.client.update(found)
            await world.until(lambda: world.node_of("web"), seconds=5)

    fake_time.run(scenario())


def test_namespace_selectors_see_labels_of_namespaces() -> None:
    """A pod that must be near pods of a team waits until a namespace belongs to that team."""

    async def scenario() -> None:
        async with control_plane() as world:
            await world.client.create(Namespace(metadata=ObjectMeta(name="blue")))
            await world.create(node("n1"), bare("db", namespace="blue", labels={"app": "db"}))
            term = {
                "labelSelector": {"matchLabels": {"app": "db"}},
                "namespaceSelector": {"matchLabels": {"team": "blue"}},
                "topologyKey": HOST,
            }
            near = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
            await world.create(bare("web", affinity=near))
            await world.until(lambda: _refused(world, "web"))
            blue = await world.client.get(Namespace, "blue")
            blue.metadata.labels["team"] = "blue"
            await world.client.update(blue)
            await world.until(lambda: world.node_of("web"), seconds=5)

    fake_time.run(scenario())


async def _refused(world: World, name: str) -> bool:
    return (await world.refusal(name))[0] == "False"


async def _all_bound(world: World, number: int) -> bool:
    return len(await world.bound()) == number


async def _is(condition: Any) -> bool:
    return bool(condition())


async def _remove(world: World, name: str) -> None:
    """As its node would: for good, and at once."""
    await world.client.delete(Pod, name, "default", Delete(grace=0))


async def _assert_no_node_is_overcommitted(world: World) -> None:
    pods = (await world.client.list(Pod)).items
    key = lambda p: p.spec.nodeName  # noqa: E731
    for name, there in itertools.groupby(sorted(pods, key=key), key):
        info = world.scheduler.cluster.snapshot.node(name)
        assert info is not None
        asked = [quantity.millis(p.spec.containers[0].resources.requests["cpu"]) for p in there]
        assert sum(asked) <= info.limit_cpu
