"""The pod that a DaemonSet makes for a node, and how to see from a pod for which node it was made.

The node stands in the pod's required affinity, by name (`matchFields`), and replaces what the template requires: that
has been decided already. It is not written into `spec.nodeName`, because a pod that has a node is never scheduled, and
nobody would have asked whether there is room.
"""

from control_plane.controllers.newpod import pod_of
from control_plane.controllers.revisions import POD_LABEL
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.pod_pb2 import NodeSelectorRequirement, NodeSelectorTerm, Pod, PodSpec, Toleration

_NODE = "node.kubernetes.io/"
# A daemon stays on a node that is in trouble: it is there to look after it. And it comes to one that is cordoned.
STAYS = (f"{_NODE}not-ready", f"{_NODE}unreachable")
COMES = tuple(
    _NODE + each for each in ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable")
)
NO_NETWORK = f"{_NODE}network-unavailable"  # no hindrance for a pod that has the node's own
_NAME = "metadata.name"


def new_pod(daemonset: DaemonSet, name: str, node: str, digest: str) -> Pod:
    """`digest`: of the revision that the template is."""
    pod = pod_of(daemonset, daemonset.spec.template, name)
    pod.metadata.labels[POD_LABEL] = digest
    pod.spec.CopyFrom(tolerant(pod.spec))
    required = pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    here = NodeSelectorRequirement(key=_NAME, operator="In", values=[node])
    required.ClearField("nodeSelectorTerms")
    required.nodeSelectorTerms.append(NodeSelectorTerm(matchFields=[here]))
    return pod


def tolerant(spec: PodSpec) -> PodSpec:
    """A copy that puts up with what every daemon puts up with."""
    copy = PodSpec()
    copy.CopyFrom(spec)
    wanted = [(key, "NoExecute") for key in STAYS] + [(key, "NoSchedule") for key in COMES]
    if spec.hostNetwork:
        wanted.append((NO_NETWORK, "NoSchedule"))
    for key, effect in wanted:
        _tolerate(copy, Toleration(key=key, operator="Exists", effect=effect))
    return copy


def _tolerate(spec: PodSpec, wanted: Toleration) -> None:
    """In the place of what the template says of the same taint: it must not say "for 300 seconds"."""
    for known in spec.tolerations:
        if (known.key, known.effect, known.operator, known.value) == (
            wanted.key,
            wanted.effect,
            wanted.operator,
            wanted.value,
        ):
            known.CopyFrom(wanted)
            return
    spec.tolerations.append(wanted)


def node_of(pod: Pod) -> str:
    """The node that it is on, or is to be on; empty: it does not say."""
    if pod.spec.nodeName:
        return str(pod.spec.nodeName)
    required = pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    for term in required.nodeSelectorTerms:
        for field in term.matchFields:
            if field.key == _NAME and field.operator == "In":
                return str(field.values[0]) if len(field.values) == 1 else ""
    return ""


def is_of(pod: Pod, digest: str) -> bool:
    """It was made from the template of that revision."""
    return bool(pod.metadata.labels.get(POD_LABEL, "") == digest)
