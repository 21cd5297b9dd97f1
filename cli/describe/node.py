"""A node in words, with what its pods have asked of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from api import clock
from api.duration import human_duration
from api.quantity import ZERO, Quantity, parse
from cli.describe.lines import (  # fmt: skip
    NONE,
    UNSET,
    Field,
    fields,
    identity,
    marks,
    moment,
    section,
    table,
    yes,
)
from cli.describe.pod import rows_of

ROLE = "node-role.kubernetes.io/"
INFO = (
    ("Machine ID", "machineID"),
    ("System UUID", "systemUUID"),
    ("Boot ID", "bootID"),
    ("Kernel Version", "kernelVersion"),
    ("OS Image", "osImage"),
    ("Operating System", "operatingSystem"),
    ("Architecture", "architecture"),
    ("Container Runtime Version", "containerRuntimeVersion"),
    ("Kubelet Version", "kubeletVersion"),
)


def describe_node(node: Any, pods: Sequence[Any], lease: Any) -> list[str]:
    """`lease`: the node's sign of life, or None."""
    status = node.status
    lines = fields(_head(node))
    lines += _lease(lease)
    lines += ["Conditions:", *table(*_conditions(status.conditions))] if status.conditions else []
    lines += section(
        "Addresses", fields([(each.type, each.address) for each in status.addresses], "  ")
    )
    lines += section("Capacity", fields(_amounts(status.capacity), "  "))
    lines += section("Allocatable", fields(_amounts(status.allocatable), "  "))
    lines += [
        "System Info:",
        *fields([(title, getattr(status.nodeInfo, name)) for title, name in INFO], "  "),
    ]
    lines += fields([("PodCIDR", node.spec.podCIDR or NONE)])
    return lines + _pods(node, rows_of(pods))


def _head(node: Any) -> list[Field]:
    meta, spec = node.metadata, node.spec
    roles = sorted(label[len(ROLE) :] for label in meta.labels if label.startswith(ROLE))
    taints = [f"{t.key}{f'={t.value}' if t.value else ''}:{t.effect}" for t in spec.taints]
    return [
        *identity(meta, namespaced=False),
        ("Roles", ",".join(roles) or NONE),
        *marks(meta),
        ("CreationTimestamp", moment(meta.creationTimestamp)),
        ("Taints", taints or NONE),
        ("Unschedulable", yes(spec.unschedulable).lower()),
    ]


def _lease(lease: Any) -> list[str]:
    if lease is None:
        return ["Lease:  " + NONE]
    spec = lease.spec
    rows: list[Field] = [
        ("HolderIdentity", spec.holderIdentity or UNSET),
        ("AcquireTime", moment(spec.acquireTime)),
        ("RenewTime", moment(spec.renewTime)),
    ]
    return ["Lease:", *fields(rows, "  ")]


def _conditions(conditions: Sequence[Any]) -> tuple[list[str], list[list[str]]]:
    header = ["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"]
    return header, [
        [
            c.type,
            c.status,
            moment(c.lastHeartbeatTime),
            moment(c.lastTransitionTime),
            c.reason,
            c.message,
        ]
        for c in conditions
    ]


def _amounts(amounts: Mapping[str, str]) -> list[Field]:
    return [(name, amounts[name]) for name in sorted(amounts)]


def _pods(node: Any, pods: Sequence[Any]) -> list[str]:
    allocatable = node.status.allocatable
    header = [
        "Namespace",
        "Name",
        "CPU Requests",
        "CPU Limits",
        "Memory Requests",
        "Memory Limits",
        "Age",
    ]
    rows = [_pod_row(pod, allocatable) for pod in pods]
    lines = [f"Non-terminated Pods:  ({len(pods)} in total)"]
    lines += table(header, rows) if rows else []
    lines += [
        "Allocated resources:",
        "  (Total limits may be over 100 percent, i.e., overcommitted.)",
    ]
    return lines + table(["Resource", "Requests", "Limits"], _totals(pods, allocatable))


def _pod_row(pod: Any, allocatable: Mapping[str, str]) -> list[str]:
    shares = [
        _share(wanted(pod, kind, resource), resource, allocatable)
        for resource in ("cpu", "memory")
        for kind in ("requests", "limits")
    ]
    age = clock.now().timestamp() - pod.metadata.creationTimestamp.seconds
    return [pod.metadata.namespace, pod.metadata.name, *shares, human_duration(age)]


def _totals(pods: Sequence[Any], allocatable: Mapping[str, str]) -> list[list[str]]:
    rows = []
    for resource in ("cpu", "memory", "ephemeral-storage"):
        sums = [
            sum((wanted(pod, kind, resource) for pod in pods), ZERO)
            for kind in ("requests", "limits")
        ]
        rows.append([resource, *(_share(total, resource, allocatable) for total in sums)])
    return rows


def wanted(pod: Any, kind: str, resource: str) -> Quantity:
    """What the pod asks for: its containers together, or its largest init container if that is more."""

    def of(container: Any) -> Quantity:
        text = getattr(container.resources, kind).get(resource, "")
        return parse(text) if text else ZERO

    sidecars = [each for each in pod.spec.initContainers if each.restartPolicy == "Always"]
    together = sum((of(each) for each in [*pod.spec.containers, *sidecars]), ZERO)
    return max(
        [together, *(of(each) for each in pod.spec.initContainers)], key=lambda amount: amount.nanos
    )


def _share(amount: Quantity, resource: str, allocatable: Mapping[str, str]) -> str:
    """`250m (12%)`."""
    whole = allocatable.get(resource, "")
    total = parse(whole).nanos if whole else 0
    return f"{amount} ({100 * amount.nanos // total if total else 0}%)"
