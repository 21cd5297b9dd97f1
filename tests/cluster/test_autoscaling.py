"""Autoscalers in a whole cluster: hollow nodes whose pods use what the test says, real measuring, real decisions."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from api import clock, measures
from api.client import Selection
from node_agent.runtime.hollow import HollowRuntime, Load
from node_agent.runtime.model import ContainerSpec
from proto.v1.apps_pb2 import Deployment
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, NodeMetrics, PodMetrics
from tests.cluster.whole import Cluster, deployment, run

MIB = 1024 * 1024
STABLE = 300  # seconds


class Traffic:
    """A load on the application that its running containers share."""

    def __init__(self, cores: float = 0.0) -> None:
        self.cores = cores
        self._runtimes: dict[
            str, HollowRuntime
        ] = {}  # by node; that of a node that is made anew is another

    def runtime(self, name: str) -> HollowRuntime:
        self._runtimes[name] = made = HollowRuntime(load=self.share)
        return made

    def share(self, spec: ContainerSpec) -> Load:
        running = [
            status
            for runtime in self._runtimes.values()
            for status in runtime._containers.values()
            if status.state == "running" and status.name == "app"
        ]
        return Load(self.cores / max(1, len(running)), 64 * MIB)


def web(replicas: int, cpu: str = "1") -> Deployment:
    made = deployment(replicas)
    made.spec.template.spec.containers[0].resources.requests["cpu"] = cpu
    return made


def autoscaler(most: int = 10, fewest: int = 1, percent: int = 50) -> HorizontalPodAutoscaler:
    made = HorizontalPodAutoscaler()
    made.metadata.name, made.metadata.namespace = "web", "default"
    target = made.spec.scaleTargetRef
    target.apiVersion, target.kind, target.name = "apps/v1", "Deployment", "web"
    made.spec.minReplicas, made.spec.maxReplicas = fewest, most
    resource = made.spec.metrics.add(type="Resource").resource
    resource.name, resource.target.type = "cpu", "Utilization"
    resource.target.averageUtilization = percent
    return made


async def current(world: Cluster) -> HorizontalPodAutoscaler:
    return await world.client.get(HorizontalPodAutoscaler, "web", "default")


def condition(hpa: HorizontalPodAutoscaler, type: str) -> tuple[str, str]:
    return next(((c.status, c.reason) for c in hpa.status.conditions if c.type == type), ("", ""))


async def size(world: Cluster) -> int:
    return (await world.deployment()).spec.replicas


def until_size(world: Cluster, wanted: int) -> Any:
    async def there() -> bool:
        return await size(world) == wanted

    return world.until(there)


def test_what_pods_and_nodes_use_can_be_read() -> None:
    traffic = Traffic(0.5)

    async def scenario(world: Cluster) -> None:
        await world.client.create(web(2))
        await world.until(lambda: world.ready(2))

        async def measured() -> bool:
            return len((await world.client.list(PodMetrics)).items) == 2

        await world.until(measured)
        for metrics in (await world.client.list(PodMetrics, Selection(labels="app=web"))).items:
            [container] = metrics.containers
            assert container.name == "app"
            assert dict(container.usage) == {"cpu": "250m", "memory": "64Mi"}
            assert 10 <= measures.window_seconds(metrics.window) <= 16
        nodes = (await world.client.list(NodeMetrics)).items
        assert sum(node.usage["memory"] == "64Mi" for node in nodes) == 2
        [pod, _] = await world.pods()
        one = await world.client.get(PodMetrics, pod.metadata.name, "default")
        assert one.metadata.labels["app"] == "web"

    run(scenario, nodes=2, runtime=traffic.runtime)


def test_a_load_comes_and_goes() -> None:
    """Up in a few looks at the rate of a doubling, down only when the window is over; and nobody in between."""
    traffic = Traffic(0.4)

    async def scenario(world: Cluster) -> None:
        now = asyncio.get_running_loop().time
        await world.client.create(web(1))
        await world.client.create(autoscaler())

        async def active() -> bool:
            return condition(await current(world), "ScalingActive") == ("True", "ValidMetricFound")

        await world.until(active)
        assert await size(world) == 1
        traffic.cores = 3.0  # six pods at 50 % of a core
        await until_size(world, 4)  # at most doubled, or four
        await until_size(world, 6)
        await world.until(lambda: world.ready(6))
        calm = now()
        traffic.cores = 0.4
        await until_size(world, 1)
        assert now() - calm >= STABLE
        hpa = await current(world)
        assert hpa.status.desiredReplicas == 1
        assert hpa.status.lastScaleTime.seconds
        said = [
            message for reason, message in await world.said("web") if reason == "SuccessfulRescale"
        ]
        above = "cpu resource utilization (percentage of request) above target"
        assert said[:2] == [f"New size: 4; reason: {above}", f"New size: 6; reason: {above}"]
        # The first look after the calm has seen some of the load still, and what it said holds as long.
        assert {text.partition("; ")[2] for text in said[2:]} == {
            "reason: All metrics below target"
        }
        assert said[-1].startswith("New size: 1;")

    run(scenario, nodes=2, runtime=traffic.runtime)


def test_it_says_what_holds_it_back() -> None:
    traffic = Traffic(3.0)

    async def scenario(world: Cluster) -> None:
        await world.client.create(web(2))
        await world.client.create(autoscaler(most=3))
        await until_size(world, 3)

        async def limited() -> bool:
            return condition(await current(world), "ScalingLimited") == ("True", "TooManyReplicas")

        await world.until(limited)
        traffic.cores = 0.1

        async def held() -> bool:
            told = condition(await current(world), "AbleToScale")
            return told == ("True", "ScaleDownStabilized")

        await world.until(held)
        assert await size(world) == 3

    run(scenario, nodes=1, runtime=traffic.runtime)


def test_nothing_is_scaled_by_what_is_not_known() -> None:
    """No request to have a percentage of; nothing to scale; a target at zero. Each is said, none is acted on."""
    traffic = Traffic(3.0)

    async def scenario(world: Cluster) -> None:
        await world.client.create(autoscaler())

        async def able(reason: str) -> bool:
            return condition(await current(world), "AbleToScale")[1] == reason

        async def active(reason: str) -> bool:
            return condition(await current(world), "ScalingActive")[1] == reason

        await world.until(lambda: able("FailedGetScale"))
        await world.client.create(deployment(2))
        await world.until(lambda: world.ready(2))
        await asyncio.sleep(120)
        assert await active("FailedGetResourceMetric")
        message = next(
            c.message for c in (await current(world)).status.conditions if c.type == "ScalingActive"
        )
        assert "missing request for cpu in container app of Pod web-" in message
        assert await size(world) == 2
        await world.change({"replicas": 0})
        await world.until(lambda: active("ScalingDisabled"))
        assert await size(world) == 0
        reasons = {reason for reason, _ in await world.said("web")}
        assert {
            "FailedGetScale",
            "FailedGetResourceMetric",
            "FailedComputeMetricsReplicas",
        } <= reasons

    run(scenario, nodes=1, runtime=traffic.runtime)


def test_two_autoscalers_of_the_same_pods_do_nothing() -> None:
    traffic = Traffic(3.0)

    async def scenario(world: Cluster) -> None:
        await world.client.create(web(2))
        other = autoscaler()
        other.metadata.name = "web2"
        await world.client.create(autoscaler())
        await world.client.create(other)

        async def ambiguous() -> bool:
            return condition(await current(world), "ScalingActive")[1] == "AmbiguousSelector"

        await world.until(ambiguous)
        assert await size(world) == 2
        await world.client.delete(HorizontalPodAutoscaler, "web2", "default")
        await until_size(world, 4)

    run(scenario, nodes=1, runtime=traffic.runtime)


def test_the_target_is_brought_within_the_bounds_without_any_metric() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(web(1))
        await world.client.create(autoscaler(fewest=3, most=5))
        await until_size(world, 3)
        await world.change({"replicas": 9})
        await until_size(world, 5)

    run(scenario, nodes=1)


def test_policies_bound_the_speed() -> None:
    """One pod in a minute, however high the load; and never down."""
    traffic = Traffic(5.0)

    async def scenario(world: Cluster) -> None:
        now = asyncio.get_running_loop().time
        slow = autoscaler()
        slow.spec.behavior.scaleUp.policies.add(type="Pods", value=1, periodSeconds=60)
        slow.spec.behavior.scaleDown.selectPolicy = "Disabled"
        await world.client.create(web(1))
        await world.client.create(slow)
        times = []
        for wanted in (2, 3, 4):
            await until_size(world, wanted)
            times.append(now())
        assert all(late - early >= 59 for early, late in itertools.pairwise(times))
        traffic.cores = 0.1
        await asyncio.sleep(1200)
        assert await size(world) >= 4
        assert condition(await current(world), "ScalingLimited") == ("True", "ScaleDownLimit")

    run(scenario, nodes=1, runtime=traffic.runtime)


def test_metrics_of_a_node_that_has_gone_silent_are_forgotten() -> None:
    async def scenario(world: Cluster) -> None:
        await world.client.create(web(1))

        async def measured(count: int) -> bool:
            return len((await world.client.list(PodMetrics)).items) == count

        await world.until(lambda: measured(1))
        [metrics] = (await world.client.list(PodMetrics)).items
        world.silence()
        await world.until(lambda: measured(0))
        silent = clock.now() - clock.to_datetime(metrics.timestamp)
        assert timedelta(seconds=55) < silent < timedelta(seconds=90)

    run(scenario, nodes=1, runtime=Traffic(0.1).runtime)
