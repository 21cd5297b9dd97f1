"""PodDisruptionBudgets in a whole cluster: counts that follow the pods, evictions that hold the line (S#101)."""

import asyncio
from typing import Any

import pytest

from api import conditions
from api.client import Delete
from api.errors import Internal, TooManyRequests
from proto.v1.apps_pb2 import Deployment
from proto.v1.batch_pb2 import Job
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget
from tests.apiserver import pod
from tests.cluster.whole import Cluster, deployment, run


def budget(name: str = "web", **spec: Any) -> PodDisruptionBudget:
    made = PodDisruptionBudget()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.selector.matchLabels["app"] = "web"
    for field, value in spec.items():
        if isinstance(value, int):
            getattr(made.spec, field).number_value = value
        else:
            getattr(made.spec, field).string_value = value
    return made


async def seen(world: Cluster, name: str = "web") -> PodDisruptionBudget:
    return await world.client.get(PodDisruptionBudget, name, "default")


async def counts(world: Cluster) -> tuple[int, int, int, int]:
    """Allowed, current, desired, expected."""
    status = (await seen(world)).status
    return (
        status.disruptionsAllowed,
        status.currentHealthy,
        status.desiredHealthy,
        status.expectedPods,
    )


async def shows(world: Cluster, *expected: int) -> bool:
    return await counts(world) == expected


def test_a_budget_follows_its_pods() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(budget(maxUnavailable="30%"))
        await world.until(lambda: no_pods(world))
        await world.client.create(deployment(4))
        await world.until(lambda: shows(world, 2, 4, 2, 4))
        await world.change({"replicas": 10})
        await world.until(lambda: shows(world, 3, 10, 7, 10))
        await world.client.patch(
            PodDisruptionBudget,
            "web",
            "default",
            {"spec": {"maxUnavailable": None, "minAvailable": 9}},
            patch_type="merge",
        )
        await world.until(lambda: shows(world, 1, 10, 9, 10))
        found = await seen(world)
        assert found.status.observedGeneration == found.metadata.generation == 2
        assert conditions.holds(found.status.conditions, "DisruptionAllowed")

    async def no_pods(world: Cluster) -> bool:
        return ("NoPods", "No matching pods found") in await world.said("web")

    run(scenario)


def test_evictions_are_granted_one_by_one_as_others_become_ready() -> None:
    """However fast one asks, there are never fewer than two ready."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(3))
        await world.client.create(budget(minAvailable=2))
        await world.until(lambda: shows(world, 1, 3, 2, 3))
        old = [each.metadata.name for each in await world.pods()]
        refused = 0
        for name in old:
            while True:
                ready = sum(
                    conditions.holds(each.status.conditions, "Ready") for each in await world.pods()
                )
                assert ready >= 2
                try:
                    await world.client.evict("default", name)
                    break
                except TooManyRequests:
                    refused += 1
                    await asyncio.sleep(0.05)
        assert refused > 0
        await world.until(lambda: shows(world, 1, 3, 2, 3))
        assert not {each.metadata.name for each in await world.pods()} & set(old)

    run(scenario)


def test_two_budgets_for_a_pod_are_refused() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(1))
        await world.client.create(budget("one", maxUnavailable=1))
        await world.client.create(budget("two", maxUnavailable=1))
        await world.until(lambda: world.ready(1))
        [only] = await world.pods()
        with pytest.raises(Internal, match="more than one PodDisruptionBudget"):
            await world.client.evict("default", only.metadata.name)

    run(scenario)


def test_a_grant_whose_pod_stays_is_given_back_after_two_minutes() -> None:
    """As if the server had crashed between the grant and the delete."""

    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(2))
        await world.client.create(budget(minAvailable=1))
        await world.until(lambda: shows(world, 1, 2, 1, 2))
        [first, _] = await world.pods()
        granted = await seen(world)
        granted.status.disruptionsAllowed = 0
        loop = asyncio.get_running_loop()
        granted.status.disruptedPods[first.metadata.name].CopyFrom(first.metadata.creationTimestamp)
        begun = loop.time()
        await world.client.update(granted, subresource="status")
        await world.until(lambda: shows(world, 0, 1, 1, 2))
        await world.until(lambda: shows(world, 1, 2, 1, 2))
        assert 90 < loop.time() - begun <= 121
        assert not (await seen(world)).status.disruptedPods
        assert "NotDeleted" in {reason for reason, _ in await world.said(first.metadata.name)}

    run(scenario)


def test_a_budget_over_a_job_says_why_it_allows_nothing() -> None:
    async def scenario(world: Cluster) -> None:
        job = Job()
        job.metadata.name, job.metadata.namespace = "web", "default"
        job.spec.template.metadata.labels["app"] = "web"
        job.spec.template.spec.restartPolicy = "Never"
        job.spec.template.spec.containers.add(name="app", image="registry.test/app:1")
        await world.client.create(job)
        await world.client.create(budget(maxUnavailable=1))
        await world.until(lambda: failed(world))
        [one] = await world.pods()
        with pytest.raises(TooManyRequests) as refused:
            await world.client.evict("default", one.metadata.name)
        assert "because it failed sync: jobs.batch does not" in refused.value.causes[0].message

    async def failed(world: Cluster) -> bool:
        said = conditions.find((await seen(world)).status.conditions, "DisruptionAllowed")
        [*pods] = await world.pods()
        ready = bool(pods) and conditions.holds(pods[0].status.conditions, "Ready")
        return said is not None and said.reason == "SyncFailed" and ready

    run(scenario)


def test_a_pod_that_is_said_to_go_and_stays_is_believed_in_again() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(pod("bare"))
        await world.until(lambda: world.ready(1))
        made = await world.client.get(Pod, "bare", "default")
        made.status.conditions.add(
            type="DisruptionTarget", status="True", reason="PreemptionByScheduler"
        )
        made.status.conditions[-1].lastTransitionTime.CopyFrom(made.metadata.creationTimestamp)
        await world.client.update(made, subresource="status")
        begun = asyncio.get_running_loop().time()
        await world.until(lambda: spared(world))
        assert asyncio.get_running_loop().time() - begun > 60

    async def spared(world: Cluster) -> bool:
        found = await world.client.get(Pod, "bare", "default")
        said = conditions.find(found.status.conditions, "DisruptionTarget")
        return said is not None and said.status == "False"

    run(scenario)


def test_a_dry_run_asks_and_takes_nothing() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(deployment(1))
        await world.client.create(budget(minAvailable=1))
        await world.until(lambda: shows(world, 0, 1, 1, 1))
        [only] = await world.pods()
        with pytest.raises(TooManyRequests):
            await world.client.evict("default", only.metadata.name, Delete(dry_run=True))
        await world.client.delete(Deployment, "web", "default")

    run(scenario)
