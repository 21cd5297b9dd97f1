"""Wishes about company, compiled: which other pods, and in which domain.

A domain is a set of nodes that share the value of one label: `topology.kubernetes.io/zone=a` is a zone, and
`kubernetes.io/hostname=n1` a single machine. "Not together with another database in the same zone" is a term: a
predicate over pods and the label that makes domains (S#53).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from api import selectors
from api.selectors import Requirement
from proto.v1.meta_pb2 import LabelSelector
from proto.v1.pod_pb2 import Pod, PodAffinityTerm, TopologySpreadConstraint

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"

Labels = Mapping[str, str]
NamespaceLabels = Mapping[str, Labels]  # namespace -> its labels


@dataclass(frozen=True, slots=True)
class Term:
    """Pods that match, in the same domain of `key`."""

    key: str
    selector: selectors.LabelSelector
    namespaces: frozenset[str]
    namespace_selector: selectors.LabelSelector  # in addition to `namespaces`
    weight: int = 0  # of a preference; negative: rather not

    def matches(self, namespace: str, labels: Labels, known: NamespaceLabels) -> bool:
        return self.selector.matches(labels) and (
            namespace in self.namespaces
            or (
                not self.namespace_selector.nothing
                and self.namespace_selector.matches(known.get(namespace, {}))
            )
        )


@dataclass(frozen=True, slots=True)
class Spread:
    """How evenly matching pods should lie over the domains of `key`."""

    key: str
    max_skew: int
    selector: selectors.LabelSelector  # in the pod's own namespace
    owner: str = ""  # instead of a selector: the pods of this controller (its uid)
    min_domains: int = 1
    by_affinity: bool = True  # leave out nodes that the pod's node affinity excludes
    by_taints: bool = False  # leave out nodes whose taints the pod does not tolerate


def term_of(message: PodAffinityTerm, pod: Pod, weight: int = 0) -> Term:
    own = pod.metadata.namespace
    chosen = message.HasField("namespaceSelector")
    extra = [
        *_same(message.matchLabelKeys, "In", pod.metadata.labels),
        *_same(message.mismatchLabelKeys, "NotIn", pod.metadata.labels),
    ]
    return Term(
        key=message.topologyKey,
        selector=_selector(message.labelSelector, message.HasField("labelSelector"), extra),
        namespaces=frozenset(message.namespaces or (() if chosen else (own,))),
        namespace_selector=selectors.labels_from(message.namespaceSelector if chosen else None),
        weight=weight,
    )


def spread_of(message: TopologySpreadConstraint, pod: Pod) -> Spread:
    extra = _same(message.matchLabelKeys, "In", pod.metadata.labels)
    return Spread(
        key=message.topologyKey,
        max_skew=message.maxSkew,
        selector=_selector(message.labelSelector, message.HasField("labelSelector"), extra),
        min_domains=message.minDomains or 1,
        by_affinity=message.nodeAffinityPolicy != "Ignore",
        by_taints=message.nodeTaintsPolicy == "Honor",
    )


def default_spreads(owner: str) -> tuple[Spread, ...]:
    """What a pod with a controller gets that says nothing itself: its siblings lie apart, if that costs little."""
    return (
        Spread(HOSTNAME, max_skew=3, selector=selectors.NOTHING, owner=owner),
        Spread(ZONE, max_skew=5, selector=selectors.NOTHING, owner=owner),
    )


def _same(keys: Iterable[str], operator: str, labels: Labels) -> list[Requirement]:
    """The pod's own values of these labels as conditions; labels it does not have say nothing."""
    return [Requirement(key, operator, (labels[key],)) for key in keys if key in labels]


def _selector(
    message: LabelSelector, given: bool, extra: Iterable[Requirement]
) -> selectors.LabelSelector:
    if not given:
        return selectors.NOTHING
    found = selectors.labels_from(message)
    return selectors.LabelSelector((*found.requirements, *extra))
