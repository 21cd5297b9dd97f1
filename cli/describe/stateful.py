"""StatefulSets in words."""

from collections.abc import Sequence
from typing import Any

from cli.describe.lines import Field, fields, identity, marks, moment
from cli.describe.template import template_lines
from cli.describe.workloads import bound, conditions, phases, selector_text


def describe_statefulset(statefulset: Any, pods: Sequence[Any]) -> list[str]:
    spec, status, meta = statefulset.spec, statefulset.status, statefulset.metadata
    rows: list[Field] = [
        *identity(meta),
        ("CreationTimestamp", moment(meta.creationTimestamp)),
        ("Selector", selector_text(spec.selector)),
        *marks(meta),
        ("Replicas", f"{spec.replicas} desired | {status.replicas} total"),
        ("Update Strategy", spec.updateStrategy.type),
        *_rolling(spec.updateStrategy),
        ("Pods Status", phases(pods)),
    ]
    return [*fields(rows), *template_lines(spec.template), *conditions(status.conditions)]


def _rolling(strategy: Any) -> list[Field]:
    if not strategy.HasField("rollingUpdate"):
        return []
    rolling = strategy.rollingUpdate
    rows: list[Field] = [("  Partition", str(rolling.partition))]
    if rolling.HasField("maxUnavailable"):
        rows.append(("  MaxUnavailable", bound(rolling.maxUnavailable)))
    return rows
