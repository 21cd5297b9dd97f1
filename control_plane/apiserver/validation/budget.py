"""PodDisruptionBudgets: what must hold between their fields, and in their status."""

from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.amounts import not_above_all, number_or_percent
from control_plane.apiserver.validation.counts import validate_counts
from control_plane.apiserver.validation.selector import validate_selector
from proto.v1.policy_pb2 import PodDisruptionBudget

COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
BOTH = "minAvailable and maxUnavailable cannot be both set"


def validate_budget(budget: PodDisruptionBudget) -> list[Cause]:
    spec = budget.spec
    found: list[Cause] = []
    if spec.HasField("minAvailable") and spec.HasField("maxUnavailable"):
        found.append(causes.invalid("spec", spec, BOTH))
    for name in ("minAvailable", "maxUnavailable"):
        if spec.HasField(name):
            value, place = getattr(spec, name), f"spec.{name}"
            found += number_or_percent(value, place) or not_above_all(value, place)
    if spec.HasField("selector"):
        found += validate_selector(spec.selector, "spec.selector")
    return found


def validate_budget_status(new: PodDisruptionBudget, old: PodDisruptionBudget) -> list[Cause]:
    return validate_counts(new.status, COUNTS)
