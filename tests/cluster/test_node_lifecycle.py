"""Nodes that fail, in a whole cluster (4f): what is written when, what becomes of the pods, and what undoes it."""

import asyncio

import pytest

from api import conditions
from api.client import Delete
from api.errors import NotFound
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod, Toleration
from tests.apiserver import pod
from tests.cluster.machines import Machines, fail, seconds
from tests.cluster.whole import deployment, is_ready

EXECUTED = {"unreachable:NoSchedule", "unreachable:NoExecute"}


async def spread(machines: Machines, count: int = 4) -> None:
    await machines.world.client.create(deployment(count))
    await machines.world.until(lambda: machines.world.ready(count))


async def all_on(machines: Machines, names: set[str], count: int) -> bool:
    found = await machines.world.pods()
    return (
        len(found) == count
        and all(map(is_ready, found))
        and {each.spec.nodeName for each in found} <= names
    )


def test_a_node_that_falls_silent_loses_its_pods_after_350_seconds() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        victims = await machines.on("n0")
        assert victims
        machines.stop("n0")
        silent = await seconds(world.until(lambda: machines.says("Unknown", "n0")))
        assert (
            40 <= silent <= 66
        )  # the grace of 50, less the age of the last renewal, and a look every 5
        node = await machines.node("n0")
        told = {
            each.type: (each.status, each.reason, each.message) for each in node.status.conditions
        }
        stopped = ("Unknown", "NodeStatusUnknown", "The node's agent stopped posting node status.")
        assert told == dict.fromkeys(
            ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"), stopped
        )
        await asyncio.sleep(1)
        assert await machines.taints("n0") == EXECUTED
        assert not any(map(is_ready, await machines.on("n0")))
        assert ("NodeNotReady", "Node is not ready") in await world.said(victims[0].metadata.name)
        moved = await seconds(world.until(lambda: all_on(machines, {"n1"}, 4)))
        assert 290 <= moved <= 310  # tolerationSeconds
        gone = await world.client.get(Pod, victims[0].metadata.name, "default")
        assert gone.metadata.HasField("deletionTimestamp"), "nobody has confirmed its end"
        said = conditions.find(gone.status.conditions, "DisruptionTarget")
        assert said is not None
        assert (said.status, said.reason) == ("True", "DeletionByTaintManager")
        name = f"default/{victims[0].metadata.name}"
        assert ("TaintManagerEviction", f"Marking for deletion Pod {name}") in await world.said(
            victims[0].metadata.name
        )

    fail(story, "n0", "n1")


@pytest.mark.parametrize("how", ["cut", "stop"])
def test_a_node_that_is_back_in_time_keeps_its_pods(how: str) -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        before = await machines.places()
        getattr(machines, how)("n0")
        await world.until(lambda: machines.says("Unknown", "n0"))
        await asyncio.sleep(200)
        machines.mend("n0") if how == "cut" else machines.start("n0")
        back = await seconds(world.until(lambda: machines.says("True", "n0")))
        assert back < 20
        await world.until(lambda: clean(machines))
        await world.until(lambda: world.ready(4))
        await asyncio.sleep(400)
        assert await machines.places() == before
        names = [name for name, node in before.items() if node == "n0"]
        cancelled = ("TaintManagerEviction", f"Cancelling deletion of Pod default/{names[0]}")
        assert cancelled in await world.said(names[0])

    async def clean(machines: Machines) -> bool:
        return await machines.taints("n0") == set()

    fail(story, "n0", "n1")


def test_a_node_that_is_back_too_late_ends_what_was_made_elsewhere() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        victims = {each.metadata.name for each in await machines.on("n0")}
        machines.cut("n0")
        await world.until(lambda: all_on(machines, {"n1"}, 4))
        machines.mend("n0")
        await world.until(lambda: all_gone(machines, victims))
        await world.until(lambda: world.ready(4))
        assert not await machines.on("n0")

    async def all_gone(machines: Machines, names: set[str]) -> bool:
        found = await machines.world.client.list(Pod)
        return not names & {each.metadata.name for each in found.items}

    fail(story, "n0", "n1")


def test_a_controller_that_is_started_anew_does_not_begin_to_count_anew() -> None:
    """Of the 300 seconds: the taint says since when it is there."""

    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        machines.stop("n0")
        await world.until(lambda: machines.says("Unknown", "n0"))
        await asyncio.sleep(200)
        world.stop_controllers()
        await asyncio.sleep(10)
        world.start_controllers(world.client)
        assert await seconds(world.until(lambda: all_on(machines, {"n1"}, 4))) < 100

    fail(story, "n0", "n1")


def test_when_all_nodes_fall_silent_nobody_is_driven_out() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        before = await machines.places()
        machines.cut("n0", "n1")
        await world.until(lambda: machines.says("Unknown", "n0", "n1"))
        await asyncio.sleep(1000)
        for name in ("n0", "n1"):
            assert await machines.taints(name) == {"unreachable:NoSchedule"}
        machines.mend("n0", "n1")
        await world.until(lambda: world.ready(4))
        assert await machines.places() == before

    fail(story, "n0", "n1")


