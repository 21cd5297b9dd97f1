"""The status of an autoscaler, as a decision makes it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from api import clock
from control_plane.controllers.hpa.decide import Condition
from proto.v1.policy_pb2 import (
    HorizontalPodAutoscaler,
    HorizontalPodAutoscalerStatus,
    MetricStatus,
)


def status_of(
    hpa: HorizontalPodAutoscaler, conditions: Iterable[Condition], now: datetime
) -> HorizontalPodAutoscalerStatus:
    """The status as it was, with these conditions; a later one of the same type replaces an earlier one."""
    status = HorizontalPodAutoscalerStatus()
    status.CopyFrom(hpa.status)
    status.observedGeneration = hpa.metadata.generation
    final = {condition[0]: condition for condition in conditions}
    for condition in final.values():
        _set(status, condition, now)
    return status


def count(
    status: HorizontalPodAutoscalerStatus,
    current: int,
    desired: int,
    statuses: Sequence[MetricStatus],
) -> None:
    status.currentReplicas, status.desiredReplicas = current, desired
    del status.currentMetrics[:]
    status.currentMetrics.extend(statuses)


def _set(status: HorizontalPodAutoscalerStatus, told: Condition, now: datetime) -> None:
    type, value, reason, message = told
    found = next((each for each in status.conditions if each.type == type), None)
    if found is None:
        found = status.conditions.add(type=type)
    if found.status != value:
        found.lastTransitionTime.CopyFrom(clock.timestamp(now))
    found.status, found.reason, found.message = value, reason, message
