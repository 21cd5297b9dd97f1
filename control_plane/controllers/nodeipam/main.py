"""The hands of the address controller: a node without a range is given one, a node that goes gives it back."""

from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from api import controller
from api.client import Client
from api.errors import NotFound
from api.informer import Informers
from api.podranges import CLUSTER, DEFAULT_CLUSTER_CIDR, DEFAULT_NODE_MASK, WISH
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers.nodeipam.allocation import Allocation, Parts
from proto.v1.cluster_pb2 import Node

WHOLE = Parts.of(DEFAULT_CLUSTER_CIDR, DEFAULT_NODE_MASK)


def change(cidr: str, cluster: str) -> dict[str, Any]:
    """What is to be merged into the node. The server refuses it if the node has got another range meanwhile."""
    return {
        "metadata": {"annotations": {CLUSTER: cluster, WISH: None}},
        "spec": {"podCIDR": cidr, "podCIDRs": [cidr]},
    }


@dataclass
class Ranges:
    client: Client
    informers: Informers
    recorder: Recorder
    parts: Parts
    queue: WorkQueue = field(default_factory=WorkQueue)
    waiting: set[str] = field(default_factory=set)  # nodes for which there was nothing left

    def __post_init__(self) -> None:
        self.allocation = Allocation(self.parts)
        self._nodes = self.informers.of(Node)

    def listen(self) -> None:
        """First what is held, then who wants something: nobody is given what another node has."""
        for node in self._nodes.objects.values():
            if node.spec.podCIDR:
                self.allocation.hold(node.metadata.name, node.spec.podCIDRs)
        self._nodes.add_handler(self._on_node)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if new is None and old is not None:
            self.waiting.discard(old.metadata.name)
            if self.allocation.release(old.metadata.name):
                for name in self.waiting:
                    self.queue.add(name)
        elif new is not None and (old is None or _range(old) != _range(new)):
            self.queue.add(new.metadata.name)

    async def reconcile(self, name: str) -> None:
        node = self._nodes.objects.get(name)
        if node is None:
            return
        if node.spec.podCIDR:
            self._note(node)
        else:
            await self._give(node)

    def _note(self, node: Node) -> None:
        self.waiting.discard(node.metadata.name)
        if others := self.allocation.hold(node.metadata.name, node.spec.podCIDRs):
            told = (
                f"The pod range {node.spec.podCIDR} overlaps with that of {', '.join(sorted(others))}: "
                "pods of the younger node cannot be reached. Delete it, and start its agent without --pod-cidr"
            )
            self.recorder.event(node, "Warning", "CIDROverlap", told)

    async def _give(self, node: Node) -> None:
        name = node.metadata.name
        cidr = self.allocation.take(name, node.metadata.annotations.get(WISH, ""))
        if cidr is None:
            self.waiting.add(name)
            told = (
                f"All {self.parts.count} ranges of {self.parts.whole} are in use: delete nodes that are gone, or start "
                "the server with a larger --cluster-cidr or --node-cidr-mask-size"
            )
            self.recorder.event(node, "Warning", "CIDRNotAvailable", told)
            return
        with suppress(NotFound):  # the informer is about to tell, and then it is released
            patch = change(cidr, str(self.parts.whole))
            await self.client.patch(Node, name, "", patch, patch_type="merge")


def _range(node: Node) -> tuple[str, str]:
    return node.metadata.uid, node.spec.podCIDR


async def run(
    client: Client, informers: Informers, recorder: Recorder, parts: Parts = WHOLE
) -> None:
    """Until cancelled."""
    ranges = Ranges(client, informers, recorder, parts)
    await informers.of(Node).wait_synced()
    ranges.listen()
    await controller.run(ranges.queue, ranges.reconcile, workers=1, name="node-ipam")
