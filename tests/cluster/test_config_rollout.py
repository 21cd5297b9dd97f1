"""Workloads that ask for it roll out when their ConfigMaps and Secrets change: a whole cluster on fake time."""

import asyncio
from typing import Any

import pytest

from control_plane.controllers.configrollout import main as configrollouts
from control_plane.controllers.configrollout.plan import HASH, SEEN, WANTED
from control_plane.controllers.deployment import main as deployments
from control_plane.controllers.replicaset import main as replicasets
from proto.v1.apps_pb2 import DaemonSet, Deployment, StatefulSet
from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.meta_pb2 import ObjectMeta
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
)
from tests.cluster.whole import Cluster, deployment, only, run

PARTS = only(configrollouts, deployments, replicasets)


def config(color: str) -> ConfigMap:
    return ConfigMap(
        metadata=ObjectMeta(name="settings", namespace="default"), data={"color": color}
    )


def asking(replicas: int = 2) -> Deployment:
    made = deployment(replicas)
    made.metadata.annotations[WANTED] = "true"
    variable = made.spec.template.spec.containers[0].env.add(name="COLOR").valueFrom
    variable.configMapKeyRef.name, variable.configMapKeyRef.key = "settings", "color"
    return made


async def revision(world: Cluster) -> str:
    found = await world.deployment()
    return found.metadata.annotations.get("deployment.kubernetes.io/revision", "")


def test_a_deployment_rolls_out_once_for_each_change() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(config("blue"))
        await world.client.create(asking())
        await world.until(world.complete)
        await asyncio.sleep(60)
        assert await revision(world) == "1"
        await world.client.update(config("red"))

        async def second() -> bool:
            return await revision(world) == "2" and await world.complete()

        await world.until(second)
        assert {p.metadata.annotations[HASH] for p in await world.pods()}
        said = await world.said("web")
        told = 'Rolling out, because of a change of configmap "settings"'
        assert ("ConfigChanged", told) in said
        await asyncio.sleep(60)
        assert await revision(world) == "2"

    run(scenario)


def test_changes_at_once_are_one_rollout() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(config("blue"))
        meta = ObjectMeta(name="keys", namespace="default")
        await world.client.create(Secret(metadata=meta, data={"a": b"1"}))
        made = asking()
        made.spec.template.spec.containers[0].envFrom.add().secretRef.name = "keys"
        await world.client.create(made)
        await world.until(world.complete)
        await world.client.update(config("red"))
        await world.client.update(Secret(metadata=meta, data={"a": b"2"}))
        await asyncio.sleep(60)
        await world.until(world.complete)
        assert await revision(world) == "2"

    run(scenario)


def test_an_undo_is_not_undone() -> None:
    """The template without the hash comes back, and stays."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(config("blue"))
        await world.client.create(asking())
        await world.until(world.complete)
        await world.client.update(config("red"))
        await asyncio.sleep(60)
        back = {"spec": {"template": {"metadata": {"annotations": {HASH: None}}}}}
        await world.client.patch(Deployment, "web", "default", back)
        await asyncio.sleep(60)
        assert HASH not in (await world.deployment()).spec.template.metadata.annotations

    run(scenario)


def test_who_does_not_ask_is_left_alone() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(config("blue"))
        made = asking()
        del made.metadata.annotations[WANTED]
        await world.client.create(made)
        await world.until(world.complete)
        await world.client.update(config("red"))
        await asyncio.sleep(60)
        assert await revision(world) == "1"

    run(scenario)


@pytest.mark.parametrize("kind", [StatefulSet, DaemonSet])
def test_the_others_roll_out_too(kind: type[Any]) -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(config("blue"))
        base = asking()
        made = kind(
            metadata=base.metadata,
            spec={"selector": base.spec.selector, "template": base.spec.template},
        )
        await world.client.create(made)

        async def ready() -> bool:
            found = await world.pods()
            return bool(found) and await world.ready(len(found))

        await world.until(ready)
        before = {pod.metadata.uid for pod in await world.pods()}
        await asyncio.sleep(5)
        await world.client.update(config("red"))

        async def replaced() -> bool:
            now = {pod.metadata.uid for pod in await world.pods()}
            return not now & before and await ready()

        await world.until(replaced)

    run(scenario)


async def one_life(world: Cluster) -> None:
    """A change, and exactly one rollout of it."""
    await world.client.create(config("blue"))
    await world.client.create(asking(1))
    await world.until(world.complete)

    async def noted() -> bool:
        return SEEN in (await world.deployment()).metadata.annotations

    await world.until(noted)
    await world.client.update(config("red"))

    async def second() -> bool:
        return await revision(world) == "2" and await world.complete()

    await world.until(second)
    await asyncio.sleep(60)
    assert await revision(world) == "2"
    assert len(await world.sets()) == 2


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    fail_at_every_call(one_life, fault, parts=PARTS)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    """The note and the rollout are one write: a crash cannot come between."""
    crash_at_every_call(one_life, parts=PARTS)
