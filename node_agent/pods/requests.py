"""What a pod needs of its node. Pure.

Main containers and sidecars run side by side, so they add up; init containers run one after the other beside the
sidecars started before them, so of these the largest counts.
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers
"""

from api import quantity
from node_agent.pods.qos import request
from node_agent.pods.view import is_sidecar
from proto.v1.pod_pb2 import Container, Pod


def pod_request(pod: Pod, resource: str) -> int:
    """In thousandths for cpu, whole units for everything else."""
    sidecars = peak = 0
    for container in pod.spec.initContainers:
        amount = _amount(container, resource)
        if is_sidecar(container):
            sidecars += amount
            peak = max(peak, sidecars)
        else:
            peak = max(peak, sidecars + amount)
    steady = sidecars + sum(_amount(c, resource) for c in pod.spec.containers)
    return max(peak, steady) + count(resource, pod.spec.overhead.get(resource, ""))


def count(resource: str, text: str) -> int:
    """The unit in which a resource is counted."""
    return quantity.millis(text) if resource == "cpu" else quantity.value(text)


def _amount(container: Container, resource: str) -> int:
    return count(resource, request(container, resource))
