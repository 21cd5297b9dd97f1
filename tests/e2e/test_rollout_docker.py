"""A rollout of ten real pods under the eyes of three: a client, a sampler, and a user at the command line.

The client watches the pods, as a load balancer does, and sends requests to those that are ready and were not told to
end: not one of them may fail. The sampler asks the server every 50 ms how many pods there are. Pods wait two seconds
before they end, as they do in real clusters: that is how long the client may take to hear of it.
"""

import asyncio
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from api.client import Selection
from api.grpc_client import GrpcClient, connect
from api.informer import Informer
from cli.kubeconfig import of_file
from node_agent.images import ensure
from node_agent.images.recipes import PAUSE, hello
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.pod_pb2 import Pod
from tests.agent_node import is_ready
from tests.e2e.cli_runner import Cli, cluster

pytestmark = [pytest.mark.docker, pytest.mark.root]
REPLICAS, MOST, FEWEST = 10, 13, 8  # 25 % of 10: 3 too many, 2 too few
BAD = "helmling/nowhere:v9"
SAMPLE_EVERY, REQUEST_EVERY = 0.05, 0.01  # seconds
OURS = Selection(namespace="default", labels="app=web")
DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 10
  selector: {matchLabels: {app: web}}
  strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 10
      containers:
      - name: hello
        image: helmling/hello:v1
        readinessProbe: {httpGet: {path: /healthz, port: 80}, periodSeconds: 1}
        lifecycle: {preStop: {sleep: {seconds: 2}}}
