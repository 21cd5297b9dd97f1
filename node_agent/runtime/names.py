"""The names and labels by which a node finds its own again.

One engine may serve several clusters and nodes (a lab runs three nodes on one machine), and after
a crash the agent has nothing but the engine to ask. So every container carries labels that say
all about it, and a name that follows from what it is: a second create of the same thing collides
with the first instead of doubling it.
"""

import hashlib

PREFIX = "helmling.dev/"
CLUSTER = PREFIX + "cluster"
NODE = PREFIX + "node"
KIND = PREFIX + "kind"  # sandbox | container
POD_UID = PREFIX + "pod-uid"
POD_NAME = PREFIX + "pod-name"
POD_NAMESPACE = PREFIX + "pod-namespace"
CONTAINER = PREFIX + "container"
ATTEMPT = PREFIX + "attempt"
IP = PREFIX + "ip"
NAMESPACES = PREFIX + "namespaces"  # the shared ones, JSON
CGROUP_PARENT = PREFIX + "cgroup-parent"
SPEC_HASH = PREFIX + "spec-hash"
TERMINATION_FILE = PREFIX + "termination-file"  # its path on the host
LABELS = PREFIX + "labels"  # the pod's own, JSON
ANNOTATIONS = PREFIX + "annotations"


def instance(cluster: str, node: str) -> str:
    """Eight hex digits that tell apart the nodes sharing a machine; also in its links' names."""
    return hashlib.sha256(f"{cluster}/{node}".encode()).hexdigest()[:8]


def sandbox_name(instance_id: str, pod_uid: str, attempt: int) -> str:
    """The engine's name for a sandbox: one part fewer than any container's."""
    return f"hl-{instance_id}.{pod_uid}.{attempt}"


def container_name(instance_id: str, pod_uid: str, name: str, attempt: int) -> str:
    """The engine's name for one run of one container of a pod."""
    return f"hl-{instance_id}.{pod_uid}.{name}.{attempt}"
