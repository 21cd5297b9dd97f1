"""A cordoned node takes no new pods, and a node that is not ready should not.

Both are taints in disguise, so a pod that tolerates them gets in: a DaemonSet's pods tolerate the cordon. That a
node is not ready is normally said by a real taint; this filter also looks at the condition itself, for the moments
(and the clusters) in which nobody has written that taint.
"""

from control_plane.scheduler.filters import taints
from control_plane.scheduler.refusal import FITS, Refusal, Refusals
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo
from proto.v1.cluster_pb2 import Taint

CORDONED = Refusal("NodeUnschedulable", "node(s) were unschedulable")
NOT_READY = Refusal("NodeReady", "node(s) were not ready")

_CORDON = Taint(key="node.kubernetes.io/unschedulable", effect="NoSchedule")
# Said no, or said nothing (any more).
_SILENCE = {
    "False": Taint(key="node.kubernetes.io/not-ready", effect="NoSchedule"),
    "Unknown": Taint(key="node.kubernetes.io/unreachable", effect="NoSchedule"),
}


def is_schedulable(wants: Wants, node: NodeInfo) -> Refusals:
    if node.aspects.unschedulable and not taints.tolerated(_CORDON, wants.tolerations):
        return (CORDONED,)
    return FITS


def is_ready(wants: Wants, node: NodeInfo) -> Refusals:
    taint = _SILENCE.get(node.aspects.ready)
    if taint and not taints.tolerated(taint, wants.tolerations):
        return (NOT_READY,)
    return FITS
