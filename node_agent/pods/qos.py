"""How a pod stands when memory runs out: Guaranteed, Burstable or BestEffort. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/
"""

from api import quantity
from proto.v1.pod_pb2 import Container, Pod

COUNTED = ("cpu", "memory")
CRITICAL_PRIORITY = 2_000_000_000  # of system-node-critical and system-cluster-critical, and above
GUARANTEED_SCORE, BEST_EFFORT_SCORE = -997, 1000


def qos_class(pod: Pod) -> str:
    """By requests and limits of cpu and memory of all containers."""
    containers = (*pod.spec.initContainers, *pod.spec.containers)
    if not any(_asks(c) for c in containers):
        return "BestEffort"
    return "Guaranteed" if all(_is_guaranteed(c) for c in containers) else "Burstable"


def _asks(container: Container) -> bool:
    res = container.resources
    return any(quantity.millis(m.get(r, "")) for m in (res.requests, res.limits) for r in COUNTED)


def _is_guaranteed(container: Container) -> bool:
    limits, requests = container.resources.limits, container.resources.requests
    return all(
        quantity.millis(limits.get(r, ""))
        and quantity.parse(requests.get(r) or limits[r]) == quantity.parse(limits[r])
        for r in COUNTED
    )


def oom_score_adj(pod: Pod, container: Container, node_memory: int) -> int:
    """The kernel's bias: the more memory was set aside for a container, the later it is chosen."""
    if pod.spec.priority >= CRITICAL_PRIORITY:
        return GUARANTEED_SCORE
    quality = qos_class(pod)
    if quality == "Guaranteed":
        return GUARANTEED_SCORE
    if quality == "BestEffort":
        return BEST_EFFORT_SCORE
    asked = quantity.value(request(container, "memory"))
    score = 1000 - 1000 * asked // max(node_memory, 1)
    return min(max(score, 1000 + GUARANTEED_SCORE), BEST_EFFORT_SCORE - 1)


def request(container: Container, resource: str) -> str:
    """What is set aside for the container: its request, or its limit when it names no request."""
    res = container.resources
    return res.requests.get(resource, "") or res.limits.get(resource, "")
