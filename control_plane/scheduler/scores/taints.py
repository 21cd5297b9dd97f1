"""PreferNoSchedule: the fewer such taints the pod does not tolerate, the better."""

from collections.abc import Sequence

from control_plane.scheduler.filters.taints import tolerated
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo

EFFECT = "PreferNoSchedule"


def disliked(wants: Wants, node: NodeInfo) -> int:
    """How many."""
    return sum(
        taint.effect == EFFECT and not tolerated(taint, wants.tolerations) for taint in node.taints
    )


def fewest(counts: Sequence[int]) -> list[int]:
    """0 for the most such taints, 100 for none."""
    most = max(counts, default=0)
    return [100 - 100 * count // most if most else 100 for count in counts]
