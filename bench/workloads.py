"""How long 500 pods take: created with their Deployment, by `scale`, and changed by a rollout.

    python -m bench.workloads [--nodes 100,1000] [--replicas 500]

The server is a process of its own on SQLite (synchronous=FULL) with all controllers and the scheduler. "Bound" is
measured on nodes that exist as objects only, as it was for Kubernetes: what is measured is the control plane. A rollout
needs pods that become ready, so it has hollow agents, in one more process. The clock stops when a watch shows it.
"""

import argparse
import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from api.client import Client, Selection
from bench import api_load, pods
from bench.scheduler_load import node
from proto.v1.apps_pb2 import Deployment
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

IMAGE = "helmling/hello:v1"
BOUND = Selection("default", fields="spec.nodeName!=")


@dataclass(frozen=True)
class Took:
    what: str
    nodes: int
    seconds: float
    cpu: float  # seconds of the server (and the agents, if there are any)


def deployment(name: str, replicas: int) -> Deployment:
    made = Deployment()
    made.metadata.name, made.metadata.namespace = name, "default"
    made.spec.replicas = replicas
    made.spec.selector.matchLabels["app"] = name
    made.spec.template.metadata.labels["app"] = name
    spec = made.spec.template.spec
    spec.terminationGracePeriodSeconds = 0
    container = spec.containers.add(name="hello", image=IMAGE)
    container.resources.requests["cpu"] = "10m"
    container.resources.requests["memory"] = "16Mi"
    return made


async def add_nodes(client: Client, count: int) -> None:
    for number in range(count):
        wanted = node(number)
        made = await client.create(wanted)
        made.status.CopyFrom(wanted.status)
        await client.update(made, subresource="status")


async def until_bound(client: Client, count: int, version: str) -> None:
    """So many pods more than at `version`."""
    seen: set[str] = set()
    async for batch in client.watch(Pod, BOUND, version=version, bookmarks=False):
        seen |= {event.object.metadata.name for event in batch if event.type == "ADDED"}
        if len(seen) >= count:
            return


async def until_complete(client: Client, name: str, generation: int) -> None:
    found = await client.get(Deployment, name, "default")
    version = found.metadata.resourceVersion
    if is_complete(found, generation):
        return
    which = Selection("default", fields=f"metadata.name={name}")
    async for batch in client.watch(Deployment, which, version=version, bookmarks=False):
        if is_complete(batch[-1].object, generation):
            return


def is_complete(found: Deployment, generation: int) -> bool:
    status, wanted = found.status, found.spec.replicas
    counts = {status.replicas, status.updatedReplicas, status.availableReplicas}
    return status.observedGeneration >= generation and counts == {wanted}


async def until_gone(client: Client, name: str) -> None:
    await client.delete(Deployment, name, "default")
    while (await client.list(Pod, Selection("default"), limit=1)).items:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


class Stopwatch:
    """The seconds between its entry and its exit, on the wall and of the processes."""

    def __init__(self, what: str, nodes: int, pids: list[int]) -> None:
        self._what, self._nodes, self._pids = what, nodes, pids

    def __enter__(self) -> "Stopwatch":
        self._cpu = pods.cpu_seconds(self._pids)
        self._begun = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._begun
        self.took = Took(self._what, self._nodes, seconds, pods.cpu_seconds(self._pids) - self._cpu)


async def bound(conf: str, pid: int, nodes: int, replicas: int) -> list[Took]:
    """`create deployment --replicas=N`, and `scale --replicas=N`, until all pods have their node."""
    async with api_load.administrator(conf) as client:
        await add_nodes(client, nodes)
        await asyncio.sleep(2)  # what follows from new nodes
        version = (await client.list(Node, limit=1)).version
        with Stopwatch(f"create deployment --replicas={replicas}, bound", nodes, [pid]) as created:
            await client.create(deployment("created", replicas))
            await until_bound(client, replicas, version)
        await until_gone(client, "created")
        await client.create(deployment("scaled", 0))
        await until_complete(client, "scaled", 1)
        version = (await client.list(Node, limit=1)).version
        with Stopwatch(f"scale --replicas={replicas}, bound", nodes, [pid]) as scaled:
            patch = {"spec": {"replicas": replicas}}
            await client.patch(Deployment, "scaled", "default", patch, subresource="scale")
            await until_bound(client, replicas, version)
    return [created.took, scaled.took]


async def rolled(running: pods.Cluster, nodes: int, replicas: int) -> list[Took]:
    """From nothing to all available on hollow nodes, and then another version, 25 %/25 %."""
    async with api_load.administrator(running.conf) as client:
        await until_ready(client, nodes)
        pids = running.pids()
        with Stopwatch(f"create deployment --replicas={replicas}, available", nodes, pids) as here:
            await client.create(deployment("rolled", replicas))
            await until_complete(client, "rolled", 1)
        await asyncio.sleep(3)
        containers = [{"name": "hello", "image": "helmling/hello:v2"}]
        patch = {"spec": {"template": {"spec": {"containers": containers}}}}
        with Stopwatch(f"rollout of {replicas}, complete", nodes, pids) as rollout:
            after = await client.patch(Deployment, "rolled", "default", patch)
            await until_complete(client, "rolled", after.metadata.generation)
    return [here.took, rollout.took]


async def until_ready(client: Client, nodes: int) -> None:
    while True:
        conditions = [c for n in (await client.list(Node)).items for c in n.status.conditions]
        if sum(c.type == "Ready" and c.status == "True" for c in conditions) == nodes:
            return
        await asyncio.sleep(0.5)


def measure(nodes: Sequence[int], replicas: int) -> Iterator[Took]:
    """The rollout on as many hollow nodes as the first of `nodes`."""
    for count in nodes:
        with api_load.a_server() as (conf, pid):
            yield from asyncio.run(bound(conf, pid, count, replicas))
    with pods.cluster("--port=0", f"--hollow={nodes[0]}") as running:
        yield from asyncio.run(rolled(running, nodes[0], replicas))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", default="100,1000")
    parser.add_argument("--replicas", type=int, default=500)
    given = parser.parse_args()
    for took in measure([int(n) for n in given.nodes.split(",")], given.replicas):
        wall, cpu = f"{took.seconds:6.2f} s", f"cpu {took.cpu:6.2f} s"
        print(f"{took.nodes:5} nodes  {took.what:45} {wall}  {cpu}  load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
