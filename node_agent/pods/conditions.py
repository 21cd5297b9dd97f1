"""The conditions of a pod: how far it has come, each with a reason when it has not. Pure.

Conditions that others own (PodScheduled, readiness gates) are kept as they are; a condition that stays as it was
keeps its transition time.
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-conditions
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from api import clock
from node_agent.pods.view import is_sidecar
from proto.v1.pod_pb2 import ContainerStatus, Pod, PodCondition, PodStatus

OURS = ("PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready")


def conditions(pod: Pod, status: PodStatus, *, has_network: bool) -> list[PodCondition]:
    """Ours, computed from the rest of `status`; without transition times."""
    ready = _containers_ready(pod, status)
    return [
        _condition("PodReadyToStartContainers", has_network),
        _initialized(pod, status),
        ready,
        _ready(pod, ready),
    ]


def merge(
    old: Sequence[PodCondition], new: Iterable[PodCondition], now: datetime
) -> list[PodCondition]:
    """The old ones with ours replaced, in their old order."""
    fresh = {condition.type: condition for condition in new}
    merged = []
    for before in old:
        condition = fresh.pop(before.type, before)
        if condition is not before:
            _keep_time(condition, before, now)
        merged.append(condition)
    for condition in fresh.values():
        condition.lastTransitionTime.CopyFrom(clock.timestamp(now))
        merged.append(condition)
    return merged


def _keep_time(condition: PodCondition, before: PodCondition, now: datetime) -> None:
    if before.status == condition.status and before.HasField("lastTransitionTime"):
        condition.lastTransitionTime.CopyFrom(before.lastTransitionTime)
    else:
        condition.lastTransitionTime.CopyFrom(clock.timestamp(now))


def _condition(kind: str, holds: bool, reason: str = "", message: str = "") -> PodCondition:
    return PodCondition(
        type=kind, status="True" if holds else "False", reason=reason, message=message
    )


def _initialized(pod: Pod, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("Initialized", True, "PodCompleted")
    if any(s.state.HasField("running") or s.restartCount for s in status.containerStatuses):
        return _condition("Initialized", True)
    sidecars = {c.name for c in pod.spec.initContainers if is_sidecar(c)}
    behind = [
        s.name
        for s in status.initContainerStatuses
        if not (s.started if s.name in sidecars else s.ready)
    ]
    if not behind:
        return _condition("Initialized", True)
    message = f"containers with incomplete status: [{' '.join(behind)}]"
    return _condition("Initialized", False, "ContainersNotInitialized", message)


def _containers_ready(pod: Pod, status: PodStatus) -> PodCondition:
    if status.phase == "Succeeded":
        return _condition("ContainersReady", False, "PodCompleted")
    if status.phase == "Failed":
        return _condition("ContainersReady", False, "PodFailed")
    unready = [s.name for s in _lasting(pod, status) if not s.ready]
    if not unready:
        return _condition("ContainersReady", True)
    message = f"containers with unready status: [{' '.join(unready)}]"
    return _condition("ContainersReady", False, "ContainersNotReady", message)


def _lasting(pod: Pod, status: PodStatus) -> list[ContainerStatus]:
    sidecars = {c.name for c in pod.spec.initContainers if is_sidecar(c)}
    return [
        *(s for s in status.initContainerStatuses if s.name in sidecars),
        *status.containerStatuses,
    ]


def _ready(pod: Pod, containers: PodCondition) -> PodCondition:
    if containers.status == "False":
        return _condition("Ready", False, containers.reason, containers.message)
    said = {condition.type: condition.status for condition in pod.status.conditions}
    missing = [
        f'the status of pod readiness gate "{gate.conditionType}" is not "True", '
        f"but {said[gate.conditionType]}"
        if gate.conditionType in said
        else f'corresponding condition of pod readiness gate "{gate.conditionType}" does not exist.'
        for gate in pod.spec.readinessGates
        if said.get(gate.conditionType) != "True"
    ]
    if missing:
        return _condition("Ready", False, "ReadinessGatesNotReady", ", ".join(missing))
    return _condition("Ready", True)
