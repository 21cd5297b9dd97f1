"""ReplicaSets and Deployments: what must hold between their fields, in changes of them, and in their status (4d)."""

import re
from collections.abc import Iterable
from typing import Any

from google.protobuf.struct_pb2 import Value

from api.errors import Cause
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.template import (
    validate_fit,
    validate_own_selector,
    validate_template,
)
from proto.v1.apps_pb2 import (
    Deployment,
    DeploymentSpec,
    DeploymentStrategy,
    ReplicaSet,
    RollingUpdateDeployment,
)

_PERCENT = re.compile(r"[0-9]+%")
_PERCENT_SHAPE = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%', or '93%', regex used for validation is '[0-9]+%')"
)


def validate_replicaset(replicaset: ReplicaSet) -> list[Cause]:
    return _pods(replicaset.spec)


def validate_deployment(deployment: Deployment) -> list[Cause]:
    spec = deployment.spec
    return [*_pods(spec), *_strategy(spec.strategy, "spec.strategy"), *_deadline(spec)]


def validate_workload_update(new: Any, old: Any) -> list[Cause]:
    """What was counted once must go on being counted, so the selector stays."""
    if not old.HasField("spec"):
        return []
    return schema.check_immutable(new.spec, old.spec, "spec", deep=False)


def validate_replicaset_status(new: ReplicaSet, old: ReplicaSet) -> list[Cause]:
    status = new.status
    found = _not_negative(
        status,
        (
            "replicas",
            "fullyLabeledReplicas",
            "readyReplicas",
            "availableReplicas",
            "observedGeneration",
            "terminatingReplicas",
        ),
    )
    return found + _parts(status, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas"))


def validate_deployment_status(new: Deployment, old: Deployment) -> list[Cause]:
    status = new.status
    found = _not_negative(
        status,
        (
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "collisionCount",
            "terminatingReplicas",
        ),
    )
    found += _parts(status, ("updatedReplicas", "readyReplicas", "availableReplicas"))
    if status.collisionCount < old.status.collisionCount:
        told = "cannot be decremented"
        found.append(causes.invalid("status.collisionCount", status.collisionCount, told))
    return found


def _pods(spec: Any) -> list[Cause]:
    """Selector and template, of whoever keeps pods running for ever."""
    found: list[Cause] = []
    if spec.HasField("selector"):
        # Kubernetes says "deployment" to ReplicaSets too.
        found = validate_own_selector(spec.selector, "spec.selector", "deployment")
    if not spec.HasField("template"):
        return found
    if spec.HasField("selector") and not found:
        found = validate_fit(spec.selector, spec.template, "spec.template")
    found += validate_template(spec.template, "spec.template")
    if spec.template.spec.restartPolicy not in ("", "Always"):
        place = "spec.template.spec.restartPolicy"
        found.append(causes.unsupported(place, spec.template.spec.restartPolicy, ("Always",)))
    if spec.template.spec.HasField("activeDeadlineSeconds"):
        told = "activeDeadlineSeconds in ReplicaSet is not Supported"
        found.append(causes.forbidden("spec.template.spec.activeDeadlineSeconds", told))
    return found


def _strategy(strategy: DeploymentStrategy, path: str) -> list[Cause]:
    rolling = f"{path}.rollingUpdate"
    if strategy.type == "RollingUpdate":
        return _rolling(strategy.rollingUpdate, rolling)
    if strategy.type == "Recreate" and strategy.HasField("rollingUpdate"):
        told = "may not be specified when strategy `type` is 'Recreate'"
        return [causes.forbidden(rolling, told)]
    return []


def _rolling(rolling: RollingUpdateDeployment, path: str) -> list[Cause]:
    """Both bounds 0 would be a rollout that may not take a single step."""
    unavailable, surge = rolling.maxUnavailable, rolling.maxSurge
    place = f"{path}.maxUnavailable"
    found = [
        *_number_or_percent(unavailable, place),
        *_number_or_percent(surge, f"{path}.maxSurge"),
    ]
    if found:
        return found
    if _amount(unavailable) == 0 and _amount(surge) == 0:
        found.append(
            causes.invalid(place, _shown(unavailable), "may not be 0 when `maxSurge` is 0")
        )
    if unavailable.string_value and _amount(unavailable) > 100:
        told = "must not be greater than 100%"
        found.append(causes.invalid(place, _shown(unavailable), told))
    return found


def _number_or_percent(value: Value, path: str) -> list[Cause]:
    if value.WhichOneof("kind") == "string_value":
        fine = _PERCENT.fullmatch(value.string_value)
        return [] if fine else [causes.invalid(path, value.string_value, _PERCENT_SHAPE)]
    number = value.number_value
    if value.WhichOneof("kind") != "number_value" or not number.is_integer():
        return [causes.invalid(path, number, "must be a whole number or a percentage")]
    if not 0 <= number < 2**31:
        told = "must be greater than or equal to 0" if number < 0 else "must fit into 32 bits"
        return [causes.invalid(path, int(number), told)]
    return []


def _amount(value: Value) -> int:
    """The number before the per cent, or the number itself."""
    return int(value.string_value.removesuffix("%") or value.number_value)


def _shown(value: Value) -> str | int:
    return value.string_value or int(value.number_value)


def _deadline(spec: DeploymentSpec) -> list[Cause]:
    """A pod that must be ready for longer than the deadline would fail every rollout."""
    deadline = spec.progressDeadlineSeconds
    if deadline > spec.minReadySeconds:
        return []
    told = "must be greater than minReadySeconds"
    return [causes.invalid("spec.progressDeadlineSeconds", deadline, told)]


def _not_negative(status: Any, names: Iterable[str]) -> list[Cause]:
    told = "must be greater than or equal to 0"
    values = ((name, getattr(status, name)) for name in names)
    return [causes.invalid(f"status.{name}", number, told) for name, number in values if number < 0]


def _parts(status: Any, names: Iterable[str]) -> list[Cause]:
    """None can be more than there are, nor more available than are ready."""
    told = "cannot be greater than status.replicas"
    values = ((name, getattr(status, name)) for name in names)
    found = [
        causes.invalid(f"status.{name}", number, told)
        for name, number in values
        if number > status.replicas
    ]
    if status.availableReplicas > status.readyReplicas:
        place, told = "status.availableReplicas", "cannot be greater than readyReplicas"
        found.append(causes.invalid(place, status.availableReplicas, told))
    return found
