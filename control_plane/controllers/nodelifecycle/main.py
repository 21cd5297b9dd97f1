"""The hands of the node controller: look at all nodes every five seconds, and give each the taints it should have."""

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from api import clock, conditions, controller
from api.client import Client, Selection, Write
from api.errors import ApiError
from api.informer import Informer, Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import waking
from control_plane.controllers.nodelifecycle import health, taints, zones
from control_plane.controllers.nodelifecycle.health import Seen
from control_plane.controllers.nodelifecycle.times import KUBERNETES, Times
from control_plane.controllers.pods import NODE, index_nodes, ready_since
from proto.v1.cluster_pb2 import Lease, Node, Taint
from proto.v1.pod_pb2 import Pod, PodCondition

log = logging.getLogger(__name__)
Taints = Sequence[Taint] | None  # None: as they are
LEASES = Selection(namespace="kube-node-lease")


@dataclass
class Nodes:
    client: Client
    informers: Informers
    recorder: Recorder
    times: Times
    queue: WorkQueue = field(default_factory=WorkQueue)  # nodes whose taints may be wrong
    seen: dict[str, Seen] = field(default_factory=dict)  # by name; of every node that there is

    def __post_init__(self) -> None:
        self._nodes, self._pods = self.informers.of(Node), self.informers.of(Pod)
        self._leases = self.informers.of(Lease, LEASES)
        self._zones = zones.Zones(self.times)
        index_nodes(self._pods)

    async def wait_synced(self) -> None:
        everything: list[Informer[Any]] = [self._nodes, self._pods, self._leases]
        for informer in everything:
            await informer.wait_synced()

    def listen(self) -> None:
        self._nodes.add_handler(waking.itself(self.queue))

    async def look(self, _: str) -> float:
        """At all nodes: who is silent, whose pods are not to be used, how many fail together."""
        now, nodes = clock.now(), list(self._nodes.objects.values())
        self._greet(nodes, now)
        silent = [node for node in nodes if health.is_silent(self._seen_of(node), now, self.times)]
        forgotten = await self._forget(silent, now)
        present = [forgotten.get(node.metadata.name, node) for node in nodes]
        await self._unready([node for node in present if health.status_of(node) == "Unknown"], now)
        self._judge(present, now)
        for node in present:
            self.queue.add(node.metadata.name)
        return self.times.monitor_period

    def _seen_of(self, node: Node) -> Seen:
        return self.seen[node.metadata.name]

    def _greet(self, nodes: Sequence[Node], now: datetime) -> None:
        """Bring `seen` up to date, and tell of nodes that have come or gone."""
        names = {node.metadata.name for node in nodes}
        for gone in self.seen.keys() - names:
            del self.seen[gone]
            log.info("node_removed node=%s", gone)
        for node in nodes:
            name = node.metadata.name
            if name not in self.seen:
                told = f"Registered Node {name} in Controller"
                self.recorder.event(node, "Normal", "RegisteredNode", told)
            lease = self._leases.objects.get(f"{LEASES.namespace}/{name}")
            self.seen[name] = health.look(self.seen.get(name), node, lease, now)

    async def _forget(self, silent: Iterable[Node], now: datetime) -> dict[str, Node]:
        """Write that nobody knows how these are; those for which it was written, by name."""
        fresh = [node for each in silent if (node := health.unknown(each, now)) is not None]
        done = {}
        for node, outcome in await self._write(fresh):
            if isinstance(
                outcome, ApiError
            ):  # it has just been heard of, perhaps: the next look shows
                log.info("node_not_marked node=%s error=%r", node.metadata.name, outcome.message)
                continue
            name = node.metadata.name
            done[name] = outcome
            told = f"Node {name} status is now: NodeNotReady"
            self.recorder.event(node, "Normal", "NodeNotReady", told)
        return done

    async def _write(self, objects: Sequence[Any]) -> list[tuple[Any, Any]]:
        """Statuses, each with its outcome."""
        writes = [Write("update", obj, "status") for obj in objects]
        outcomes = await self.client.batch(writes) if writes else []
        return list(zip(objects, outcomes, strict=True))

    async def _unready(self, unknown: Iterable[Node], now: datetime) -> None:
        """Nobody shall be sent to a pod whose node cannot be asked. Written as long as the pods say otherwise."""
        fresh = []
        for node in unknown:
            for pod in self._pods.by_index(NODE, node.metadata.name):
                if ready_since(pod) is not None:
                    fresh.append(_not_ready(pod, now))
                    self.recorder.event(pod, "Warning", "NodeNotReady", "Node is not ready")
        for pod, outcome in await self._write(fresh):
            if isinstance(outcome, ApiError):
                log.info("pod_not_marked pod=%s error=%r", pod.metadata.name, outcome.message)

    def _judge(self, nodes: Iterable[Node], now: datetime) -> None:
        by_zone: dict[str, list[bool]] = {}
        for node in filter(zones.counts, nodes):
            by_zone.setdefault(zones.zone_of(node), []).append(health.status_of(node) == "True")
        if self._zones.judge(by_zone, now):
            log.info("nodes_are_back: every node is given its time again")
            self.seen = {name: replace(seen, at=now) for name, seen in self.seen.items()}

    async def reconcile(self, name: str) -> float | None:
        """The taints of one node."""
        node, now = self._nodes.objects.get(name), clock.now()
        if node is None:
            return None
        pace = self._zones.pace(zones.zone_of(node))
        execute = "" if self._zones.halted else taints.executing(node)
        if not execute or taints.is_executing(node):
            await self._taint(node, taints.settled(node, execute, now))
            return None
        wait = pace.wait(now)
        if wait != 0:
            await self._taint(node, taints.settled(node, "", now))
            return wait
        await self._take(pace, node, taints.settled(node, execute, now), now)
        return None

    async def _take(self, pace: zones.Pace, node: Node, fresh: Taints, now: datetime) -> None:
        """One more node's pods are driven out. What was not written has not been one."""
        before = pace.free_at
        pace.take(now)
        try:
            await self._taint(node, fresh)
        except ApiError:
            pace.free_at = before
            raise

    async def _taint(self, node: Node, fresh: Taints) -> None:
        if fresh is None:
            return
        copy = Node()
        copy.CopyFrom(node)
        del copy.spec.taints[:]
        copy.spec.taints.extend(fresh)
        await self.client.update(copy)


def _not_ready(pod: Pod, now: datetime) -> Pod:
    copy = Pod()
    copy.CopyFrom(pod)
    stamp = clock.timestamp(now)
    said = PodCondition(type="Ready", status="False", lastTransitionTime=stamp)
    conditions.put(copy.status.conditions, said)
    return copy


async def run(
    client: Client, informers: Informers, recorder: Recorder, times: Times = KUBERNETES
) -> None:
    """Until cancelled."""
    nodes = Nodes(client, informers, recorder, times)
    await nodes.wait_synced()
    nodes.listen()
    rounds = WorkQueue()  # of one key: a look at everything, again and again
    rounds.add("nodes")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(controller.run(rounds, nodes.look, workers=1, name="node-monitor"))
        tasks.create_task(controller.run(nodes.queue, nodes.reconcile, name="node-lifecycle"))
