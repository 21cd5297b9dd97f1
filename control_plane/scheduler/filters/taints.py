"""A taint keeps pods off a node unless they say that they can live with it (S#54).

NoSchedule and NoExecute are walls, PreferNoSchedule is a wish (scores/taints.py). A toleration without a key
tolerates every key, without an effect every effect; Exists does not look at the value.
"""

from collections.abc import Iterable

from control_plane.scheduler.refusal import FITS, Refusal, Refusals
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo
from proto.v1.cluster_pb2 import Taint
from proto.v1.pod_pb2 import Toleration

NAME = "TaintToleration"
WALLS = ("NoSchedule", "NoExecute")


def tolerates_taints(wants: Wants, node: NodeInfo) -> Refusals:
    for taint in node.taints:
        if taint.effect in WALLS and not tolerated(taint, wants.tolerations):
            return (Refusal(NAME, f"node(s) had untolerated taint {{{taint.key}: {taint.value}}}"),)
    return FITS


def tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(_matches(toleration, taint) for toleration in tolerations)


def _matches(toleration: Toleration, taint: Taint) -> bool:
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or toleration.value == taint.value