"""


@dataclass
class Traffic:
    """What the client was answered, and what it should not have been."""

    versions: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    async def flow(self, pods: Informer[Pod]) -> None:
        while True:
            ready = [pod for pod in pods.objects.values() if is_there(pod) and is_ready(pod)]
            if ready:
                await self._call(random.choice(ready))
            await asyncio.sleep(REQUEST_EVERY)

    async def _call(self, pod: Pod) -> None:
        try:
            self.versions[await get_version(pod.status.podIP)] += 1
        except (OSError, EOFError) as error:
            self.failures.append(f"{pod.metadata.name}: {error!r}")


async def get_version(address: str) -> str:
    """Raises OSError: no connection, or one that broke; EOFError: half an answer."""
    reader, writer = await asyncio.open_connection(address, 80)
    with closing(writer):
        writer.write(b"GET /version HTTP/1.0\r\n\r\n")
        answer = (await reader.read()).decode()
    if not (found := re.fullmatch(r"HTTP/1.1 200 OK\r\n.*\r\n\r\n(v\d)\n", answer, re.DOTALL)):
        raise EOFError(answer)
    return found.group(1)


def is_there(pod: Pod) -> bool:
    return not pod.metadata.HasField("deletionTimestamp")


@dataclass
class Samples:
    """How many pods there were, how many of them served."""

    taken: list[tuple[int, int]] = field(default_factory=list)

    async def take(self, client: GrpcClient) -> None:
        while True:
            there = [pod for pod in (await client.list(Pod, OURS)).items if is_there(pod)]
            self.taken.append((len(there), sum(map(is_ready, there))))
            await asyncio.sleep(SAMPLE_EVERY)

    def outside(self) -> list[tuple[int, int]]:
        return [each for each in self.taken if each[0] > MOST or each[1] < FEWEST]


@dataclass
class World:
    cli: Cli
    client: GrpcClient
    traffic: Traffic
    samples: Samples

    async def ok(self, *words: str) -> str:
        return (await asyncio.to_thread(self.cli.ok, *words)).out

    async def fails(self, *words: str) -> str:
        return await asyncio.to_thread(self.cli.fails, *words)

    async def until(self, holds: Callable[[list[Pod]], bool]) -> list[Pod]:
        """The pods that are not told to end, as soon as this is true of them."""
        while True:
            there = [pod for pod in (await self.client.list(Pod, OURS)).items if is_there(pod)]
            if holds(there):
                return there
            await asyncio.sleep(SAMPLE_EVERY)

    async def sizes(self) -> list[int]:
        """Of the ReplicaSets that are not empty."""
        found = (await self.client.list(ReplicaSet, OURS)).items
        return sorted(rs.spec.replicas for rs in found if rs.spec.replicas)


@asynccontextmanager
async def watched(cli: Cli) -> AsyncIterator[World]:
    """A world whose client and sampler are at work."""
    target = of_file(str(cli.data_dir / "admin.conf"))
    client = connect(target.address, target.identity)
    traffic, samples, pods = Traffic(), Samples(), Informer(client, Pod, OURS)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(pods.run()),
                tasks.create_task(samples.take(client)),
                *(tasks.create_task(traffic.flow(pods)) for _ in range(3)),
            ]
            yield World(cli, client, traffic, samples)
            for task in running:
                task.cancel()
    finally:
        await client.close()


def test_ten_pods_change_their_version_and_nobody_notices(tmp_path: Path) -> None:
    with closing(docker.from_env(version="auto")) as engine:
        for recipe in (PAUSE, hello("v1"), hello("v2")):
            ensure(engine, recipe)
    with cluster(tmp_path / "c", "--node-name=real") as cli:
        cli.ok("apply", "-f", "-", stdin=DEPLOYMENT)
        cli.ok("rollout", "status", "deploy/web", "--timeout=50s")
        asyncio.run(_story(cli))


async def _story(cli: Cli) -> None:
    async with asyncio.timeout(120), watched(cli) as world:
        await _new_version(world)
        await _bad_version(world)
        await _back(world)
    traffic, samples = world.traffic, world.samples
    assert samples.outside() == []
    assert max(there for there, _ in samples.taken) > REPLICAS, "the surplus was never used"
    assert traffic.failures == []
    assert set(traffic.versions) == {"v1", "v2"}


async def _new_version(world: World) -> None:
    await world.ok("set", "image", "deploy/web", "hello=helmling/hello:v2")
    said = await world.ok("rollout", "status", "deploy/web", "--timeout=50s")
    assert said.endswith('deployment "web" successfully rolled out\n')
    pods = await world.until(lambda pods: len(pods) == REPLICAS)
    assert {pod.spec.containers[0].image for pod in pods} == {"helmling/hello:v2"}


async def _bad_version(world: World) -> None:
    """It sticks at eight and five, and after the deadline everybody is told."""
    await world.ok("patch", "deploy", "web", "-p", "spec: {progressDeadlineSeconds: 6}")
    await world.ok("set", "image", "deploy/web", f"hello={BAD}")
    said = await world.fails("rollout", "status", "deploy/web", "--timeout=2s")
    assert said == "error: timed out waiting for the condition\n"
    said = await world.fails("rollout", "status", "deploy/web", "--timeout=50s")
    assert said == 'error: deployment "web" exceeded its progress deadline\n'
    pods = await world.until(lambda pods: Counter(map(trouble, pods)) == {"": 8, "image": 5})
    assert all(map(is_ready, [pod for pod in pods if not trouble(pod)]))
    assert await world.sizes() == [5, 8]
    status = (await world.client.get(Deployment, "web", "default")).status
    assert (status.replicas, status.updatedReplicas, status.availableReplicas) == (13, 5, 8)


def trouble(pod: Pod) -> str:
    """Of a pod whose image cannot be had."""
    states: list[Any] = [status.state for status in pod.status.containerStatuses]
    waits = any(s.waiting.reason in ("ErrImagePull", "ImagePullBackOff") for s in states)
    return "image" if waits else ""


async def _back(world: World) -> None:
    await world.ok("patch", "deploy", "web", "-p", "spec: {progressDeadlineSeconds: 600}")
    assert await world.ok("rollout", "undo", "deploy/web") == "deployment.apps/web rolled back\n"
    await world.ok("rollout", "status", "deploy/web", "--timeout=50s")
    pods = await world.until(lambda pods: len(pods) == REPLICAS)
    assert {pod.spec.containers[0].image for pod in pods} == {"helmling/hello:v2"}
    assert await world.sizes() == [REPLICAS]
