"""All filters and all scores: the scheduler's table of contents.

Filters come in three tuples by what can change their mind, cheapest first. A node's labels and taints hardly ever
change; its room changes with every pod placed there; company changes with pods placed elsewhere. A node is refused
by the first filter that objects, in this order, which is Kubernetes' order too.

Scores come in two sorts. An absolute one depends on one node alone. A relative one compares the nodes that are
left: its raw number means nothing until the best and the worst are known, so a change anywhere may move all of
them. choose.py keeps the sum of the absolute ones per node and compares whole groups of nodes by the relative ones.
Each is 0 to 100; names and weights are those of Kubernetes' default profile.
"""

from collections.abc import Callable, Mapping, Sequence

from control_plane.scheduler.company import Company, Levels, Site
from control_plane.scheduler.filters.fit import has_room
from control_plane.scheduler.filters.node_affinity import is_named, matches_affinity
from control_plane.scheduler.filters.pod_affinity import has_right_company
from control_plane.scheduler.filters.ports import has_ports
from control_plane.scheduler.filters.spread import keeps_even
from control_plane.scheduler.filters.taints import tolerates_taints
from control_plane.scheduler.filters.unschedulable import is_ready, is_schedulable
from control_plane.scheduler.refusal import FITS, Refusals
from control_plane.scheduler.scores.balanced_allocation import balanced_allocation
from control_plane.scheduler.scores.least_allocated import least_allocated
from control_plane.scheduler.scores.node_affinity import fulfilled, most
from control_plane.scheduler.scores.pod_affinity import best_liked
from control_plane.scheduler.scores.spread import evenest
from control_plane.scheduler.scores.taints import disliked, fewest
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo

NodeFilter = Callable[[Wants, NodeInfo], Refusals]
CompanyFilter = Callable[[Company, Levels], Refusals]
NodeScore = Callable[[Wants, NodeInfo], int]
Compare = Callable[[Sequence[int]], list[int]]  # raw numbers of all nodes -> their scores
CompanyScore = Callable[[Company, Sequence[Site]], list[int]]

# Filters by the name that their refusals carry.
FILTERS_BY_NAME: Mapping[str, NodeFilter] = {
    "NodeUnschedulable": is_schedulable,
    "TaintToleration": tolerates_taints,
    "NodeReady": is_ready,
    "NodeAffinity": matches_affinity,
    "NodePorts": has_ports,
    "NodeResourcesFit": has_room,
}
NODE_FILTERS: tuple[NodeFilter, ...] = (
    is_named,
    is_schedulable,
    tolerates_taints,
    is_ready,
    matches_affinity,
)
ROOM_FILTERS: tuple[NodeFilter, ...] = (has_ports, has_room)
COMPANY_FILTERS: tuple[CompanyFilter, ...] = (keeps_even, has_right_company)

# Absolute. ImageLocality, weight 1, is the third: it also has to know how many nodes have an image.
ROOM_SCORES: tuple[tuple[str, NodeScore], ...] = (
    ("NodeResourcesFit", least_allocated),
    ("NodeResourcesBalancedAllocation", balanced_allocation),
)
# Relative: name, weight, and how to get from a node to a raw number and from raw numbers to scores.
NODE_SCORES: tuple[tuple[str, int, NodeScore, Compare], ...] = (
    ("TaintToleration", 3, disliked, fewest),
    ("NodeAffinity", 2, fulfilled, most),
)
COMPANY_SCORES: tuple[tuple[str, int, CompanyScore], ...] = (
    ("PodTopologySpread", 2, evenest),
    ("InterPodAffinity", 2, best_liked),
)


def node_refusals(wants: Wants, node: NodeInfo) -> Refusals:
    """What speaks against the node itself."""
    for function in NODE_FILTERS:
        refusals = function(wants, node)
        if refusals:
            return refusals
    return FITS


def room_refusals(wants: Wants, node: NodeInfo) -> Refusals:
    for function in ROOM_FILTERS:
        refusals = function(wants, node)
        if refusals:
            return refusals
    return FITS


def company_refusals(company: Company, levels: Levels) -> Refusals:
    for function in COMPANY_FILTERS:
        refusals = function(company, levels)
        if refusals:
            return refusals
    return FITS
