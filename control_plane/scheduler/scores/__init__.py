"""The scores: each says how good a node is that passed all filters, 0 to 100, and how much that weighs.

Two sorts. An absolute score depends on the node alone: it changes when the node changes. A relative one compares the
nodes that are left: its raw number means nothing until the best and the worst are known, so a change anywhere may move
all of them. choose.py therefore keeps the sum of the first per node, and compares whole groups of nodes by the second.
Names and weights are those of Kubernetes' default profile.
"""

from control_plane.scheduler.scores.balanced_allocation import balanced_allocation
from control_plane.scheduler.scores.image_locality import image_locality
from control_plane.scheduler.scores.least_allocated import least_allocated
from control_plane.scheduler.scores.node_affinity import fulfilled, most
from control_plane.scheduler.scores.pod_affinity import best_liked
from control_plane.scheduler.scores.spread import evenest
from control_plane.scheduler.scores.taints import disliked_taints, fewest

ROOM_SCORES = (least_allocated, balanced_allocation)  # of (wants, node), weight 1
COMPANY_SCORES = ((best_liked, 2), (evenest, 2))  # of (company, sites)

TAINTS_WEIGHT = 3
AFFINITY_WEIGHT = 2

__all__ = [
    "AFFINITY_WEIGHT",
    "COMPANY_SCORES",
    "ROOM_SCORES",
    "TAINTS_WEIGHT",
    "disliked_taints",
    "fewest",
    "fulfilled",
    "image_locality",
    "most",
]
