"""ResourceQuotas and LimitRanges in words: tables of what is used of what, and of bounds."""

from collections.abc import Iterator, Sequence
from typing import Any

from cli.describe.lines import Field, fields, identity, table

NOTHING = "-"
# What a scope means, where kubectl says it.
SCOPES = {
    "Terminating": "Matches all pods that have an active deadline. These pods have a limited lifespan on a node "
    "before being actively terminated by the system.",
    "NotTerminating": "Matches all pods that do not have an active deadline. These pods usually include long running "
    "pods whose container command is not expected to terminate.",
    "BestEffort": "Matches all pods that do not have resource requirements set. These pods have a best effort "
    "quality of service.",
    "NotBestEffort": "Matches all pods that have at least one resource requirement set. These pods have a burstable "
    "or guaranteed quality of service.",
}
BOUNDS = ("Type", "Resource", "Min", "Max", "Default Request", "Default Limit", "Max Limit/Request Ratio")  # fmt: skip


def describe_quota(quota: Any) -> list[str]:
    rows: list[Field] = [("Name", quota.metadata.name), ("Namespace", quota.metadata.namespace)]
    terms = quota.spec.scopeSelector.matchExpressions
    scopes = sorted({*quota.spec.scopes, *(term.scopeName for term in terms)})
    if scopes:
        rows.append(("Scopes", ", ".join(scopes)))
    told = [f" * {SCOPES[scope]}" for scope in scopes if scope in SCOPES]
    return [*fields(rows), *told, *_used(quota, "")]


def _used(quota: Any, indent: str) -> list[str]:
    hard, used = quota.status.hard or quota.spec.hard, quota.status.used
    rows = [[name, used.get(name, "?"), hard[name]] for name in sorted(hard)]
    return [indent + line.removeprefix("  ") for line in table(["Resource", "Used", "Hard"], rows)]


def of_namespace(quotas: Sequence[Any]) -> list[str]:
    """As part of what is said about a namespace."""
    if not quotas:
        return ["No resource quota."]
    lines = ["Resource Quotas"]
    for quota in quotas:
        lines += [f"  Name:  {quota.metadata.name}", *_used(quota, "  ")]
    return lines


def describe_limits(limits: Any) -> list[str]:
    return [*fields(identity(limits.metadata)), *_bounds([limits], "")]


def bounds(ranges: Sequence[Any]) -> list[str]:
    """As part of what is said about a namespace."""
    if not ranges:
        return ["No LimitRange resource."]
    return ["Resource Limits", *_bounds(ranges, " ")]


def _bounds(ranges: Sequence[Any], indent: str) -> list[str]:
    rows = [row for each in ranges for item in each.spec.limits for row in _rows(item)]
    return [indent + line.removeprefix("  ") for line in table(BOUNDS, rows)]


def _rows(item: Any) -> Iterator[list[str]]:
    parts = (item.min, item.max, item.defaultRequest, item.default, item.maxLimitRequestRatio)
    for name in sorted({name for part in parts for name in part}):
        yield [item.type, name, *(part.get(name, NOTHING) for part in parts)]
