"""One decision: how many pods, and in conditions and events why.

It reads the memory and does not write to it; what is to be remembered is part of the decision.
"""

from dataclasses import dataclass, field

from control_plane.controllers.hpa.limits import limited
from control_plane.controllers.hpa.memory import (
    Memory,
    highest_recent,
    stabilized,
    windows_of,
)
from control_plane.controllers.hpa.metrics import Situation, Wish, wish
from control_plane.controllers.hpa.options import Options
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, MetricStatus

Condition = tuple[str, str, str, str]  # type, status, reason, message
Happening = tuple[str, str]  # reason and message of a warning

ABLE, ACTIVE, LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"
STABILIZED_UP = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
STABILIZED_DOWN = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
FITS = ("ReadyForNewScale", "recommended size matches current size")


@dataclass
class Decision:
    replicas: int
    reason: str = ""  # of a change
    statuses: list[MetricStatus] = field(default_factory=list)
    conditions: list[Condition] = field(default_factory=list)
    warnings: list[Happening] = field(default_factory=list)
    recommendation: int | None = None  # to be remembered; None: nobody could tell
    failed: bool = False  # how many pods there should be is not known

    def say(self, type: str, status: str, why: tuple[str, str]) -> None:
        self.conditions.append((type, status, *why))


def decide(
    hpa: HorizontalPodAutoscaler, seen: Situation, memory: Memory, options: Options
) -> Decision:
    spec, current = hpa.spec, seen.current
    made = Decision(current)
    why = ("SucceededGetScale", "the HPA controller was able to get the target's current scale")
    made.say(ABLE, "True", why)
    if current == 0 and spec.minReplicas != 0:
        told = "scaling is disabled since the replica count of the target is zero"
        made.say(ACTIVE, "False", ("ScalingDisabled", told))
    elif current > spec.maxReplicas:
        made.replicas = spec.maxReplicas
        made.reason = "Current number of replicas above Spec.MaxReplicas"
    elif current < spec.minReplicas:
        made.replicas = spec.minReplicas
        made.reason = "Current number of replicas below Spec.MinReplicas"
    elif _is_clear(seen, made):
        _by_metrics(hpa, seen, memory, options, made)
    return made


def _is_clear(seen: Situation, made: Decision) -> bool:
    """Whether it is known which pods this is about, and that nobody else scales them."""
    selector = seen.scale.status.selector
    if not selector:
        made.failed = True
        made.warnings.append(("SelectorRequired", "selector is required"))
        told = "the HPA target's scale is missing a selector"
        made.say(ACTIVE, "False", ("InvalidSelector", told))
        return False
    if seen.rivals:
        made.failed = True
        names = ", ".join(sorted(seen.rivals))
        told = f"pods by selector {selector} are controlled by multiple HPAs: {names}"
        made.warnings.append(("AmbiguousSelector", told))
        made.say(ACTIVE, "False", ("AmbiguousSelector", told))
        return False
    return True


def _by_metrics(
    hpa: HorizontalPodAutoscaler,
    seen: Situation,
    memory: Memory,
    options: Options,
    made: Decision,
) -> None:
    wanted = wish(hpa, seen, options)
    made.statuses = wanted.statuses
    _tell_failures(wanted, made)
    if wanted.replicas is None:
        return
    told = f"the HPA was able to successfully calculate a replica count from {wanted.metric}"
    made.say(ACTIVE, "True", ("ValidMetricFound", told))
    _settle(hpa, seen, memory, options, wanted.replicas, made)
    if made.replicas > seen.current:
        made.reason = f"{wanted.metric} above target"
    elif made.replicas < seen.current:
        made.reason = "All metrics below target"


def _tell_failures(wanted: Wish, made: Decision) -> None:
    made.warnings += [(each.reason, each.message) for each in wanted.failures]
    if wanted.replicas is None:
        made.failed = True
        first = wanted.failures[0]
        made.say(ACTIVE, "False", (first.reason, first.message))
        made.warnings.append(("FailedComputeMetricsReplicas", wanted.error))


def _settle(
    hpa: HorizontalPodAutoscaler,
    seen: Situation,
    memory: Memory,
    options: Options,
    wanted: int,
    made: Decision,
) -> None:
    """From what the metrics want to what is allowed now."""
    current, now = seen.current, seen.now
    made.recommendation = wanted
    stable = _stable(hpa, seen, memory, options, wanted)
    behaves = hpa.spec.HasField("behavior")
    held = STABILIZED_UP if behaves and wanted >= current else STABILIZED_DOWN
    made.say(ABLE, "True", FITS if stable == wanted else held)
    allowed = limited(hpa, current, stable, memory, now)
    made.say(LIMITED, "False" if allowed.replicas == stable else "True", allowed.why)
    made.replicas = allowed.replicas


def _stable(
    hpa: HorizontalPodAutoscaler, seen: Situation, memory: Memory, options: Options, wanted: int
) -> int:
    """Without a behavior of its own, an autoscaler never goes below what was recommended recently."""
    entries, now = memory.recommendations, seen.now
    if not hpa.spec.HasField("behavior"):
        return highest_recent(wanted, entries, options.downscale_stabilization, now)
    windows = windows_of(hpa.spec.behavior, options)
    return stabilized(wanted, seen.current, entries, windows, now)
