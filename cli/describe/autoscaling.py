"""HorizontalPodAutoscalers in words."""

from collections.abc import Sequence
from typing import Any

from cli.describe.lines import Field, fields, identity, marks, moment, table

UNKNOWN = "<unknown>"


def describe_autoscaler(hpa: Any) -> list[str]:
    spec, status, meta = hpa.spec, hpa.status, hpa.metadata
    target = spec.scaleTargetRef
    rows: list[Field] = [
        *identity(meta),
        *marks(meta),
        ("CreationTimestamp", moment(meta.creationTimestamp)),
        ("Reference", f"{target.kind}/{target.name}"),
        ("Metrics", "( current / target )"),
        *_metrics(hpa),
        ("Min replicas", str(spec.minReplicas)),
        ("Max replicas", str(spec.maxReplicas)),
    ]
    lines = fields(rows)
    if spec.HasField("behavior"):
        lines.append("Behavior:")
        lines += _rules("Scale Up", spec.behavior.scaleUp)
        lines += _rules("Scale Down", spec.behavior.scaleDown)
    pods = f"{status.currentReplicas} current / {status.desiredReplicas} desired"
    return [*lines, *fields([(f"{target.kind} pods", pods)]), *_conditions(status.conditions)]


def _metrics(hpa: Any) -> list[Field]:
    statuses = list(hpa.status.currentMetrics)
    rows: list[Field] = []
    for index, metric in enumerate(hpa.spec.metrics):
        form = "containerResource" if metric.HasField("containerResource") else "resource"
        source = getattr(metric, form)
        seen = getattr(statuses[index], form).current if index < len(statuses) else None
        container = f" of container {source.container}" if form == "containerResource" else ""
        label = f"  resource {source.name}{container} on pods"
        rows.append(_metric(label, source.target, seen))
    return rows


def _metric(label: str, target: Any, seen: Any) -> Field:
    """`48% (96m) / 50%`, `24Mi / 200Mi`."""
    known = seen is not None and bool(seen.averageValue)
    if target.averageValue:
        return label, f"{seen.averageValue if known else UNKNOWN} / {target.averageValue}"
    current = f"{seen.averageUtilization}% ({seen.averageValue})" if known else UNKNOWN
    return f"{label}  (as a percentage of request)", f"{current} / {target.averageUtilization}%"


def _rules(title: str, rules: Any) -> list[str]:
    lines = [f"  {title}:"]
    if rules.HasField("stabilizationWindowSeconds"):
        lines.append(f"    Stabilization Window: {rules.stabilizationWindowSeconds} seconds")
    if rules.tolerance:
        lines.append(f"    Tolerance: {rules.tolerance}")
    lines += [f"    Select Policy: {rules.selectPolicy}", "    Policies:"]
    return lines + [
        f"      - Type: {each.type:<7}  Value: {each.value:<3}  Period: {each.periodSeconds} seconds"
        for each in rules.policies
    ]


def _conditions(listed: Sequence[Any]) -> list[str]:
    if not listed:
        return []
    rows = [[each.type, each.status, each.reason, each.message] for each in listed]
    return ["Conditions:", *table(["Type", "Status", "Reason", "Message"], rows)]
