"""May this pod run on this node? Pure; asked once, when the pod arrives.

The scheduler asked the same, of a cluster as it saw it; a pod may also have been sent here past the scheduler
(spec.nodeName). A pod that is refused is Failed at once, with the reason, and whoever wanted it makes another one.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from node_agent.pods.requests import count, pod_request
from proto.v1.cluster_pb2 import Node, Taint
from proto.v1.pod_pb2 import NodeSelectorRequirement, NodeSelectorTerm, Pod, Toleration

COUNTED = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True)
class Refusal:
    reason: str  # one word, for the pod's status
    message: str


def refusal(pod: Pod, others: Sequence[Pod], node: Node) -> Refusal | None:
    """`others` are the pods that are on the node and not over."""
    return (
        _crowded(pod, others, node.status.allocatable)
        or _misplaced(pod, node)
        or _untolerated(pod, node)
        or _port_taken(pod, others)
    )


def _crowded(pod: Pod, others: Sequence[Pod], allocatable: Mapping[str, str]) -> Refusal | None:
    if "pods" in allocatable:
        most = count("pods", allocatable["pods"])
        if len(others) + 1 > most:
            return _short("pods", 1, len(others), most)
    for resource in COUNTED:
        if resource not in allocatable:
            continue
        wanted, there = pod_request(pod, resource), count(resource, allocatable[resource])
        used = sum(pod_request(other, resource) for other in others)
        if wanted and wanted + used > there:
            return _short(resource, wanted, used, there)
    return None


def _short(resource: str, wanted: int, used: int, there: int) -> Refusal:
    return Refusal(
        f"OutOf{resource}",
        f"Pod was rejected: Node didn't have enough resource: {resource}, "
        f"requested: {wanted}, used: {used}, capacity: {there}",
    )


def _predicate(reason: str, because: str) -> Refusal:
    return Refusal(reason, f"Pod was rejected: Predicate {reason} failed: {because}")


def _misplaced(pod: Pod, node: Node) -> Refusal | None:
    labels = node.metadata.labels
    fits = all(labels.get(key) == value for key, value in pod.spec.nodeSelector.items())
    wish = pod.spec.affinity.nodeAffinity
    if wish.HasField("requiredDuringSchedulingIgnoredDuringExecution"):
        terms = wish.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms
        fits = fits and any(_matches(term, node) for term in terms)
    if fits:
        return None
    return _predicate("NodeAffinity", "node(s) didn't match Pod's node affinity/selector")


def _matches(term: NodeSelectorTerm, node: Node) -> bool:
    if not term.matchExpressions and not term.matchFields:
        return False
    fields = {"metadata.name": node.metadata.name}
    return all(_holds(r, node.metadata.labels) for r in term.matchExpressions) and all(
        _holds(r, fields) for r in term.matchFields
    )


def _holds(requirement: NodeSelectorRequirement, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(requirement.key), requirement.values
    match requirement.operator:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
    try:
        number, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if requirement.operator == "Gt" else number < bound


def _untolerated(pod: Pod, node: Node) -> Refusal | None:
    for taint in node.spec.taints:
        if taint.effect == "NoExecute" and not _tolerated(taint, pod.spec.tolerations):
            words = f"{taint.key}: {taint.value}" if taint.value else taint.key
            because = f"node(s) had taint {{{words}}}, that the pod didn't tolerate"
            return _predicate("TaintToleration", because)
    return None


def _tolerated(taint: Taint, tolerations: Iterable[Toleration]) -> bool:
    return any(
        (not t.effect or t.effect == taint.effect)
        and (t.key == taint.key or (not t.key and t.operator == "Exists"))
        and (t.operator == "Exists" or t.value == taint.value)
        for t in tolerations
    )


def _port_taken(pod: Pod, others: Sequence[Pod]) -> Refusal | None:
    taken = {port for other in others for port in _host_ports(other)}
    for protocol, address, number in _host_ports(pod):
        for other_protocol, other_address, other_number in taken:
            same = (protocol, number) == (other_protocol, other_number)
            if same and (address == other_address or "" in (address, other_address)):
                return _predicate(
                    "NodePorts",
                    f"node(s) didn't have free ports for the requested pod ports ({number})",
                )
    return None


def _host_ports(pod: Pod) -> list[tuple[str, str, int]]:
    """(protocol, address, port); all addresses are ""."""
    found = []
    for container in (*pod.spec.initContainers, *pod.spec.containers):
        for port in container.ports:
            number = port.hostPort or (port.containerPort if pod.spec.hostNetwork else 0)
            if number:
                address = "" if port.hostIP in ("", "0.0.0.0", "::") else port.hostIP
                found.append((port.protocol or "TCP", address, number))
    return found
