"""Namespaces are emptied, pods first, and say what remains; and the rules as tables."""

import asyncio
from typing import Any

import pytest

from api import kinds
from api.client import Delete
from api.errors import NotFound
from api.informer import Informers
from control_plane.controllers import namespace as controller
from control_plane.controllers.namespace import Remains, conditions, next_to_delete
from control_plane.store.memory import MemoryStore
from proto.v1.cluster_pb2 import Lease, Namespace
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.apiserver import World, pod, serving

PODS, LEASES = kinds.of(Pod), kinds.of(Lease)


def lease(name: str = "l") -> Lease:
    return Lease(metadata=ObjectMeta(name=name, namespace="temp"))


def going(obj: Any) -> Any:
    obj.metadata.deletionTimestamp.seconds = 1
    return obj


@pytest.mark.parametrize(
    ("objects", "names"),
    [
        ({PODS: [pod("a"), pod("b")], LEASES: [lease()]}, ["a", "b"]),
        ({PODS: [going(pod("a"))], LEASES: [lease()]}, []),  # pods are waited for
        ({PODS: [], LEASES: [lease(), going(lease("m"))]}, ["l"]),
        ({PODS: [], LEASES: []}, []),
    ],
)
def test_pods_go_first(objects: Any, names: list[str]) -> None:
    assert [obj.metadata.name for obj in next_to_delete(Remains(objects))] == names


def test_conditions_say_what_remains_and_who_is_waited_for() -> None:
    held = pod("a")
    held.metadata.finalizers.append("example.com/hold")
    told = {each.type: each for each in conditions(Remains({PODS: [held, pod("b")], LEASES: []}))}
    remaining = told["NamespaceContentRemaining"]
    assert (remaining.status, remaining.reason) == ("True", "SomeResourcesRemain")
    assert remaining.message == "Some resources are remaining: pods has 2 resource instances"
    finalizers = told["NamespaceFinalizersRemaining"]
    assert finalizers.message == (
        "Some content in the namespace has finalizers remaining: "
        "example.com/hold in 1 resource instances"
    )
    assert told["NamespaceDeletionContentFailure"].status == "False"
    assert all(each.status == "False" for each in conditions(Remains({PODS: []})))


def run(scenario: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(10_000), serving(MemoryStore(), grpc=False) as world:
            informers = Informers(world.client)
            async with asyncio.TaskGroup() as tasks:
                running = [
                    tasks.create_task(controller.run(world.client, informers)),
                    tasks.create_task(informers.run()),
                ]
                await world.client.create(Namespace(metadata=ObjectMeta(name="temp")))
                await scenario(world)
                for task in running:
                    task.cancel()

    fake_time.run(main())


async def gone(world: World) -> bool:
    try:
        await world.client.get(Namespace, "temp")
    except NotFound:
        return True
    return False


def test_a_namespace_goes_with_all_its_contents() -> None:
    """S#25"""

    async def scenario(world: World) -> None:
        for number in range(250):
            await world.client.create(pod(f"p{number}", "temp"))
        await world.client.create(lease())
        await world.client.create(pod("elsewhere"))
        await world.client.delete(Namespace, "temp")
        while not await gone(world):  # noqa: ASYNC110
            await asyncio.sleep(1)
        assert [p.metadata.name for p in (await world.client.list(Pod)).items] == ["elsewhere"]
        assert (await world.client.list(Lease)).items == []

    run(scenario)


def test_it_waits_for_pods_that_end_gracefully_and_says_so() -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod("slow", "temp"))
        await world.client.bind("temp", "slow", "", "n1")
        await world.client.create(lease())
        await world.client.delete(Namespace, "temp")
        await asyncio.sleep(10)
        temp = await world.client.get(Namespace, "temp")
        told = {each.type: each.message for each in temp.status.conditions}
        assert "pods has 1 resource instances" in told["NamespaceContentRemaining"]
        since = {each.type: each.lastTransitionTime.seconds for each in temp.status.conditions}
        assert len((await world.client.list(Lease)).items) == 1, "pods may need what else is there"
        await asyncio.sleep(10)
        temp = await world.client.get(Namespace, "temp")
        assert since == {e.type: e.lastTransitionTime.seconds for e in temp.status.conditions}
        await world.client.delete(Pod, "slow", "temp", Delete(grace=0))
        while not await gone(world):  # noqa: ASYNC110
            await asyncio.sleep(1)

    run(scenario)


def test_a_namespace_can_come_back_under_its_name() -> None:
    async def scenario(world: World) -> None:
        for _ in range(3):
            await world.client.create(pod("a", "temp"))
            await world.client.delete(Namespace, "temp")
            while not await gone(world):  # noqa: ASYNC110
                await asyncio.sleep(1)
            await world.client.create(Namespace(metadata=ObjectMeta(name="temp")))

    run(scenario)
