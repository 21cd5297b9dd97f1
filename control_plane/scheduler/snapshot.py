"""The cluster as the scheduler sees it: nodes, and what the pods on them take.

Sums are kept, not computed: a pod that comes or goes changes a few integers of one node. Whoever remembers results
(choose.py) learns from `changes` which nodes to look at again, and from `generation` when to forget everything.
A pod counts from the moment it is placed, long before the server has heard of it; when the binding fails it is
simply removed again.

The snapshot belongs to one task. Nothing in here waits, so a decision sees one state of the world.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from control_plane.scheduler import resources
from control_plane.scheduler.resources import Amounts
from control_plane.scheduler.shape import Port, Shape, image_name
from proto.v1.cluster_pb2 import Node, Taint


@dataclass(frozen=True, slots=True)
class Aspects:
    """All of a node object that matters here. Two that are equal make no difference to any pod."""

    labels: Mapping[str, str] = field(default_factory=dict)
    taints: tuple[tuple[str, str, str], ...] = ()  # key, value, effect
    unschedulable: bool = False
    ready: str = "Unknown"  # the status of the condition Ready
    allocatable: Amounts = field(default_factory=Amounts)
    pods: int = 0  # how many it takes
    images: Mapping[str, int] = field(default_factory=dict)  # name -> bytes


def aspects_of(node: Node) -> Aspects:
    given = node.status.allocatable or node.status.capacity
    numbers = resources.read(given)
    return Aspects(
        labels=dict(node.metadata.labels),
        taints=tuple((t.key, t.value, t.effect) for t in node.spec.taints),
        unschedulable=node.spec.unschedulable,
        ready=next((c.status for c in node.status.conditions if c.type == "Ready"), "Unknown"),
        allocatable=resources.amounts(numbers),
        pods=numbers[resources.PODS],
        images={
            image_name(name): image.sizeBytes
            for image in node.status.images
            for name in image.names
        },
    )


class NodeInfo:
    """A node and the sums over its pods. `order` is its place in Snapshot.nodes, -1 while the node does not exist."""

    __slots__ = (
        "aspects",
        "assumed_cpu",
        "assumed_memory",
        "cpu",
        "extended",
        "labels",
        "limit_cpu",
        "limit_memory",
        "limit_pods",
        "limit_storage",
        "memory",
        "name",
        "order",
        "pods",
        "ports",
        "shapes",
        "storage",
        "taints",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.order = -1
        self.pods = 0
        # Requested by the pods here: millicores, bytes, bytes; and with a guess for those that do not say.
        self.cpu = self.memory = self.storage = 0
        self.assumed_cpu = self.assumed_memory = 0
        self.extended: dict[str, int] = {}
        self.shapes: dict[Shape, int] = {}  # how many pods of each
        self.ports: dict[Port, int] = {}  # taken, by how many pods
        self.describe(Aspects())

    def describe(self, aspects: Aspects) -> None:
        """Take over what the node object says, the busiest parts within reach of one look."""
        self.aspects = aspects
        self.labels = aspects.labels
        self.taints = tuple(Taint(key=k, value=v, effect=e) for k, v, e in aspects.taints)
        self.limit_cpu = aspects.allocatable.cpu
        self.limit_memory = aspects.allocatable.memory
        self.limit_storage = aspects.allocatable.storage
        self.limit_pods = aspects.pods

    def count(self, shape: Shape, sign: int) -> None:
        """One pod more (1) or less (-1)."""
        wants = shape.wants
        requests, assumed = wants.requests, wants.assumed
        self.pods += sign
        self.cpu += sign * requests.cpu
        self.memory += sign * requests.memory
        self.storage += sign * requests.storage
        self.assumed_cpu += sign * assumed.cpu
        self.assumed_memory += sign * assumed.memory
        _add(self.shapes, shape, sign)
        if requests.extended:
            for name, number in requests.extended.items():
                _add(self.extended, name, sign * number)
        for port in wants.ports:
            _add(self.ports, port, sign)


class Placed(NamedTuple):
    """A pod on a node."""

    uid: str
    shape: Shape
    node: str


class Change(NamedTuple):
    """A pod came to a node (1) or left it (-1)."""

    node: NodeInfo
    shape: Shape
    sign: int


class Snapshot:
    def __init__(self) -> None:
        # By name, also those that only pods speak of: their node is gone, or not yet seen.
        self._infos: dict[str, NodeInfo] = {}
        self._nodes: list[NodeInfo] | None = None  # those that exist; None: must be listed again
        self.pods: dict[str, Placed] = {}  # "namespace/name" -> where it is
        self.shapes: dict[Shape, int] = {}  # of the placed pods
        self.terms = 0  # how many of the placed pods have terms about others
        # Labels that the terms of any placed pod have ever looked at. Other labels tell no pods apart.
        self.mentioned: frozenset[str] = frozenset()
        self.namespaces: dict[str, Mapping[str, str]] = {}  # name -> labels
        self.generation = 0  # grows when a node (or a namespace) itself changes
        self.changes: list[Change] = []  # since `generation` changed last

    @property
    def nodes(self) -> list[NodeInfo]:
        """All nodes, in an order that lasts for a generation."""
        if self._nodes is None:
            self._nodes = [info for info in self._infos.values() if info.order >= 0]
            for order, info in enumerate(self._nodes):
                info.order = order
        return self._nodes

    def node(self, name: str) -> NodeInfo | None:
        info = self._infos.get(name)
        return info if info and info.order >= 0 else None

    def set_node(self, node: Node) -> frozenset[str]:
        """Which aspects of the node are new; empty for a mere heartbeat."""
        info, aspects = self._info(node.metadata.name), aspects_of(node)
        if info.order < 0:
            info.order = len(self._infos)  # until they are listed again
            different = frozenset(Aspects.__dataclass_fields__)
        else:
            different = _differences(info.aspects, aspects)
        if different:
            info.describe(aspects)
            self._forget()
        return different

    def remove_node(self, name: str) -> None:
        info = self._infos.get(name)
        if info and info.order >= 0:
            info.order = -1
            info.describe(Aspects())
            self._drop_if_empty(info)
            self._forget()

    def set_namespace(self, name: str, labels: Mapping[str, str] | None) -> bool:
        """None: it is gone. Returns whether that makes a difference."""
        if self.namespaces.get(name) == labels:
            return False
        if labels is None:
            del self.namespaces[name]
        else:
            self.namespaces[name] = labels
        self._forget()
        return True

    def place(self, key: str, uid: str, shape: Shape, node: str) -> None:
        """The pod is on the node now. If it was elsewhere, or another, that is over."""
        if key in self.pods:
            self.remove(key)
        self.pods[key] = Placed(uid, shape, node)
        self._count(self._info(node), shape, 1)

    def remove(self, key: str) -> Placed | None:
        placed = self.pods.pop(key, None)
        if placed:
            info = self._infos[placed.node]
            self._count(info, placed.shape, -1)
            self._drop_if_empty(info)
        return placed

    def _count(self, info: NodeInfo, shape: Shape, sign: int) -> None:
        info.count(shape, sign)
        _add(self.shapes, shape, sign)
        if shape.has_terms:
            self.terms += sign
            if not shape.wishes.mentions <= self.mentioned:
                self.mentioned |= shape.wishes.mentions
                self._forget()
        if info.order >= 0:
            self.changes.append(Change(info, shape, sign))
            if len(self.changes) > 4 * len(self._infos) + 10_000:
                self._forget()  # the diary is longer than looking at all nodes again

    def _info(self, name: str) -> NodeInfo:
        info = self._infos.get(name)
        if info is None:
            info = self._infos[name] = NodeInfo(name)
        return info

    def _drop_if_empty(self, info: NodeInfo) -> None:
        if info.order < 0 and not info.pods:
            del self._infos[info.name]

    def _forget(self) -> None:
        self._nodes = None
        self.generation += 1
        self.changes = []


def _differences(old: Aspects, new: Aspects) -> frozenset[str]:
    names = Aspects.__dataclass_fields__
    return frozenset(name for name in names if getattr(old, name) != getattr(new, name))


def _add(counts: dict[Port, int] | dict[Shape, int] | dict[str, int], key: object, n: int) -> None:
    """Counts; what has come down to nothing leaves the table."""
    table: dict[object, int] = counts  # type: ignore[assignment]
    number = table.get(key, 0) + n
    if number:
        table[key] = number
    else:
        del table[key]
