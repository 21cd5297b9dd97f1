"""The addresses of pods: the cluster has a range, every node has a part of it.

A node's part is in its spec (`podCIDR`), as in Kubernetes. What Kubernetes tells its agents by a flag on every machine,
how large the whole is, is written beside it in the same moment, as an annotation: so no agent can have been told wrong.
"""

from dataclasses import dataclass
from ipaddress import IPv4Network

from proto.v1.cluster_pb2 import Node

CLUSTER = "node.helmling.dev/cluster-cidr"  # on a node: the range of all nodes' pods
WISH = "node.helmling.dev/last-pod-cidr"  # on a new node: the part that its machine had before
DEFAULT_CLUSTER_CIDR, DEFAULT_NODE_MASK = "10.244.0.0/16", 24


@dataclass(frozen=True, slots=True)
class PodRange:
    """Both as CIDRs."""

    pods: str  # of the node's pods
    cluster: str  # of all pods


def range_of(node: Node) -> PodRange | None:
    """What the node was given; None: nothing yet. Without the annotation it is a cluster of its own."""
    if not node.spec.podCIDR:
        return None
    return PodRange(node.spec.podCIDR, node.metadata.annotations.get(CLUSTER, node.spec.podCIDR))


def within(part: str, whole: str) -> bool:
    """Whether one range is a part of the other. What is no IPv4 range is none."""
    try:
        return IPv4Network(part).subnet_of(IPv4Network(whole))
    except ValueError:
        return False
