"""The Node object of a machine: what it is, what it has, how it is. Pure.

https://kubernetes.io/docs/reference/node/node-status/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api import clock
from api.podranges import WISH
from node_agent.machine import Machine, Pressure
from node_agent.runtime.model import ImageInfo
from proto.v1.cluster_pb2 import (
    ContainerImage,
    Node,
    NodeAddress,
    NodeCondition,
    NodeStatus,
    NodeSystemInfo,
)

MOST_IMAGES = 50
VERSION = "v1.36.0-helmling"
NO_PRESSURE = Pressure()


@dataclass(frozen=True)
class NodeDescription:
    """What is decided when the agent starts."""

    name: str
    machine: Machine
    pod_cidr: str  # "": the cluster is to give it one
    runtime_version: str = ""
    port: int = 0  # where the agent's streams are
    most_pods: int = 110
    labels: Mapping[str, str] = field(default_factory=dict)
    last_pod_cidr: str = ""  # what it had before the agent started


@dataclass(frozen=True)
class NodeHealth:
    """What is observed again and again."""

    trouble: str = ""  # why the node cannot run pods; "": it can
    pressure: Pressure = NO_PRESSURE
    images: Sequence[ImageInfo] = ()


def new_node(about: NodeDescription, last_pod_cidr: str = "") -> Node:
    """As it is registered; the status follows. It asks for the range that its pods have addresses of."""
    node = Node(apiVersion="v1", kind="Node")
    node.metadata.name = about.name
    node.metadata.labels.update(labels(about))
    if about.pod_cidr:
        node.spec.podCIDR = about.pod_cidr
        node.spec.podCIDRs.append(about.pod_cidr)
    elif wish := last_pod_cidr or about.last_pod_cidr:
        node.metadata.annotations[WISH] = wish
    return node


def labels(about: NodeDescription) -> dict[str, str]:
    """The labels that every node has; the administrator's own win."""
    arch = about.machine.architecture
    return {
        "kubernetes.io/hostname": about.name,
        "kubernetes.io/os": "linux",
        "kubernetes.io/arch": arch,
        "beta.kubernetes.io/os": "linux",
        "beta.kubernetes.io/arch": arch,
        **about.labels,
    }


def corrected(node: Node, about: NodeDescription) -> Node | None:
    """The registered node with what it lacks of ours; None when it lacks nothing."""
    fresh = Node()
    fresh.CopyFrom(node)
    fresh.metadata.labels.update(labels(about))
    if about.pod_cidr and not fresh.spec.podCIDR:
        fresh.spec.podCIDR = about.pod_cidr
        fresh.spec.podCIDRs[:] = [about.pod_cidr]
    return None if fresh == node else fresh


def node_status(
    about: NodeDescription, health: NodeHealth, before: NodeStatus, now: datetime
) -> NodeStatus:
    """What to report; conditions that others own are kept."""
    machine = about.machine
    capacity = {
        "cpu": str(machine.cores),
        "memory": f"{machine.memory // 1024}Ki",
        "ephemeral-storage": f"{machine.disk // 1024}Ki",
        "pods": str(about.most_pods),
    }
    status = NodeStatus(capacity=capacity, allocatable=capacity)
    status.addresses.append(NodeAddress(type="InternalIP", address=machine.address))
    status.addresses.append(NodeAddress(type="Hostname", address=about.name))
    status.daemonEndpoints.kubeletEndpoint.Port = about.port
    status.nodeInfo.CopyFrom(_system(about))
    status.images.extend(_images(health.images))
    status.conditions.extend(_conditions(health, before, now))
    return status


def same_but_for_time(one: NodeStatus, other: NodeStatus) -> bool:
    """Do they say the same, whenever it was said?"""
    return _timeless(one) == _timeless(other)


def _timeless(status: NodeStatus) -> NodeStatus:
    bare = NodeStatus()
    bare.CopyFrom(status)
    for condition in bare.conditions:
        condition.ClearField("lastHeartbeatTime")
    return bare


def _system(about: NodeDescription) -> NodeSystemInfo:
    machine = about.machine
    return NodeSystemInfo(
        machineID=machine.machine_id,
        systemUUID=machine.machine_id,
        bootID=machine.boot_id,
        kernelVersion=machine.kernel,
        osImage=machine.os_image,
        containerRuntimeVersion=about.runtime_version,
        kubeletVersion=VERSION,
        kubeProxyVersion=VERSION,
        operatingSystem="linux",
        architecture=machine.architecture,
    )


def _images(images: Sequence[ImageInfo]) -> list[ContainerImage]:
    largest = sorted(images, key=lambda image: (-image.size_bytes, image.id))[:MOST_IMAGES]
    return [ContainerImage(names=i.references, sizeBytes=i.size_bytes) for i in largest]


def _conditions(health: NodeHealth, before: NodeStatus, now: datetime) -> list[NodeCondition]:
    pressure = health.pressure
    ours = [
        _pressure("MemoryPressure", pressure.memory, "Memory", "memory available"),
        _pressure("DiskPressure", pressure.disk, "Disk", "disk space"),
        _pressure("PIDPressure", pressure.pids, "PID", "PID available"),
        _ready(health.trouble),
    ]
    known = {condition.type: condition for condition in before.conditions}
    for condition in ours:
        condition.lastHeartbeatTime.CopyFrom(clock.timestamp(now))
        old = known.pop(condition.type, None)
        if old is not None and old.status == condition.status:
            condition.lastTransitionTime.CopyFrom(old.lastTransitionTime)
        else:
            condition.lastTransitionTime.CopyFrom(clock.timestamp(now))
    return [*known.values(), *ours]


def _pressure(kind: str, holds: bool, word: str, thing: str) -> NodeCondition:
    no_disk = kind == "DiskPressure"
    if holds:
        reason = "KubeletHasDiskPressure" if no_disk else f"KubeletHasInsufficient{word}"
        message = f"the node has insufficient {thing}"
    else:
        reason = "KubeletHasNoDiskPressure" if no_disk else f"KubeletHasSufficient{word}"
        message = f"the node has sufficient {thing}"
    return NodeCondition(
        type=kind, status="True" if holds else "False", reason=reason, message=message
    )


def _ready(trouble: str) -> NodeCondition:
    if trouble:
        message = f"the node's agent cannot run pods: {trouble}"
        return NodeCondition(
            type="Ready", status="False", reason="KubeletNotReady", message=message
        )
    message = "the node's agent is posting ready status"
    return NodeCondition(type="Ready", status="True", reason="KubeletReady", message=message)
