"""ReplicaSets in a whole cluster: the number of pods is kept, whatever happens."""

import asyncio
from collections.abc import Sequence
from typing import Any

from api.client import Client, Delete, Write
from api.errors import Forbidden
from proto.v1.apps_pb2 import ReplicaSet
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from tests.cluster.whole import Cluster, replicaset, run


def test_it_scales_up_and_down() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(3))
        await world.until(lambda: world.ready(3))
        await world.change({"replicas": 7}, ReplicaSet)
        await world.until(lambda: world.ready(7))
        await world.change({"replicas": 2}, ReplicaSet)
        await world.until(lambda: world.ready(2))
        said = await world.said("web")
        assert sum(reason == "SuccessfulCreate" for reason, _ in said) == 7
        assert sum(reason == "SuccessfulDelete" for reason, _ in said) == 5
        assert all(
            message.startswith(("Created pod: web-", "Deleted pod: web-")) for _, message in said
        )
        status = (await world.client.get(ReplicaSet, "web", "default")).status
        assert (status.replicas, status.readyReplicas, status.availableReplicas) == (2, 2, 2)
        assert status.observedGeneration == 3

    run(scenario)


def test_a_pod_that_goes_is_replaced() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(3))
        await world.until(lambda: world.ready(3))
        first, *rest = {pod.metadata.name for pod in await world.pods()}
        await world.client.delete(Pod, first, "default", Delete(grace=0))
        await world.until(lambda: world.ready(3))
        names = {pod.metadata.name for pod in await world.pods()}
        assert names > set(rest)
        assert first not in names

    run(scenario)


def test_it_adopts_what_matches_and_releases_what_does_not() -> None:
    """S#22"""

    async def scenario(world: Cluster) -> None:
        meta = ObjectMeta(name="stray", namespace="default", labels={"app": "web"})
        spec = PodSpec(containers=[Container(name="app", image="registry.test/app:1")])
        await world.client.create(Pod(metadata=meta, spec=spec))
        await world.client.create(replicaset(2))
        await world.until(lambda: world.ready(2))
        stray = await world.client.get(Pod, "stray", "default")
        assert [owner.kind for owner in stray.metadata.ownerReferences] == ["ReplicaSet"]
        patch = {"metadata": {"labels": {"app": "other"}}}
        await world.client.patch(Pod, "stray", "default", patch)
        await world.until(lambda: world.ready(3))  # one more was made
        stray = await world.client.get(Pod, "stray", "default")
        assert not stray.metadata.ownerReferences

    run(scenario)


def test_pods_become_available_when_they_have_been_ready_long_enough() -> None:
    async def available(client: Client) -> int:
        return int((await client.get(ReplicaSet, "web", "default")).status.availableReplicas)

    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(2, minReadySeconds=60))
        await world.until(lambda: world.ready(2))
        await asyncio.sleep(50)
        assert await available(world.client) == 0
        await asyncio.sleep(12)
        assert await available(world.client) == 2

    run(scenario)


class NoMorePods:
    """A client through which pods cannot be created, as if a quota were used up."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.asked: list[int] = []  # pods asked for in one call

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def batch(self, writes: Sequence[Write[Any]]) -> Sequence[Any]:
        if not any(isinstance(write.object, Pod) for write in writes):
            return await self._client.batch(writes)
        self.asked.append(len(writes))
        return [Forbidden("the quota is used up") for _ in writes]


def test_pods_that_are_refused_are_tried_one_at_a_time() -> None:
    """Slow start: a refusal ends the round; the condition and an event say why; it goes on when it can."""
    refusing: list[NoMorePods] = []

    def wrap(client: Client) -> Any:
        refusing.append(NoMorePods(client))
        return refusing[0]

    async def failure(world: Cluster) -> Any:
        found = await world.client.get(ReplicaSet, "web", "default")
        return next((c for c in found.status.conditions if c.type == "ReplicaFailure"), None)

    async def scenario(world: Cluster) -> None:
        await world.client.create(replicaset(50))
        await world.until(lambda: failure(world))
        condition = await failure(world)
        assert (condition.status, condition.reason) == ("True", "FailedCreate")
        assert condition.message == "the quota is used up"
        assert not await world.pods()
        assert set(refusing[0].asked) == {1}
        assert ("FailedCreate", "Error creating: the quota is used up") in await world.said("web")
        refusing[0].batch = refusing[0]._client.batch  # type: ignore[method-assign, assignment]
        await world.until(lambda: world.ready(50))
        assert await failure(world) is None

    run(scenario, wrap=wrap)
