"""What has lost its owners goes; and how an owner is deleted decides what goes first (S#19, S#21)."""

import asyncio
from typing import Any

from api.client import Delete
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.cluster_pb2 import Namespace
from proto.v1.meta_pb2 import ObjectMeta, OwnerReference
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from tests.cluster.whole import Cluster, deployment, run


def pod(name: str, *owners: Any, namespace: str = "default", blocking: bool = False) -> Pod:
    meta = ObjectMeta(name=name, namespace=namespace)
    for owner in owners:
        meta.ownerReferences.append(
            OwnerReference(
                apiVersion="v1",
                kind="Pod",
                name=owner.metadata.name,
                uid=owner.metadata.uid,
                blockOwnerDeletion=blocking,
            )
        )
    image = "registry.test/app:1"
    return Pod(metadata=meta, spec=PodSpec(containers=[Container(name="app", image=image)]))


async def names(world: Cluster) -> set[str]:
    return {each.metadata.name for each in (await world.client.list(Pod)).items}


def test_a_dependent_goes_with_its_last_owner() -> None:
    async def scenario(world: Cluster) -> None:
        one = await world.client.create(pod("one"))
        two = await world.client.create(pod("two"))
        await world.client.create(pod("child", one, two))
        await world.client.create(pod("free"))
        await world.client.delete(Pod, "one", "default")

        async def forgotten() -> bool:
            child = await world.client.get(Pod, "child", "default")
            return [owner.name for owner in child.metadata.ownerReferences] == ["two"]

        await world.until(forgotten)
        await world.client.delete(Pod, "two", "default")
        await world.until(lambda: world.is_gone(Pod, "child"))
        assert await names(world) == {"free"}

    run(scenario)


def test_an_owner_that_was_never_there_is_no_owner() -> None:
    """A name that somebody else has by now does not help: it is the uid that counts."""

    async def scenario(world: Cluster) -> None:
        one = await world.client.create(pod("one"))
        one.metadata.uid = "another"
        await world.client.create(pod("child", one))
        await world.until(lambda: world.is_gone(Pod, "child"))
        assert await names(world) == {"one"}

    run(scenario)


def test_an_owner_in_another_namespace_does_not_count() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(Namespace(metadata=ObjectMeta(name="other")))
        owner = await world.client.create(pod("owner", namespace="other"))
        await asyncio.sleep(1)
        await world.client.create(pod("child", owner))
        await world.until(lambda: world.is_gone(Pod, "child"))
        [(reason, message)] = [e for e in await world.said("child") if "Owner" in e[0]]
        assert reason == "OwnerRefInvalidNamespace"
        assert message.endswith('does not exist in namespace "default"')
        assert await names(world) == {"owner"}

    run(scenario)


def test_a_foreground_deletion_ends_a_tree_from_its_leaves() -> None:
    async def order(world: Cluster, gone: list[str], kind: type[Any]) -> None:
        version = (await world.client.list(kind)).version
        async for batch in world.client.watch(kind, version=version):
            gone += [kind.__name__ for event in batch if event.type == "DELETED"]

    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(2))
        await world.until(world.complete)
        gone: list[str] = []
        kinds = (Deployment, ReplicaSet, Pod)
        watching = [world.tasks.create_task(order(world, gone, kind)) for kind in kinds]
        await asyncio.sleep(1)
        how = Delete(propagation="Foreground")
        await world.client.delete(Deployment, "web", "default", how)
        await world.until(lambda: world.is_gone(Deployment))
        await asyncio.sleep(1)
        assert gone == ["Pod", "Pod", "ReplicaSet", "Deployment"]
        for task in watching:
            task.cancel()

    run(scenario)


def test_a_foreground_deletion_waits_only_for_those_that_block() -> None:
    async def scenario(world: Cluster) -> None:
        owner = await world.client.create(pod("owner"))
        held = pod("held", owner)
        held.metadata.finalizers.append("example.com/hold")
        await world.client.create(held)
        await asyncio.sleep(1)
        await world.client.delete(Pod, "owner", "default", Delete(propagation="Foreground"))
        await world.until(lambda: world.is_gone(Pod, "owner"))
        assert await names(world) == {"held"}
        left = await world.client.get(Pod, "held", "default")
        assert left.metadata.HasField("deletionTimestamp")

    run(scenario)
