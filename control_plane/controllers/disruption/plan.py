"""What a PodDisruptionBudget reports: decisions only (S#101)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from google.protobuf.struct_pb2 import Value

from api import budgets, clock, conditions
from control_plane.controllers.disruption.scale import Expected, Find, expected
from control_plane.controllers.pods import is_ending, is_over, ready_since
from proto.v1.meta_pb2 import Condition
from proto.v1.pod_pb2 import Pod, PodCondition
from proto.v1.policy_pb2 import PodDisruptionBudget, PodDisruptionBudgetStatus

# From the grant of an eviction until its pod must be seen to end, and from "it is made to go" until that is no longer
# believed.
PATIENCE = timedelta(minutes=2)
KUBELET = "TerminationByKubelet"  # who gives this reason may take its time


@dataclass(frozen=True)
class Need:
    """How many pods there should be, and how many of them healthy."""

    expected: int
    healthy: int
    unmanaged: tuple[str, ...] = ()


def need(budget: PodDisruptionBudget, pods: Sequence[Pod], find: Find) -> Need:
    """Percentages are rounded up, in both directions. Raises NotCounted."""
    spec = budget.spec
    if spec.HasField("maxUnavailable"):
        found = expected(pods, find)
        return _needed(found, found.count - _of(spec.maxUnavailable, found.count))
    if not spec.HasField("minAvailable"):
        return Need(0, 0)
    if spec.minAvailable.WhichOneof("kind") == "number_value":
        return Need(len(pods), int(spec.minAvailable.number_value))  # whoever makes them
    found = expected(pods, find)
    return _needed(found, _of(spec.minAvailable, found.count))


def _needed(found: Expected, healthy: int) -> Need:
    return Need(found.count, max(healthy, 0), found.unmanaged)


def _of(value: Value, total: int) -> int:
    if value.WhichOneof("kind") == "number_value":
        return int(value.number_value)
    return math.ceil(int(value.string_value.removesuffix("%")) * total / 100)


@dataclass(frozen=True)
class Plan:
    status: PodDisruptionBudgetStatus
    given_up: Sequence[Pod] = ()  # their eviction was granted long ago, and they did not go
    look_again: float | None = None  # seconds until a grant is given up


def plan(budget: PodDisruptionBudget, pods: Sequence[Pod], needed: Need, now: datetime) -> Plan:
    """`pods`: all that the budget guards, those that end included."""
    granted = budget.status.disruptedPods
    waiting = [pod for pod in pods if pod.metadata.name in granted and not is_ending(pod)]
    due = {pod.metadata.name: _due(granted, pod) for pod in waiting}
    coming = {name: moment for name, moment in due.items() if moment >= now}
    healthy = sum(
        ready_since(pod) is not None and not is_ending(pod)
        for pod in pods
        if due.get(pod.metadata.name, now) <= now
    )
    status = _status(budget, needed, healthy, now)
    for name in coming:
        status.disruptedPods[name].CopyFrom(granted[name])
    return Plan(
        status,
        [pod for pod in waiting if pod.metadata.name not in coming],
        _seconds(min(coming.values(), default=None), now),
    )


def _due(granted: Mapping[str, object], pod: Pod) -> datetime:
    return clock.to_datetime(granted[pod.metadata.name]) + PATIENCE  # type: ignore[arg-type]


def _seconds(moment: datetime | None, now: datetime) -> float | None:
    """A little later than that, or it is not over yet."""
    return None if moment is None else (moment - now).total_seconds() + 0.01


def _status(
    budget: PodDisruptionBudget, needed: Need, healthy: int, now: datetime
) -> PodDisruptionBudgetStatus:
    """Where no pods are expected none may go: the first ones may be there before they are counted."""
    fresh = PodDisruptionBudget(metadata=budget.metadata)
    fresh.status.CopyFrom(
        PodDisruptionBudgetStatus(
            observedGeneration=budget.metadata.generation,
            currentHealthy=healthy,
            desiredHealthy=needed.healthy,
            expectedPods=needed.expected,
            disruptionsAllowed=max(healthy - needed.healthy, 0) if needed.expected > 0 else 0,
            conditions=budget.status.conditions,
        )
    )
    conditions.put(fresh.status.conditions, budgets.allowed_condition(fresh, now))
    return fresh.status


def failed(budget: PodDisruptionBudget, why: str, now: datetime) -> PodDisruptionBudgetStatus:
    """When nothing could be counted: nothing may go, until that is mended."""
    status = PodDisruptionBudgetStatus()
    status.CopyFrom(budget.status)
    status.disruptionsAllowed = 0
    said = Condition(
        type=budgets.ALLOWED,
        status="False",
        reason=budgets.FAILED,
        message=why,
        observedGeneration=budget.status.observedGeneration,
        lastTransitionTime=clock.timestamp(now),
    )
    conditions.put(status.conditions, said)
    return status


def stale_in(pod: Pod, now: datetime) -> float | None:
    """Seconds until nobody believes any more that the pod is made to go (0: now). None: that is not in question."""
    said = conditions.find(pod.status.conditions, budgets.TARGET)
    if said is None or said.status != "True" or said.reason == KUBELET:
        return None
    if is_ending(pod) or is_over(pod):
        return None
    due = clock.to_datetime(said.lastTransitionTime) + PATIENCE
    return max((due - now).total_seconds(), 0.0)


def spared(now: datetime) -> PodCondition:
    """The condition of a pod that was to go, and stayed."""
    stamp = clock.timestamp(now)
    return PodCondition(type=budgets.TARGET, status="False", lastTransitionTime=stamp)
