"""What a StatefulSet reports: how many pods there are, and how many of them are of which revision."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from control_plane.controllers.pods import available_at, is_available, is_ending, ready_since
from control_plane.controllers.statefulset.identity import revision_of
from proto.v1.apps_pb2 import StatefulSet, StatefulSetStatus
from proto.v1.pod_pb2 import Pod


def is_ready(pod: Pod) -> bool:
    return pod.status.phase == "Running" and ready_since(pod) is not None


def is_unavailable(sts: StatefulSet, pod: Pod, now: datetime) -> bool:
    """Others have to wait for it."""
    usable = is_ready(pod) and is_available(pod, sts.spec.minReadySeconds, now)
    return is_ending(pod) or not usable


def counted(
    sts: StatefulSet, pods: Sequence[Pod], current: str, update: str, now: datetime
) -> StatefulSetStatus:
    """The pods that exist, those that are ending included (but these are of no revision any more)."""
    ready = [pod for pod in pods if is_ready(pod)]
    staying = [revision_of(pod) for pod in pods if not is_ending(pod)]
    delay = sts.spec.minReadySeconds
    status = StatefulSetStatus(
        observedGeneration=sts.metadata.generation,
        replicas=len(pods),
        readyReplicas=len(ready),
        availableReplicas=sum(is_available(pod, delay, now) for pod in ready),
        currentReplicas=staying.count(current),
        updatedReplicas=staying.count(update),
        currentRevision=current,
        updateRevision=update,
        collisionCount=sts.status.collisionCount,
    )
    status.conditions.extend(sts.status.conditions)
    return status


def complete_update(sts: StatefulSet, status: StatefulSetStatus) -> None:
    """When all pods are of the new revision and ready, it becomes the current one. (Never with OnDelete.)"""
    counts = {status.updatedReplicas, status.readyReplicas, status.replicas}
    if sts.spec.updateStrategy.type == "RollingUpdate" and counts == {sts.spec.replicas}:
        status.currentReplicas = status.updatedReplicas
        status.currentRevision = status.updateRevision


def next_look(sts: StatefulSet, pods: Iterable[Pod], now: datetime) -> float | None:
    """Seconds until time alone makes a pod available."""
    moments = (available_at(pod, sts.spec.minReadySeconds) for pod in pods)
    due = [moment for moment in moments if moment and moment > now]
    return (min(due) - now).total_seconds() if due else None
