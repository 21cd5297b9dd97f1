"""What a pod looks like to the scheduler. Five hundred replicas have one shape, and it is decided about once.

A pod is compiled when it is first seen: quantities become integers, selectors predicates. What it asks of the node
are its `Wants`, what it asks of other pods its `Wishes`; with who it is to others (namespace, labels, controller)
they make its `Shape`. All three are interned: equal pods share one object, so that being equal is being the same, a
dictionary lookup costs nothing, and the work of filtering and scoring can be remembered (choose.py). The tables hold
weak references: a shape lives as long as a pod has it.
"""

from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

from control_plane.scheduler import resources, terms
from control_plane.scheduler.resources import Amounts
from control_plane.scheduler.terms import Spread, Term
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import (
    NodeSelectorTerm,
    Pod,
    PodSpec,
    PreferredSchedulingTerm,
    Toleration,
)

Port = tuple[str, str, int]  # address, protocol, number
# Says nothing about the node, and may differ between pods that are otherwise alike (a StatefulSet's).
_NO_MATTER = (
    "nodeName",
    "hostname",
    "subdomain",
    "volumes",
    "dnsConfig",
    "hostAliases",
    "priority",
)


class Wants:
    """What the spec asks of the node itself. Never changes."""

    __slots__ = (
        "__weakref__",
        "allowed",
        "assumed",
        "containers",
        "images",
        "names",
        "node_labels",
        "ports",
        "preferred",
        "requests",
        "restricted",
        "tolerations",
    )

    def __init__(self, spec: PodSpec) -> None:
        self.requests: Amounts = resources.requested(spec)
        self.assumed: Amounts = resources.assumed(spec)
        self.tolerations: tuple[Toleration, ...] = tuple(spec.tolerations)
        self.node_labels: dict[str, str] = dict(spec.nodeSelector)
        affinity = spec.affinity.nodeAffinity
        required = affinity.requiredDuringSchedulingIgnoredDuringExecution
        # Restricted: one of the terms `allowed` must match; without any, none can.
        self.restricted: bool = affinity.HasField("requiredDuringSchedulingIgnoredDuringExecution")
        self.allowed: tuple[NodeSelectorTerm, ...] = tuple(required.nodeSelectorTerms)
        # No other nodes match any of them: a DaemonSet's pods say so. None: they do not go by name.
        self.names: frozenset[str] | None = _names(self.allowed)
        self.preferred: tuple[PreferredSchedulingTerm, ...] = tuple(
            affinity.preferredDuringSchedulingIgnoredDuringExecution
        )
        self.ports: tuple[Port, ...] = _host_ports(spec)
        started = (*spec.initContainers, *spec.containers)
        self.images: tuple[str, ...] = tuple(image_name(c.image) for c in started)
        self.containers: int = len(started)


class Wishes:
    """What the pod asks of other pods. Never changes."""

    __slots__ = ("__weakref__", "apart", "drawn", "hard", "mentions", "near", "soft")

    def __init__(
        self,
        near: tuple[Term, ...],
        apart: tuple[Term, ...],
        drawn: tuple[Term, ...],
        hard: tuple[Spread, ...],
        soft: tuple[Spread, ...],
    ) -> None:
        self.near, self.apart, self.drawn = near, apart, drawn  # required, and preferred of both
        self.hard, self.soft = hard, soft  # DoNotSchedule, ScheduleAnyway
        # The labels that any of its selectors looks at.
        self.mentions: frozenset[str] = frozenset(
            condition.key
            for selector in (
                *(term.selector for term in (*near, *apart, *drawn)),
                *(spread.selector for spread in (*hard, *soft)),
            )
            for condition in selector.requirements
        )


class Shape:
    """A pod as the scheduler, and other pods, see it. Never changes."""

    __slots__ = (
        "__weakref__",
        "has_terms",
        "kin",
        "labels",
        "namespace",
        "owner",
        "spread_by_default",
        "terminating",
        "wants",
        "wishes",
    )

    def __init__(self, pod: Pod, wants: Wants, wishes: Wishes) -> None:
        meta = pod.metadata
        self.wants, self.wishes = wants, wishes
        self.namespace: str = meta.namespace
        self.labels: Mapping[str, str] = dict(meta.labels)
        self.owner: str = controller_of(meta)  # its uid; "": none
        self.terminating: bool = meta.HasField("deletionTimestamp")
        self.spread_by_default: bool = _spreads_by_default(pod)
        # Others may have to know about the terms of this pod.
        self.has_terms: bool = bool(wishes.near or wishes.apart or wishes.drawn)
        # Pods of one kin differ in their labels only.
        self.kin = (wants, wishes, self.namespace, self.owner)


