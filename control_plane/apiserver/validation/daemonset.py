"""DaemonSets: what must hold between their fields, and in their status (S#75)."""

from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.amounts import (
    amount,
    not_above_all,
    number_or_percent,
    shown,
)
from control_plane.apiserver.validation.counts import validate_collisions, validate_counts
from control_plane.apiserver.validation.workloads import validate_pods
from proto.v1.apps_pb2 import DaemonSet, RollingUpdateDaemonSet

COUNTS = (
    "currentNumberScheduled",
    "numberMisscheduled",
    "desiredNumberScheduled",
    "numberReady",
    "observedGeneration",
    "updatedNumberScheduled",
    "numberAvailable",
    "numberUnavailable",
    "collisionCount",
)


def validate_daemonset(daemonset: DaemonSet) -> list[Cause]:
    spec = daemonset.spec
    found = validate_pods(spec, "daemonset", "DaemonSet")
    if spec.updateStrategy.type == "RollingUpdate":
        found += _rolling(spec.updateStrategy.rollingUpdate, "spec.updateStrategy.rollingUpdate")
    return found


def _rolling(rolling: RollingUpdateDaemonSet, path: str) -> list[Cause]:
    """Either a node does without its pod for a while, or it has two: exactly one of the bounds says how many nodes."""
    unavailable, surge = rolling.maxUnavailable, rolling.maxSurge
    bounds = ((unavailable, f"{path}.maxUnavailable"), (surge, f"{path}.maxSurge"))
    found = [cause for value, place in bounds for cause in number_or_percent(value, place)]
    if found:
        return found
    found = [cause for value, place in bounds for cause in not_above_all(value, place)]
    if amount(unavailable) and amount(surge):
        told = "may not be set when maxUnavailable is non-zero"
        found.append(causes.invalid(f"{path}.maxSurge", shown(surge), told))
    if not amount(unavailable) and not amount(surge):
        found.append(causes.required(f"{path}.maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return found


def validate_daemonset_status(new: DaemonSet, old: DaemonSet) -> list[Cause]:
    return [*validate_counts(new.status, COUNTS), *validate_collisions(new.status, old.status)]
