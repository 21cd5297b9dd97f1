"""Writes into each Ingress that the nodes serve under which addresses it is reached: those of all nodes that do (S#90).

A node says in an annotation that its proxy runs. When it is not ready, nobody knows whether that still holds, and it
leaves the status until it is back.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from api import conditions, controller, kinds
from api.client import Client
from api.errors import NotFound
from api.informer import Informers
from api.ingresses import PORTS, is_ours
from api.workqueue import WorkQueue
from proto.v1.cluster_pb2 import Node
from proto.v1.network_pb2 import Ingress, IngressClass, IngressLoadBalancerIngress


def address(node: Node) -> str:
    """Where clients reach the node's proxy; empty: nowhere."""
    serving = node.metadata.annotations.get(PORTS, "")
    if not serving or not conditions.holds(node.status.conditions, "Ready"):
        return ""
    found = {each.type: each.address for each in node.status.addresses}
    return found.get("ExternalIP") or found.get("InternalIP", "")


def addresses(nodes: Iterable[Node]) -> list[str]:
    return sorted({found for node in nodes if (found := address(node))})


def shown(
    ingress: Ingress, classes: Collection[IngressClass], at: Collection[str]
) -> Ingress | None:
    """The ingress with the status that it should have; None: it has it, or it is not ours."""
    if not is_ours(ingress, classes):
        return None
    if [each.ip for each in ingress.status.loadBalancer.ingress] == list(at):
        return None
    copy = Ingress()
    copy.CopyFrom(ingress)
    del copy.status.loadBalancer.ingress[:]
    copy.status.loadBalancer.ingress.extend(IngressLoadBalancerIngress(ip=ip) for ip in at)
    return copy


@dataclass
class Statuses:
    client: Client
    informers: Informers
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self._ingresses = self.informers.of(Ingress)
        self._classes = self.informers.of(IngressClass)
        self._nodes = self.informers.of(Node)

    async def begin(self) -> None:
        for informer in (self._ingresses, self._classes, self._nodes):
            await informer.wait_synced()
        self._ingresses.add_handler(self._on_ingress)
        self._classes.add_handler(lambda old, new: self._all())
        self._nodes.add_handler(self._on_node)

    def _on_ingress(self, old: Ingress | None, new: Ingress | None) -> None:
        if new is not None:
            self.queue.add(kinds.object_key(new))

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        """Most of what nodes say is nothing to us."""
        before, after = (address(each) if each is not None else "" for each in (old, new))
        if before != after:
            self._all()

    def _all(self) -> None:
        for key in self._ingresses.objects:
            self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        ingress = self._ingresses.objects.get(key)
        if ingress is None:
            return None
        at = addresses(self._nodes.objects.values())
        fresh = shown(ingress, list(self._classes.objects.values()), at)
        if fresh is not None:
            try:
                await self.client.update(fresh, subresource="status")
            except NotFound:
                return None
        return None


async def run(client: Client, informers: Informers) -> None:
    """Until cancelled."""
    statuses = Statuses(client, informers)
    await statuses.begin()
    await controller.run(statuses.queue, statuses.reconcile, name="ingress-status")
