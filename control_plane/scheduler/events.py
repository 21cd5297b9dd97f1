"""Which changes of the cluster are worth another try for which waiting pod? (S#57)

Trying every waiting pod again after every change is what makes schedulers slow; trying again only by timer is what
makes them lazy. A pod remembers which filters refused it. A change that cannot change the mind of any of them is no
news: a pod that lacks cpu does not care about labels. For filters about a node there is one rule for all: the event
touches what the filter looks at, and the filter would let the pod onto that very node now. Filters about company
are asked in their own words.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from control_plane.scheduler import plugins
from control_plane.scheduler.company import counts_for
from control_plane.scheduler.filters.node_affinity import is_named
from control_plane.scheduler.shape import Shape
from control_plane.scheduler.snapshot import Aspects, NodeInfo
from control_plane.scheduler.terms import NamespaceLabels, Term

ROOM, EXISTENCE, NAMESPACE = "room", "existence", "namespace"
NOTHING: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Event:
    """What has changed."""

    # Fields of Aspects; ROOM: a pod left the node; EXISTENCE: the node came or went; NAMESPACE: labels of a namespace.
    aspects: frozenset[str]
    node: NodeInfo | None = None  # the node it is about; None: there is none, or it is gone
    came: Shape | None = None  # a pod that was placed, or changed into this
    left: Shape | None = None  # a pod that is gone, or changed from this


def node_added(node: NodeInfo) -> Event:
    return Event(frozenset((*Aspects.__dataclass_fields__, ROOM, EXISTENCE)), node)


def node_changed(node: NodeInfo, aspects: frozenset[str]) -> Event:
    return Event(aspects, node)


def node_removed() -> Event:
    return Event(frozenset((EXISTENCE,)))


def pod_placed(shape: Shape) -> Event:
    return Event(NOTHING, came=shape)


def pod_changed(old: Shape, new: Shape) -> Event:
    return Event(NOTHING, came=new, left=old)


def pod_left(node: NodeInfo | None, shape: Shape) -> Event:
    return Event(frozenset((ROOM,)), node, left=shape)


def namespace_changed() -> Event:
    return Event(frozenset((NAMESPACE,)))


# Which aspects of a node each filter looks at.
_LOOKS_AT: Mapping[str, frozenset[str]] = {
    "NodeUnschedulable": frozenset(("unschedulable",)),
    "TaintToleration": frozenset(("taints",)),
    "NodeReady": frozenset(("ready",)),
    "NodeAffinity": frozenset(("labels",)),
    "NodePorts": frozenset((ROOM,)),
    "NodeResourcesFit": frozenset(("allocatable", "pods", ROOM)),
}
# A node that comes or goes or moves to another domain changes how many domains there are.
_DOMAINS = frozenset(("labels", "taints", EXISTENCE))


def may_help(
    shape: Shape, refused_by: frozenset[str], event: Event, namespaces: NamespaceLabels
) -> bool:
    """Whether a pod that these filters refused should be tried again."""
    if not refused_by:  # there was no node at all
        return event.node is not None and EXISTENCE in event.aspects
    return any(_may_change(name, shape, event, namespaces) for name in refused_by)


def _may_change(name: str, shape: Shape, event: Event, namespaces: NamespaceLabels) -> bool:
    ask = _COMPANY_HINTS.get(name)
    if ask is not None:
        return ask(shape, event, namespaces)
    node = event.node
    if node is None or is_named(shape.wants, node):
        return False  # whatever has changed there
    if _LOOKS_AT[name].isdisjoint(event.aspects):
        return False
    accepts = plugins.FILTERS_BY_NAME[name]
    return not accepts(shape.wants, node) and not _fitted_before(accepts, shape, node, event)


def _fitted_before(accepts: plugins.NodeFilter, shape: Shape, node: NodeInfo, event: Event) -> bool:
    """With the pod that left, too, the filter had nothing against the node: it was not in the way."""
    if event.left is None:
        return False
    node.count(event.left, 1)
    refusals = accepts(shape.wants, node)
    node.count(event.left, -1)
    return not refusals


def _spread_may_change(shape: Shape, event: Event, namespaces: NamespaceLabels) -> bool:
    if not _DOMAINS.isdisjoint(event.aspects):
        return True
    changed = [other for other in (event.came, event.left) if other is not None]
    return any(
        counts_for(spread, shape, other) for spread in shape.wishes.hard for other in changed
    )


def _company_may_change(shape: Shape, event: Event, namespaces: NamespaceLabels) -> bool:
    def means(term: Term, pod: Shape) -> bool:
        return term.matches(pod.namespace, pod.labels, namespaces)

    if NAMESPACE in event.aspects or not _DOMAINS.isdisjoint(event.aspects):
        return True
    came, left = event.came, event.left
    if came and any(means(term, came) for term in shape.wishes.near):
        return True  # company at last
    return left is not None and (
        any(
            means(term, left) for term in (*shape.wishes.apart, *shape.wishes.near)
        )  # out of the way, or
        # nobody of the group is left, so that this pod may be its first
        or any(means(term, shape) for term in left.wishes.apart)
    )


_COMPANY_HINTS: Mapping[str, Callable[[Shape, Event, NamespaceLabels], bool]] = {
    "PodTopologySpread": _spread_may_change,
    "InterPodAffinity": _company_may_change,
}
# Filters whose mind depends on who a pod is to others.
COMPANY = frozenset(_COMPANY_HINTS)
