"""All metrics of an autoscaler together: each proposes a number of pods, and the largest counts (S#100).

When one of them cannot be had, the others still may scale up, but nobody scales down: the missing one might be the
one that needs the pods.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fractions import Fraction

from api import quantity
from api.quantity import MILLI, NANO, Quantity
from control_plane.controllers.hpa.options import Options
from control_plane.controllers.hpa.pods import group
from control_plane.controllers.hpa.replicas import (
    AverageValue,
    Proposal,
    Target,
    Tolerance,
    Utilization,
    propose,
)
from control_plane.controllers.hpa.usage import CannotTell, of_pods, requests
from proto.v1.apps_pb2 import Scale
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import (
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricStatus,
    MetricTarget,
    PodMetrics,
)

NO_PODS = "no pods returned by selector while calculating replica count"


@dataclass(frozen=True)
class Situation:
    """What there is, at one moment."""

    scale: Scale
    pods: Sequence[Pod]  # that the scale's selector chooses
    metrics: Sequence[PodMetrics]  # of pods with these labels, as far as there are any
    now: datetime
    rivals: Sequence[str] = ()  # other autoscalers that choose some of these pods

    @property
    def current(self) -> int:
        return int(self.scale.spec.replicas)


@dataclass(frozen=True, slots=True)
class Failed:
    """A metric that could not be had."""

    reason: str  # FailedGetResourceMetric, …
    message: str
    error: str  # the same, as the sum of all failures tells it


@dataclass(frozen=True)
class Wish:
    """What the metrics want."""

    replicas: int | None = None  # None: they cannot tell
    metric: str = ""  # whose wish it is
    statuses: list[MetricStatus] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)

    @property
    def error(self) -> str:
        total, failed = len(self.statuses), len(self.failures)
        first = self.failures[0].error if self.failures else ""
        return f"invalid metrics ({failed} invalid out of {total}), first error is: {first}"


def wish(hpa: HorizontalPodAutoscaler, seen: Situation, options: Options) -> Wish:
    best, metric = 0, ""
    statuses: list[MetricStatus] = []
    failures: list[Failed] = []
    tolerance = tolerance_of(hpa, options)
    for spec in hpa.spec.metrics:
        status = MetricStatus(type=spec.type)
        statuses.append(status)
        try:
            proposal = _proposal(spec, seen, tolerance, options)
        except CannotTell as error:
            failures.append(_failed(spec, str(error)))
            continue
        _fill(status, spec, proposal)
        if best == 0 or proposal.replicas > best:
            best, metric = proposal.replicas, _name(spec)
    hopeless = len(failures) >= len(statuses) or (failures and best < seen.current)
    return Wish(None if hopeless else best, metric, statuses, failures)


def tolerance_of(hpa: HorizontalPodAutoscaler, options: Options) -> Tolerance:
    behavior = hpa.spec.behavior

    def of(text: str) -> Fraction:
        return Fraction(quantity.parse(text).nanos, NANO) if text else options.tolerance

    return Tolerance(of(behavior.scaleDown.tolerance), of(behavior.scaleUp.tolerance))


def _proposal(
    spec: MetricSpec, seen: Situation, tolerance: Tolerance, options: Options
) -> Proposal:
    """Raises CannotTell."""
    resource, container, target = _source(spec)
    uses = of_pods(seen.metrics, resource, container)
    if not seen.pods:
        raise CannotTell(NO_PODS)
    groups = group(seen.pods, uses, resource, seen.now, options)
    amounts = {pod: use.amount for pod, use in uses.items()}
    goal = _goal(target, seen.pods, resource, container)
    return propose(goal, amounts, groups, seen.current, tolerance)


def _goal(target: MetricTarget, pods: Sequence[Pod], resource: str, container: str) -> Target:
    if target.averageValue:
        return AverageValue(quantity.millis(target.averageValue))
    return Utilization(target.averageUtilization, requests(pods, resource, container))


def _source(spec: MetricSpec) -> tuple[str, str, MetricTarget]:
    """Resource, container (empty: all) and target."""
    if spec.HasField("containerResource"):
        source = spec.containerResource
        return source.name, source.container, source.target
    return spec.resource.name, "", spec.resource.target


def _name(spec: MetricSpec) -> str:
    resource, _, target = _source(spec)
    if target.averageValue:
        return f"{resource} resource"
    return f"{resource} resource utilization (percentage of request)"


def _failed(spec: MetricSpec, why: str) -> Failed:
    resource, container, target = _source(spec)
    what = "usage" if target.averageValue else "utilization"
    told = f"failed to get {resource} {what}: {why}"
    value = f"{container} container" if container else f"{resource} resource"
    return Failed(
        "FailedGetContainerResourceMetric" if container else "FailedGetResourceMetric",
        f"the HPA was unable to compute the replica count: {told}",
        f"failed to get {value} metric value: {told}",
    )


def _fill(status: MetricStatus, spec: MetricSpec, proposal: Proposal) -> None:
    resource, container, _ = _source(spec)
    if container:
        status.containerResource.name, status.containerResource.container = resource, container
        current = status.containerResource.current
    else:
        status.resource.name = resource
        current = status.resource.current
    current.averageValue = str(Quantity(proposal.measured.average * MILLI))
    if proposal.measured.percent is not None:
        current.averageUtilization = proposal.measured.percent
