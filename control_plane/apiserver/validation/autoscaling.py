"""HorizontalPodAutoscalers: what must hold between their fields. Rules of single fields are in the contract."""

from api import quantity
from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.policy_pb2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    MetricSpec,
    MetricTarget,
)

_SOURCES = {"Resource": "resource", "ContainerResource": "containerResource"}


def validate_autoscaler(hpa: HorizontalPodAutoscaler) -> list[Cause]:
    spec = hpa.spec
    found = _target_ref(spec.scaleTargetRef, "spec.scaleTargetRef")
    if spec.maxReplicas >= 1 and spec.maxReplicas < spec.minReplicas:
        told = "must be greater than or equal to `minReplicas`"
        found.append(causes.invalid("spec.maxReplicas", spec.maxReplicas, told))
    for index, metric in enumerate(spec.metrics):
        found += _metric(metric, f"spec.metrics[{index}]")
    return found


def _target_ref(reference: CrossVersionObjectReference, path: str) -> list[Cause]:
    found = [
        causes.invalid(f"{path}.{field}", text, problem)
        for field, text in (("kind", reference.kind), ("name", reference.name))
        for problem in _segment_problems(text)
    ]
    if reference.apiVersion.count("/") > 1:
        told = f"unexpected GroupVersion string: {reference.apiVersion}"
        found.append(causes.invalid(f"{path}.apiVersion", reference.apiVersion, told))
    return found


def _metric(metric: MetricSpec, path: str) -> list[Cause]:
    wanted = _SOURCES.get(metric.type)
    if wanted is None:
        return []  # the contract has refused the type
    found: list[Cause] = []
    if not metric.HasField(wanted):
        told = "must populate information for the given metric source"
        found.append(causes.required(f"{path}.{wanted}", told))
    for other in sorted({*_SOURCES.values()} - {wanted}):
        if metric.HasField(other):
            told = "must populate the given metric source only"
            found.append(causes.forbidden(f"{path}.{other}", told))
    source = getattr(metric, wanted)
    if source.HasField("target"):
        found += _target(source.target, f"{path}.{wanted}.target")
    return found


def _target(target: MetricTarget, path: str) -> list[Cause]:
    percent, amount = target.HasField("averageUtilization"), bool(target.averageValue)
    if not percent and not amount:
        told = "must set either a target raw value or a target utilization"
        return [causes.required(f"{path}.averageUtilization", told)]
    if percent and amount:
        told = "may not set both a target raw value and a target utilization"
        return [causes.forbidden(f"{path}.averageValue", told)]
    if amount and quantity.valid(target.averageValue):
        return _positive(target.averageValue, f"{path}.averageValue")
    return []


def _positive(amount: str, path: str) -> list[Cause]:
    is_zero = quantity.parse(amount) == quantity.ZERO
    return [causes.invalid(path, amount, "must be positive")] if is_zero else []


def _segment_problems(text: str) -> list[str]:
    """Kind and name become parts of an address."""
    if text in (".", ".."):
        return [f"may not be '{text}'"]
    return [f"may not contain '{sign}'" for sign in "/%" if sign in text]
