"""Which nodes should run a DaemonSet's pod, and on which may one that is there go on.

The two differ by one thing: a taint NoSchedule keeps new pods away and leaves the ones that are there alone. Room is
not asked for here. A node that is full should run the pod all the same; that the pod has to wait is for all to see.
"""

from typing import NamedTuple

from control_plane.controllers.daemonset.template import tolerant
from control_plane.scheduler.filters.node_affinity import matches_affinity
from control_plane.scheduler.filters.taints import WALLS, tolerated
from control_plane.scheduler.shape import Wants
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.cluster_pb2 import Node


class Verdict(NamedTuple):
    wanted: bool  # a pod should be there
    kept: bool  # a pod that is there may stay


NEITHER, STAY, BOTH = Verdict(False, False), Verdict(False, True), Verdict(True, True)


class _Labelled(NamedTuple):
    """As much of a node as affinity looks at."""

    name: str
    labels: dict[str, str]


class Demand:
    """What a template demands of a node. Compiled once, asked about each."""

    def __init__(self, daemonset: DaemonSet) -> None:
        spec = daemonset.spec.template.spec
        self._name: str = spec.nodeName
        self._wants = Wants(tolerant(spec))

    def verdict(self, node: Node) -> Verdict:
        meta = node.metadata
        if self._name and self._name != meta.name:
            return NEITHER
        if matches_affinity(self._wants, _Labelled(meta.name, dict(meta.labels))):
            return NEITHER
        tolerations = self._wants.tolerations
        refused = [each.effect for each in node.spec.taints if not tolerated(each, tolerations)]
        if "NoExecute" in refused:
            return NEITHER
        return STAY if any(effect in WALLS for effect in refused) else BOTH
