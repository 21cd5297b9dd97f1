"""PodDisruptionBudgets in words."""

from typing import Any

from cli.describe.lines import UNSET, Field, fields, identity, marks
from cli.describe.workloads import conditions, selector_text


def describe_budget(budget: Any) -> list[str]:
    spec, status, meta = budget.spec, budget.status, budget.metadata
    rows: list[Field] = [*identity(meta), *marks(meta)]
    for name, label in (("minAvailable", "Min available"), ("maxUnavailable", "Max unavailable")):
        if spec.HasField(name):
            value = getattr(spec, name)
            rows.append((label, str(value.string_value or int(value.number_value))))
    if spec.unhealthyPodEvictionPolicy:
        rows.append(("Unhealthy pods", spec.unhealthyPodEvictionPolicy))
    rows.append(("Selector", selector_text(spec.selector) if spec.HasField("selector") else UNSET))
    numbers: list[Field] = [
        ("Allowed disruptions", str(status.disruptionsAllowed)),
        ("Current", str(status.currentHealthy)),
        ("Desired", str(status.desiredHealthy)),
        ("Total", str(status.expectedPods)),
    ]
    if status.disruptedPods:
        numbers.append(("Being evicted", sorted(status.disruptedPods)))
    return [*fields(rows), "Status:", *fields(numbers, "  "), *conditions(status.conditions)]