def test_most_nodes_of_a_small_zone_are_left_alone_and_those_who_fell_before_are_not() -> None:
    """Three of four: nothing is driven out any more. The first one of them was marked while it was alone."""

    async def story(machines: Machines) -> None:
        world = machines.world
        machines.cut("n0")
        await world.until(lambda: machines.says("Unknown", "n0"))
        await asyncio.sleep(2)
        machines.cut("n1", "n2")
        await world.until(lambda: machines.says("Unknown", "n1", "n2"))
        await asyncio.sleep(500)
        assert await machines.taints("n0") == EXECUTED
        for name in ("n1", "n2"):
            assert await machines.taints(name) == {"unreachable:NoSchedule"}
        machines.mend("n1")
        await world.until(lambda: machines.says("True", "n1"))
        await asyncio.sleep(15)
        assert await machines.taints("n2") == EXECUTED, "two of four are not most"

    fail(story, "n0", "n1", "n2", "n3")


def test_nodes_that_fail_together_are_given_up_one_in_ten_seconds() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        machines.cut("n0", "n1")
        await world.until(lambda: machines.says("Unknown", "n0", "n1"))
        await world.until(lambda: executed(machines, 1))
        assert 9 <= await seconds(world.until(lambda: executed(machines, 2))) <= 11

    async def executed(machines: Machines, count: int) -> bool:
        return [await machines.taints(name) == EXECUTED for name in ("n0", "n1")].count(
            True
        ) == count

    fail(story, "n0", "n1", "n2", "n3", "n4")


def test_a_taint_set_by_hand_drives_out_whoever_does_not_bear_it() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        for name, tolerance in (("at-once", None), ("later", 60), ("never", -1)):
            made = pod(name)
            if tolerance is not None:
                toleration = Toleration(key="maintenance", operator="Exists", effect="NoExecute")
                if tolerance >= 0:
                    toleration.tolerationSeconds = tolerance
                made.spec.tolerations.append(toleration)
            await world.client.create(made)
        await world.until(lambda: world.ready(3))
        patch = {"spec": {"taints": [{"key": "maintenance", "effect": "NoExecute"}]}}
        await world.client.patch(Node, "n0", "", patch)
        left = await seconds(world.until(lambda: world.ready(2)))
        assert left < 40
        assert 50 < left + await seconds(world.until(lambda: world.ready(1))) < 100
        await asyncio.sleep(500)
        assert set(await machines.places()) == {"never"}

    fail(story, "n0")


def test_cordon_is_a_taint_too() -> None:
    async def story(machines: Machines) -> None:
        async def shows(*expected: str) -> bool:
            return await machines.taints("n0") == set(expected)

        client = machines.world.client
        await client.patch(Node, "n0", "", {"spec": {"unschedulable": True}})
        await machines.world.until(lambda: shows("unschedulable:NoSchedule"))
        await client.patch(Node, "n0", "", {"spec": {"unschedulable": False}})
        await machines.world.until(lambda: shows())

    fail(story, "n0")


def test_the_pods_of_a_node_that_was_deleted_are_removed() -> None:
    """S#63: after 40 seconds in which it did not come back."""

    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        machines.stop("n0")
        await world.client.delete(Node, "n0")
        moved = await seconds(world.until(lambda: all_on(machines, {"n1"}, 4)))
        assert 40 <= moved <= 65
        assert not [
            each for each in (await world.client.list(Pod)).items if each.spec.nodeName == "n0"
        ]

    fail(story, "n0", "n1")


def test_a_node_that_never_says_anything_is_unknown_after_a_minute() -> None:
    async def story(machines: Machines) -> None:
        node = Node()
        node.metadata.name = "mute"
        await machines.world.client.create(node)
        assert (
            55
            <= await seconds(machines.world.until(lambda: machines.says("Unknown", "mute")))
            <= 70
        )
        found = conditions.find((await machines.node("mute")).status.conditions, "Ready")
        assert found is not None
        assert (found.reason, found.message) == (
            "NodeStatusNeverUpdated",
            "The node's agent never posted node status.",
        )

    fail(story, "n0")


def test_out_of_service_removes_what_waits_for_a_dead_node() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines, 2)
        victims = await machines.on("n0")
        machines.stop("n0")
        await world.until(lambda: machines.says("Unknown", "n0"))
        taint = {"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute", "value": "x"}
        await world.client.patch(Node, "n0", "", {"spec": {"taints": [taint]}})
        await world.until(lambda: gone(machines, victims[0]))
        await world.until(lambda: all_on(machines, {"n1"}, 2))

    async def gone(machines: Machines, victim: Pod) -> bool:
        try:
            await machines.world.client.get(Pod, victim.metadata.name, "default")
        except NotFound:
            return True
        return False

    fail(story, "n0", "n1")


def test_a_pod_that_is_deleted_before_its_time_is_not_announced_any_more() -> None:
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        victims = await machines.on("n0")
        machines.stop("n0")
        await world.until(lambda: machines.says("Unknown", "n0"))
        for victim in victims:
            await world.client.delete(Pod, victim.metadata.name, "default", Delete(grace=0))
        assert await seconds(world.until(lambda: all_on(machines, {"n1"}, 4))) < 30

    fail(story, "n0", "n1")


def test_a_node_that_is_deleted_while_its_agent_lives_is_there_again_before_its_pods_are_given_up() -> (
    None
):
    async def story(machines: Machines) -> None:
        world = machines.world
        await spread(machines)
        names = {each.metadata.name for each in await machines.on("n0")}
        before = await machines.node("n0")
        await world.client.delete(Node, "n0")

        async def again() -> bool:
            if await machines.ready("n0") != "True":
                return False
            return (await machines.node("n0")).metadata.uid != before.metadata.uid

        assert await seconds(world.until(again)) < 5
        assert (await machines.node("n0")).spec.podCIDR == before.spec.podCIDR
        await asyncio.sleep(120)
        assert {each.metadata.name for each in await machines.on("n0")} == names

    fail(story, "n0", "n1")