class Shapes:
    """The tables in which shapes are interned."""

    def __init__(self) -> None:
        self._wants: WeakValueDictionary[bytes, Wants] = WeakValueDictionary()
        self._wishes: WeakValueDictionary[tuple[Any, ...], Wishes] = WeakValueDictionary()
        self._shapes: WeakValueDictionary[tuple[Any, ...], Shape] = WeakValueDictionary()

    def of(self, pod: Pod) -> Shape:
        meta = pod.metadata
        spec = PodSpec()
        spec.CopyFrom(pod.spec)
        for field in _NO_MATTER:
            spec.ClearField(field)
        text = spec.SerializeToString(deterministic=True)
        ending = meta.HasField("deletionTimestamp")
        labels = frozenset(meta.labels.items())
        key = (text, meta.namespace, labels, controller_of(meta), ending)
        shape = self._shapes.get(key)
        if shape is None:
            wants = self._wants.get(text)
            if wants is None:
                wants = self._wants[text] = Wants(spec)
            shape = self._shapes[key] = Shape(pod, wants, self._wishes_of(pod))
        return shape

    def _wishes_of(self, pod: Pod) -> Wishes:
        near, apart = pod.spec.affinity.podAffinity, pod.spec.affinity.podAntiAffinity
        drawn = (*_preferred(near, pod, 1), *_preferred(apart, pod, -1))
        key = (_required(near, pod), _required(apart, pod), drawn, *_spreads(pod))
        wishes = self._wishes.get(key)
        if wishes is None:
            wishes = self._wishes[key] = Wishes(*key)
        return wishes


def controller_of(meta: ObjectMeta) -> str:
    for owner in meta.ownerReferences:
        if owner.controller:
            return owner.uid
    return ""


def image_name(image: str) -> str:
    """As nodes report it: with a tag."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:latest"


def _names(terms: tuple[NodeSelectorTerm, ...]) -> frozenset[str] | None:
    found: set[str] = set()
    for term in terms:
        named = [set(each.values) for each in term.matchFields if each.operator == "In"]
        if not named:
            return None
        found |= set.intersection(*named)
    return frozenset(found) if terms else None


def _host_ports(spec: PodSpec) -> tuple[Port, ...]:
    lasting = [c for c in spec.initContainers if c.restartPolicy == "Always"]
    return tuple(
        (port.hostIP or "0.0.0.0", port.protocol or "TCP", port.hostPort)
        for container in (*lasting, *spec.containers)
        for port in container.ports
        if port.hostPort > 0
    )


def _required(affinity: Any, pod: Pod) -> tuple[Term, ...]:
    """Of a PodAffinity or a PodAntiAffinity: they have the same fields."""
    wished = affinity.requiredDuringSchedulingIgnoredDuringExecution
    return tuple(terms.term_of(term, pod) for term in wished)


def _preferred(affinity: Any, pod: Pod, sign: int) -> tuple[Term, ...]:
    wished = affinity.preferredDuringSchedulingIgnoredDuringExecution
    return tuple(terms.term_of(each.podAffinityTerm, pod, sign * each.weight) for each in wished)


def _spreads_by_default(pod: Pod) -> bool:
    return not pod.spec.topologySpreadConstraints and bool(controller_of(pod.metadata))


def _spreads(pod: Pod) -> tuple[tuple[Spread, ...], tuple[Spread, ...]]:
    """Hard and soft ones."""
    if _spreads_by_default(pod):
        return (), terms.default_spreads(controller_of(pod.metadata))
    wished = pod.spec.topologySpreadConstraints
    hard = [each for each in wished if each.whenUnsatisfiable == "DoNotSchedule"]
    soft = [each for each in wished if each.whenUnsatisfiable != "DoNotSchedule"]
    return (
        tuple(terms.spread_of(each, pod) for each in hard),
        tuple(terms.spread_of(each, pod) for each in soft),
    )
