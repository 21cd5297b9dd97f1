"""How fast are decisions? Pods of one shape onto equal nodes, nothing else: python bench/scheduler_load.py [nodes …]

Three sorts of pods: plain ones; replicas of a controller, which are spread over hosts and zones by default; and
pods with anti-affinity, of which each node takes one. A decision is choosing the node and counting the pod there.
"""

import sys
import time

from control_plane.scheduler.choose import Chooser
from control_plane.scheduler.cluster import snapshot_of
from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.shape import Shapes
from proto.v1.cluster_pb2 import Node, NodeCondition
from proto.v1.meta_pb2 import LabelSelector, OwnerReference
from proto.v1.pod_pb2 import Pod, PodAffinityTerm


def node(number: int) -> Node:
    found = Node()
    found.metadata.name = f"node-{number}"
    found.metadata.labels["kubernetes.io/hostname"] = found.metadata.name
    found.metadata.labels["topology.kubernetes.io/zone"] = f"zone-{number % 3}"
    for resource, amount in (("cpu", "32"), ("memory", "64Gi"), ("pods", "110")):
        found.status.allocatable[resource] = amount
    found.status.conditions.append(NodeCondition(type="Ready", status="True"))
    return found


def pod(sort: str) -> Pod:
    found = Pod()
    found.metadata.name, found.metadata.namespace = "web", "default"
    found.metadata.labels["app"] = "web"
    container = found.spec.containers.add(name="web", image="web:1")
    container.resources.requests["cpu"] = "100m"
    container.resources.requests["memory"] = "128Mi"
    if sort != "plain":
        owner = OwnerReference(kind="ReplicaSet", name="web", uid="1", controller=True)
        found.metadata.ownerReferences.append(owner)
    if sort == "apart":
        term = PodAffinityTerm(topologyKey="kubernetes.io/hostname")
        term.labelSelector.CopyFrom(LabelSelector(matchLabels={"app": "web"}))
        apart = found.spec.affinity.podAntiAffinity
        apart.requiredDuringSchedulingIgnoredDuringExecution.append(term)
    return found


def measure(nodes: int, sort: str) -> tuple[float, float]:
    """Seconds of the first decision, which looks at every node; and decisions per second after it."""
    snapshot = snapshot_of(node(number) for number in range(nodes))
    chooser, shape = Chooser(snapshot), Shapes().of(pod(sort))
    pods = min(10 * nodes, 20_000) if sort != "apart" else nodes
    began = time.perf_counter()
    for number in range(pods):
        chosen = chooser.choose(shape)
        if isinstance(chosen, Unschedulable):
            raise SystemExit(chosen.message)
        snapshot.place(f"default/web-{number}", str(number), shape, chosen.name)
        if not number:
            first = time.perf_counter() - began
    return first, (pods - 1) / (time.perf_counter() - began - first)


def main() -> None:
    for nodes in map(int, sys.argv[1:] or ("100", "1000", "5000")):
        for sort in ("plain", "replicas", "apart"):
            first, speed = measure(nodes, sort)
            print(f"{nodes:5} nodes  {sort:8}  first {first * 1e3:6.1f} ms  then {speed:7.0f}/s")


if __name__ == "__main__":
    main()
