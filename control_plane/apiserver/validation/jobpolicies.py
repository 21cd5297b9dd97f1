"""What a Job calls a failure, and what it calls success: the two lists of rules (S#78, S#79)."""

import re

from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.batch_pb2 import (
    JobSpec,
    PodFailurePolicyOnExitCodes,
    PodFailurePolicyRule,
    SuccessPolicyRule,
)

_INTERVAL = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)


def validate_policies(spec: JobSpec, path: str) -> list[Cause]:
    found = []
    if spec.HasField("podFailurePolicy"):
        if spec.podReplacementPolicy not in ("", "Failed"):
            place = f"{path}.podReplacementPolicy"
            found.append(causes.unsupported(place, spec.podReplacementPolicy, ("Failed",)))
        for index, rule in enumerate(spec.podFailurePolicy.rules):
            found += _failure(rule, spec, f"{path}.podFailurePolicy.rules[{index}]")
    for index, success in enumerate(spec.successPolicy.rules):
        found += _success(success, spec, f"{path}.successPolicy.rules[{index}]")
    return found


def _failure(rule: PodFailurePolicyRule, spec: JobSpec, path: str) -> list[Cause]:
    found = []
    if rule.action == "FailIndex" and not spec.HasField("backoffLimitPerIndex"):
        told = "requires the backoffLimitPerIndex to be set"
        found.append(causes.invalid(f"{path}.action", rule.action, told))
    by_code, by_condition = rule.HasField("onExitCodes"), bool(rule.onPodConditions)
    if by_code and by_condition:
        told = "specifying both OnExitCodes and OnPodConditions is not supported"
        found.append(causes.invalid(path, rule, told))
    if not by_code and not by_condition:
        told = "specifying one of OnExitCodes and OnPodConditions is required"
        found.append(causes.invalid(path, rule, told))
    return found + _codes(rule.onExitCodes, spec, f"{path}.onExitCodes") if by_code else found


def _codes(codes: PodFailurePolicyOnExitCodes, spec: JobSpec, path: str) -> list[Cause]:
    found, seen = [], set[int]()
    for index, value in enumerate(codes.values):
        place = f"{path}.values[{index}]"
        if codes.operator == "In" and value == 0:
            found.append(causes.invalid(place, value, "must not be 0 for the In operator"))
        if value in seen:
            found.append(causes.duplicate(place, value))
        seen.add(value)
    if sorted(codes.values) != list(codes.values):
        found.append(causes.invalid(f"{path}.values", list(codes.values), "must be ordered"))
    pods = spec.template.spec
    known = {each.name for each in (*pods.containers, *pods.initContainers)}
    if codes.containerName and codes.containerName not in known:
        told = "must be one of the container or initContainer names in the pod template"
        found.append(causes.invalid(f"{path}.containerName", codes.containerName, told))
    return found


def _success(rule: SuccessPolicyRule, spec: JobSpec, path: str) -> list[Cause]:
    if not rule.succeededIndexes and not rule.HasField("succeededCount"):
        told = "at least one of succeededCount or succeededIndexes must be specified"
        return [causes.required(path, told)]
    total, place = spec.completions, f"{path}.succeededIndexes"
    found = []
    if rule.succeededIndexes:
        wrong, total = _indexes(rule.succeededIndexes, spec.completions)
        if wrong:
            return [causes.invalid(place, rule.succeededIndexes, wrong)]
    if rule.succeededCount > total:
        told = f"must be less than or equal to {total} (the number of the indexes)"
        found.append(causes.invalid(f"{path}.succeededCount", rule.succeededCount, told))
    return found


def _indexes(text: str, completions: int) -> tuple[str, int]:
    """What is wrong with "1,3-5", and how many indexes it names. They must rise, and exist."""
    last, count = -1, 0
    for part in text.split(","):
        match = _INTERVAL.fullmatch(part)
        if match is None:
            return f'cannot understand "{part}": write indexes and intervals as in "1,3-5"', 0
        first = int(match[1])
        end = int(match[2] or first)
        if first <= last or end < first:
            return f'non-increasing order at "{part}"', 0
        if end >= completions:
            return f'"{part}" exceeds the last index, {completions - 1}', 0
        last, count = end, count + end - first + 1
    return "", count
