"""Nodes and pods for the scheduler's tests, written the way people write them."""

from typing import Any

from google.protobuf import json_format

from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.shape import Shapes
from control_plane.scheduler.snapshot import Snapshot
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

READY = {"type": "Ready", "status": "True"}


def node(
    name: str,
    cpu: str = "4",
    memory: str = "8Gi",
    pods: str = "110",
    *,
    labels: dict[str, str] | None = None,
    taints: list[dict[str, str]] | None = None,
    unschedulable: bool = False,
    ready: str | None = "True",
    images: list[dict[str, Any]] | None = None,
    **resources: str,
) -> Node:
    amounts = {"cpu": cpu, "memory": memory, "pods": pods, "ephemeral-storage": "100Gi"}
    return json_format.ParseDict(
        {
            "metadata": {
                "name": name,
                "labels": {"kubernetes.io/hostname": name, **(labels or {})},
            },
            "spec": {"taints": taints or [], "unschedulable": unschedulable},
            "status": {
                "allocatable": {**amounts, **resources},
                "conditions": [{"type": "Ready", "status": ready}] if ready else [],
                "images": images or [],
            },
        },
        Node(),
    )


def pod(
    name: str = "web",
    *,
    cpu: str = "",
    memory: str = "",
    namespace: str = "default",
    labels: dict[str, str] | None = None,
    owner: str = "",
    on: str = "",
    terminating: bool = False,
    requests: dict[str, str] | None = None,
    **spec: Any,
) -> Pod:
    wanted = {k: v for k, v in (("cpu", cpu), ("memory", memory)) if v} | (requests or {})
    replicaset = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": owner, "uid": owner}
    owners = [{**replicaset, "controller": True}]
    containers = [{"name": "main", "image": "main:1", "resources": {"requests": wanted}}]
    found = json_format.ParseDict(
        {
            "metadata": {
                "name": name,
                "namespace": namespace,
                "uid": f"uid-{name}",
                "labels": labels or {},
                "ownerReferences": owners if owner else [],
            },
            "spec": {
                "containers": containers,
                "nodeName": on,
                "schedulerName": "default-scheduler",
                **spec,
            },
        },
        Pod(),
    )
    if terminating:
        found.metadata.deletionTimestamp.FromJsonString("2026-01-01T00:00:00Z")
    return found


SHAPES = Shapes()


def cluster(*objects: Node | Pod) -> Snapshot:
    """A snapshot of these nodes, and of these pods on the nodes they name."""
    snapshot = Snapshot()
    for each in objects:
        if isinstance(each, Node):
            snapshot.set_node(each)
        else:
            key = f"{each.metadata.namespace}/{each.metadata.name}"
            snapshot.place(key, each.metadata.uid, SHAPES.of(each), each.spec.nodeName)
    return snapshot


def message(result: object) -> str:
    """What the pod's condition would say, or the node that was chosen."""
    return result.message if isinstance(result, Unschedulable) else result.name  # type: ignore[attr-defined]
