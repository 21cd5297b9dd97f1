"""Real containers that burn real cpu: measured by the agent, shown by the program, and scaled. And the program's words."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api import quantity
from api.informer import Informers
from api.recorder import Recorder
from control_plane.controllers import garbage
from control_plane.controllers.deployment import main as deployment
from control_plane.controllers.hpa import main as hpa
from control_plane.controllers.hpa.options import Options
from control_plane.controllers.replicaset import main as replicaset
from control_plane.scheduler import main as scheduler
from proto.v1.apps_pb2 import Deployment
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, NodeMetrics, PodMetrics
from tests.agent_node import BOX, RealNode, on_node
from tests.e2e.cli_runner import Answer, Cli, cluster
from tests.local_images import have_local_images
from tests.pki import kubeconfig


@asynccontextmanager
async def controllers(client: Any) -> Any:
    """Those that a Deployment needs, and an autoscaler that looks every second."""
    informers = Informers(client)
    recorder = Recorder(client, "test")
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(loop)
            for loop in (
                informers.run(),
                scheduler.run(client, recorder=recorder, informers=informers),
                garbage.run(client, informers, recorder),
                replicaset.run(client, informers, recorder),
                deployment.run(client, informers, recorder),
                hpa.run(client, informers, recorder, Options(sync=1.0)),
            )
        ]
        yield
        for task in running:
            task.cancel()


def burning() -> Deployment:
    """One pod that would take a whole core, may take a fifth of one, and requests half of that."""
    made = Deployment()
    made.metadata.name, made.metadata.namespace = "busy", "default"
    made.spec.selector.matchLabels["app"] = "busy"
    made.spec.template.metadata.labels["app"] = "busy"
    pod = made.spec.template.spec
    pod.terminationGracePeriodSeconds = 1
    container = pod.containers.add(name="loop", image=BOX)
    container.command.extend(["sh", "-c", "trap 'exit 143' TERM; while :; do :; done"])
    container.resources.requests.update({"cpu": "100m", "memory": "16Mi"})
    container.resources.limits.update({"cpu": "200m", "memory": "64Mi"})
    return made


def autoscaler() -> HorizontalPodAutoscaler:
    made = HorizontalPodAutoscaler()
    made.metadata.name, made.metadata.namespace = "busy", "default"
    target = made.spec.scaleTargetRef
    target.apiVersion, target.kind, target.name = "apps/v1", "Deployment", "busy"
    made.spec.maxReplicas = 2
    resource = made.spec.metrics.add(type="Resource").resource
    resource.name, resource.target.type = "cpu", "Utilization"
    resource.target.averageUtilization = 50
    return made


@pytest.mark.docker
@pytest.mark.root
def test_a_pod_that_burns_cpu_is_seen_and_scaled(tmp_path: Path) -> None:
    have_local_images()

    async def scenario(node: RealNode) -> None:
        async with controllers(node.client):
            await node.client.create(burning())
            cpu = await until_busy(node)
            assert 100 <= cpu <= 400, "the kernel lets it have 200 thousandths"
            [metrics] = (await node.client.list(PodMetrics)).items
            assert 0 < quantity.value(metrics.containers[0].usage["memory"]) < 64 * 1024 * 1024
            [machine] = (await node.client.list(NodeMetrics)).items
            assert quantity.millis(machine.usage["cpu"]) > 0
            assert quantity.value(machine.usage["memory"]) > 64 * 1024 * 1024
            await asyncio.to_thread(look_at_it, tmp_path, node.options.server)
            await node.client.create(autoscaler())
            await becomes(lambda: replicas(node), 2)
            await node.client.delete(Deployment, "busy", "default")
            await becomes(lambda: measured(node), 0)

    on_node(tmp_path / "node", scenario, metrics_period=2.0)


async def becomes(ask: Callable[[], Awaitable[int]], wanted: int) -> None:
    while await ask() != wanted:  # noqa: ASYNC110 (the server's to know)
        await asyncio.sleep(0.1)


async def replicas(node: RealNode) -> int:
    return (await node.client.get(Deployment, "busy", "default")).spec.replicas


async def measured(node: RealNode) -> int:
    return len((await node.client.list(PodMetrics)).items)


async def until_busy(node: RealNode) -> int:
    """What it uses, in thousandths of a core, as soon as that is plausible."""
    while True:
        for metrics in (await node.client.list(PodMetrics)).items:
            used = quantity.millis(metrics.containers[0].usage["cpu"])
            if used >= 100:
                return used
        await asyncio.sleep(0.1)


def look_at_it(folder: Path, server: str) -> None:
    cli, file = (
        Cli(folder / "nothing"),
        f"--kubeconfig={kubeconfig(folder / 'server.conf', server)}",
    )
    header, row = cli.ok("top", "pods", file).lines()
    assert header.split() == ["NAME", "CPU(cores)", "MEMORY(bytes)"]
    name, cpu, memory = row.split()
    assert name.startswith("busy-")
    assert 50 <= int(cpu.removesuffix("m")) <= 400
    assert memory.endswith("Mi")
    header, row = cli.ok("top", "pods", "--containers", "-A", file).lines()
    assert header.split() == ["NAMESPACE", "POD", "NAME", "CPU(cores)", "MEMORY(bytes)"]
    assert row.split()[0] == "default"
    assert row.split()[2] == "loop"
    header, row = cli.ok("top", "node", file).lines()
    assert header.split() == ["NAME", "CPU(cores)", "CPU(%)", "MEMORY(bytes)", "MEMORY(%)"]
    assert all(
        cell.endswith(sign)
        for cell, sign in zip(row.split()[1:], ("m", "%", "Mi", "%"), strict=True)
    )


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    with cluster(tmp_path_factory.mktemp("autoscaling"), "--hollow=2", "--node-name=n") as cli:
        cli.ok("create", "deployment", "web", "--image=helmling/hello:v1", "--replicas=2")
        yield cli


def until(attempt: Callable[[], Answer], holds: Callable[[Answer], bool]) -> Answer:
    """Asks until the answer is right; a minute is too long for anything here."""
    end = time.monotonic() + 60
    while True:
        answer = attempt()
        if holds(answer):
            return answer
        assert time.monotonic() < end, answer


def test_what_is_used(cli: Cli) -> None:
    answer = until(lambda: cli.run("top", "pods"), lambda answer: len(answer.lines()) == 3)
    assert [line.split()[1:] for line in answer.lines()[1:]] == [["0m", "0Mi"]] * 2
    names = [line.split()[0] for line in answer.lines()[1:]]
    assert cli.ok("top", "pod", names[0], "--no-headers").out.split() == [names[0], "0m", "0Mi"]
    assert cli.ok("top", "po", "-l", "app=web", "--sort-by=cpu").lines()[0] == answer.lines()[0]
    total = cli.ok("top", "pods", "--sum").lines()
    assert total[-2].split() == ["________", "________"]
    assert total[-1].split() == ["0m", "0Mi"]
    nodes = until(
        lambda: cli.run("top", "nodes"),
        lambda answer: "unknown" not in answer.out + answer.err and answer.code == 0,
    )
    assert nodes.lines()[1].split() == ["n-1", "0m", "0%", "0Mi", "0%"]
    assert len(cli.ok("top", "nodes", "n-2").lines()) == 2
    assert "default" in cli.ok("get", "pods.metrics.k8s.io", "-A").out
    assert "pods.metrics.k8s.io" in cli.ok("api-resources", "-o", "name").out
    assert cli.ok("get", "pods", "-o", "name").out.startswith("pod/")


def test_what_is_not_there_is_said(cli: Cli) -> None:
    assert 'pods "nobody" not found' in cli.fails("top", "pod", "nobody")
    assert "No resources found in empty namespace." in cli.run("top", "pods", "-n", "empty").err
    assert "--sort-by accepts only cpu or memory" in cli.fails("top", "pods", "--sort-by=name")
    assert "top what? One of:" in cli.fails("top")
    assert "unknown flag: --containers" in cli.fails("top", "nodes", "--containers")
    said = cli.fails("delete", "pods.metrics.k8s.io", "--all")
    assert "is not supported on pods.metrics.k8s.io" in said or "not found" in said


def test_an_autoscaler_from_a_line(cli: Cli) -> None:
    made = cli.ok(
        "autoscale", "deployment", "web", "--min=2", "--max=5", "--cpu=70%", "--memory=200"
    )
    assert made.out == "horizontalpodautoscaler.autoscaling/web autoscaled\n"
    header, row = cli.ok("get", "hpa").lines()
    columns = ["NAME", "REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"]
    assert header.split() == columns
    assert "Deployment/web" in row
    assert "cpu: <unknown>/70%, memory: " in row
    told = cli.ok("describe", "hpa", "web").out
    assert "resource cpu on pods  (as a percentage of request):" in told
    assert "Min replicas:" in told
    seen = until(
        lambda: cli.run("describe", "hpa", "web"),
        lambda answer: "FailedGetResourceMetric" in answer.out,
    )
    assert "AbleToScale" in seen.out
    assert cli.fails("autoscale", "deployment", "web", "--max=5").count("already exists") == 1
    cli.ok("delete", "hpa", "web")


def test_a_manifest_of_an_autoscaler(cli: Cli) -> None:
    words = ("autoscale", "rs", "-l", "app=web", "--max=3", "--name=other", "--cpu-percent=60")
    made = cli.ok(*words, "--dry-run=client", "-o", "json").json()
    assert made["apiVersion"] == "autoscaling/v2"
    assert made["metadata"]["name"] == "other"
    assert made["spec"]["scaleTargetRef"]["kind"] == "ReplicaSet"
    [metric] = made["spec"]["metrics"]
    assert metric["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    by_default = cli.ok(
        "autoscale", "deploy/web", "--max=3", "--dry-run=server", "-o", "json"
    ).json()
    [metric] = by_default["spec"]["metrics"]
    assert metric["resource"]["target"]["averageUtilization"] == 80
    assert by_default["spec"]["minReplicas"] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("deploy/web",), "--max=MAXPODS is required"),
        (("deploy/web", "--max=2", "--min=3"), "must be larger or equal to --min=MINPODS"),
        (("deploy/web", "--max=2", "--cpu=0%"), "a percentage is a whole number of at least 1"),
        (("deploy/web", "--max=2", "--memory=much"), "give a percentage (70%), or"),
        (("namespace/default", "--max=2"), "cannot autoscale a namespace"),
        (("deploy/web", "--max=2", "--cpu=1", "--cpu-percent=5"), "give one of them"),
    ],
)  # fmt: skip
def test_what_cannot_be_autoscaled(cli: Cli, words: tuple[str, ...], said: str) -> None:
    assert said in cli.fails("autoscale", *words)


def test_metrics_of_other_kinds_are_refused_by_name(cli: Cli) -> None:
    text = """apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: x}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
  minReplicas: 4
  maxReplicas: 3
  metrics:
  - type: External
    external: {metric: {name: queue}, target: {type: Value, value: 3}}
"""
    said = cli.fails("apply", "-f", "-", stdin=text)
    assert (
        "spec.metrics[0].external: unknown field: Kubernetes has it, but it is not supported here"
        in said
    )
    assert 'spec.metrics[0].type: Unsupported value: "External"' in said
    assert (
        "spec.maxReplicas: Invalid value: 3: must be greater than or equal to `minReplicas`" in said
    )
