"""Preferred node affinity: the weights of the wishes that a node fulfils."""

from collections.abc import Sequence

from control_plane.scheduler.filters.node_affinity import term_matches
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo


def fulfilled(wants: Wants, node: NodeInfo) -> int:
    return sum(each.weight for each in wants.preferred if term_matches(each.preference, node))


def most(sums: Sequence[int]) -> list[int]:
    """100 for the node that fulfils most."""
    best = max(sums, default=0)
    return [100 * number // best if best else 0 for number in sums]
