"""Pods that nobody else would ever remove (S#63, S#112).

A pod ends when its node says so. Where there is no node to say it, it would stay for ever: its node was deleted, or
was declared dead by hand (the taint out-of-service), or it never had one. And of those that have ended, so that their
logs can be read, only so many are kept. Whatever is removed here is removed at once, with no one's confirmation; before
that it is marked as failed, so that whoever counts it does not count it as running.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from api import clock, conditions, controller
from api.client import Client, Delete
from api.errors import Conflict, NotFound
from api.informer import Informers
from api.workqueue import WorkQueue
from control_plane.controllers.nodelifecycle.taints import OUT_OF_SERVICE
from control_plane.controllers.pods import is_ending, is_over
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod, PodCondition

PERIOD = 20.0  # seconds between two looks
QUARANTINE = timedelta(seconds=40)  # so long a node must have been missing
KEPT = 12_500  # pods that have ended


def too_many(pods: Iterable[Pod], kept: int) -> list[Pod]:
    """Of those that have ended: first those that were evicted, then the oldest. `kept` 0: keep all."""
    over = sorted(filter(is_over, pods), key=_order)
    return over[: max(len(over) - kept, 0)] if kept > 0 else []


def _order(pod: Pod) -> tuple[Any, ...]:
    evicted = pod.status.phase == "Failed" and pod.status.reason == "Evicted"
    return not evicted, pod.metadata.creationTimestamp.seconds, pod.metadata.name


def abandoned(pods: Iterable[Pod], nodes: dict[str, Node]) -> Iterator[Pod]:
    """Those that shall end, and have no node that could confirm it."""
    for pod in filter(is_ending, pods):
        node = nodes.get(pod.spec.nodeName)
        if not pod.spec.nodeName or (node is not None and _out_of_service(node)):
            yield pod


def _out_of_service(node: Node) -> bool:
    declared = any(taint.key == OUT_OF_SERVICE for taint in node.spec.taints)
    return declared and not conditions.holds(node.status.conditions, "Ready")


@dataclass
class Quarantine:
    """Nodes that pods name and that are not there: perhaps they are just not there yet."""

    since: dict[str, datetime] = field(default_factory=dict)

    def missing(self, pods: Iterable[Pod], nodes: dict[str, Node], now: datetime) -> list[str]:
        """Those that have been missing long enough."""
        named = {pod.spec.nodeName for pod in pods if pod.spec.nodeName} - nodes.keys()
        self.since = {name: self.since.get(name, now) for name in named}
        return sorted(name for name in named if now - self.since[name] >= QUARANTINE)


ORPHAN = PodCondition(
    type="DisruptionTarget",
    status="True",
    reason="DeletionByPodGC",
    message="PodGC: node no longer exists",
)


def failed(pod: Pod, now: datetime, why: PodCondition | None) -> Pod | None:
    """The pod marked as failed; None: it has ended already."""
    if is_over(pod):
        return None
    copy = Pod()
    copy.CopyFrom(pod)
    copy.status.phase = "Failed"
    if why is not None:
        said = PodCondition()
        said.CopyFrom(why)
        said.lastTransitionTime.CopyFrom(clock.timestamp(now))
        conditions.put(copy.status.conditions, said)
    return copy


@dataclass
class Collector:
    client: Client
    informers: Informers
    kept: int = KEPT
    quarantine: Quarantine = field(default_factory=Quarantine)

    async def look(self, _: str) -> float:
        """Remove what is to be removed now; seconds until the next look."""
        pods = list(self.informers.of(Pod).objects.values())
        nodes = self.informers.of(Node).objects
        for pod in (*too_many(pods, self.kept), *abandoned(pods, nodes)):
            await self._remove(pod)
        for pod in await self._orphans(pods, nodes):
            await self._remove(pod, ORPHAN)
        return PERIOD

    async def _orphans(self, pods: Sequence[Pod], nodes: dict[str, Node]) -> list[Pod]:
        names = self.quarantine.missing(pods, nodes, clock.now())
        gone = {name for name in names if not await self._exists(name)}
        return [pod for pod in pods if pod.spec.nodeName in gone]

    async def _exists(self, name: str) -> bool:
        """On the server: our cache may lag behind."""
        try:
            await self.client.get(Node, name)
        except NotFound:
            return False
        return True

    async def _remove(self, pod: Pod, why: PodCondition | None = None) -> None:
        """If it has changed meanwhile, the next look decides about it."""
        meta = pod.metadata
        try:
            if (marked := failed(pod, clock.now(), why)) is not None:
                await self.client.update(marked, subresource="status")
            await self.client.delete(Pod, meta.name, meta.namespace, Delete(grace=0, uid=meta.uid))
        except (NotFound, Conflict):
            return


async def run(client: Client, informers: Informers, kept: int = KEPT) -> None:
    """Until cancelled."""
    await informers.wait_synced(Pod, Node)
    collector, rounds = Collector(client, informers, kept), WorkQueue()
    rounds.add("pods")
    await controller.run(rounds, collector.look, workers=1, name="pod-garbage-collector")
