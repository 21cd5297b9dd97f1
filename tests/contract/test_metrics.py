"""What every client promises about metrics: reported by agents, read by everybody, written by nobody else."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from api import clock
from api.client import Selection
from api.errors import BadRequest, Forbidden, MethodNotAllowed, NotFound
from api.informer import Informers
from control_plane.apiserver.identity import AUTHENTICATED, CALLER, NODES, User
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import MetricsReport, NodeMetrics, PodMetrics
from tests.apiserver import World, pod, run_scenario

Run = Callable[[Any], None]


@pytest.fixture(params=["local", "grpc"])
def run(request: pytest.FixtureRequest) -> Run:
    return lambda scenario: run_scenario("memory://", request.param == "grpc", scenario)


def report(node: str = "n1", *pods: str, app: str = "web") -> MetricsReport:
    made = MetricsReport(node=node)
    made.machine.metadata.name = node
    made.machine.usage["cpu"] = "250m"
    for name in pods:
        metrics = made.pods.add(window="15s")
        metrics.metadata.CopyFrom(ObjectMeta(name=name, namespace="default", labels={"app": app}))
        metrics.containers.add(name="app", usage={"cpu": "1234567n", "memory": "2Mi"})
    return made


async def names(world: World, **which: str) -> list[str]:
    return [
        m.metadata.name for m in (await world.client.list(PodMetrics, Selection(**which))).items
    ]


def test_what_was_reported_is_read(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.report_metrics([report("n1", "b", "a"), report("n2", "c", app="db")])
        assert await names(world) == ["a", "b", "c"]
        assert await names(world, labels="app=db") == ["c"]
        assert await names(world, fields="metadata.name=b") == ["b"]
        assert await names(world, namespace="other") == []
        found = await world.client.get(PodMetrics, "a", "default")
        assert (found.apiVersion, found.kind) == ("metrics.k8s.io/v1beta1", "PodMetrics")
        assert found.containers[0].usage["cpu"] == "1234567n"
        assert (await world.client.get(NodeMetrics, "n2")).usage["cpu"] == "250m"
        with pytest.raises(NotFound, match=r'pods\.metrics\.k8s\.io "x" not found'):
            await world.client.get(PodMetrics, "x", "default")

    run(scenario)


def test_a_report_replaces_that_of_its_node_and_no_other(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.report_metrics([report("n1", "a", "b"), report("n2", "c")])
        await world.client.report_metrics([report("n1", "b")])
        assert await names(world) == ["b", "c"]

    run(scenario)


def test_what_is_old_is_as_good_as_missing(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.report_metrics([report("n1", "a")])
        moment = clock.now()
        try:
            clock.use(lambda: moment + timedelta(seconds=59))
            assert await names(world) == ["a"]
            clock.use(lambda: moment + timedelta(seconds=61))
            assert await names(world) == []
            with pytest.raises(NotFound):
                await world.client.get(NodeMetrics, "n1")
        finally:
            clock.use(None)

    run(scenario)


def test_nobody_writes_or_watches_them(run: Run) -> None:
    async def scenario(world: World) -> None:
        await world.client.report_metrics([report("n1", "a")])
        found = await world.client.get(PodMetrics, "a", "default")
        told = "is not supported on pods.metrics.k8s.io"
        with pytest.raises(MethodNotAllowed, match=f"create {told}"):
            await world.client.create(found)
        with pytest.raises(MethodNotAllowed, match=f"update {told}"):
            await world.client.update(found)
        with pytest.raises(MethodNotAllowed, match=f"update {told}"):
            await world.client.patch(PodMetrics, "a", "default", {"window": "1s"})
        with pytest.raises(MethodNotAllowed, match=f"delete {told}"):
            await world.client.delete(PodMetrics, "a", "default")
        with pytest.raises(MethodNotAllowed, match=f"watch {told}"):
            async for _ in world.client.watch(PodMetrics, version="0"):
                pass
        assert await names(world) == ["a"]

    run(scenario)


def test_they_are_not_in_the_way_of_pods(run: Run) -> None:
    """They share the plural."""

    async def scenario(world: World) -> None:
        await world.client.report_metrics([report("n1", "web")])
        await world.client.create(pod())
        assert isinstance(await world.client.get(Pod, "web", "default"), Pod)
        assert [each.kind for each in (await world.client.list(Pod)).items] == ["Pod"]
        assert Informers(world.client).of(Pod).kind is Pod

    run(scenario)


def test_a_report_must_be_about_its_node(run: Run) -> None:
    async def scenario(world: World) -> None:
        wrong = report("n1")
        wrong.node = "n2"
        with pytest.raises(BadRequest, match="node n2 has reported the use of node 'n1'"):
            await world.client.report_metrics([wrong])
        with pytest.raises(BadRequest, match="must name its node"):
            await world.client.report_metrics([MetricsReport()])

    run(scenario)


def test_a_node_reports_for_itself_only() -> None:
    async def scenario(world: World) -> None:
        CALLER.set(User("system:node:n1", (NODES, AUTHENTICATED)))
        await world.client.report_metrics([report("n1", "a")])
        with pytest.raises(
            Forbidden, match='"system:node:n1" cannot report the metrics of node n2'
        ):
            await world.client.report_metrics([report("n2", "b")])
        assert await names(world) == ["a"]

    run_scenario("memory://", False, scenario)
