"""Fewest and most pods, and how far their number may go in how many seconds (S#100)."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from control_plane.controllers.hpa.memory import Memory, period_start
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, HPAScalingPolicy, HPAScalingRules

DOUBLE, AT_LEAST = 2, 4  # without a behavior: at once to the double, or to four

WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
TOO_FAST_UP = (
    "ScaleUpLimit",
    "the desired replica count is increasing faster than the maximum scale rate",
)
TOO_FAST_DOWN = (
    "ScaleDownLimit",
    "the desired replica count is decreasing faster than the maximum scale rate",
)


@dataclass(frozen=True, slots=True)
class Limited:
    replicas: int
    why: tuple[str, str]  # reason and message


def limited(
    hpa: HorizontalPodAutoscaler, current: int, wanted: int, memory: Memory, now: datetime
) -> Limited:
    spec = hpa.spec
    if not spec.HasField("behavior"):
        return _between(wanted, spec.minReplicas, spec.maxReplicas, max(DOUBLE * current, AT_LEAST))
    if wanted > current:
        rate = max(current, highest(spec.behavior.scaleUp, current, memory, now))
        return _at_most(wanted, spec.maxReplicas, rate)
    if wanted < current:
        rate = min(current, lowest(spec.behavior.scaleDown, current, memory, now))
        return _at_least(wanted, spec.minReplicas, rate)
    return Limited(wanted, WITHIN)


def _between(wanted: int, fewest: int, most: int, rate: int) -> Limited:
    return Limited(fewest, TOO_FEW) if wanted < fewest else _at_most(wanted, most, rate)


def _at_most(wanted: int, most: int, rate: int) -> Limited:
    bound = min(most, rate)
    if wanted <= bound:
        return Limited(wanted, WITHIN)
    return Limited(bound, TOO_FAST_UP if rate < most else TOO_MANY)


def _at_least(wanted: int, fewest: int, rate: int) -> Limited:
    bound = max(fewest, rate)
    if wanted >= bound:
        return Limited(wanted, WITHIN)
    return Limited(bound, TOO_FAST_DOWN if rate > fewest else TOO_FEW)


def highest(rules: HPAScalingRules, current: int, memory: Memory, now: datetime) -> int:
    """The most pods that the policies allow now."""

    def allowed(policy: HPAScalingPolicy) -> int:
        start = period_start(current, memory, policy.periodSeconds, now)
        if policy.type == "Pods":
            return start + policy.value
        return -(-start * (100 + policy.value) // 100)  # rounded up, or one pod would stay one

    return _select(rules, current, allowed, {"Max": max, "Min": min})


def lowest(rules: HPAScalingRules, current: int, memory: Memory, now: datetime) -> int:
    """The fewest pods that the policies allow now."""

    def allowed(policy: HPAScalingPolicy) -> int:
        start = period_start(current, memory, policy.periodSeconds, now)
        if policy.type == "Pods":
            return start - policy.value
        return start * (100 - policy.value) // 100

    return _select(rules, current, allowed, {"Max": min, "Min": max})


def _select(
    rules: HPAScalingRules,
    current: int,
    allowed: Callable[[HPAScalingPolicy], int],
    choices: dict[str, Callable[..., int]],
) -> int:
    """By the policy that allows the largest change, or the smallest."""
    if rules.selectPolicy == "Disabled":
        return current
    choose = choices.get(rules.selectPolicy, choices["Max"])
    return choose(map(allowed, rules.policies), default=current)
