"""ReplicaSets and Deployments: what must hold between their fields, in changes of them, and in their status (4d)."""

from typing import Any

from api.errors import Cause
from control_plane.apiserver.validation import causes, schema
from control_plane.apiserver.validation.amounts import (
    amount,
    not_above_all,
    number_or_percent,
    shown,
)
from control_plane.apiserver.validation.counts import (
    validate_collisions,
    validate_counts,
    validate_parts,
)
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


def validate_replicaset(replicaset: ReplicaSet) -> list[Cause]:
    return validate_pods(replicaset.spec)


def validate_deployment(deployment: Deployment) -> list[Cause]:
    spec = deployment.spec
    return [*validate_pods(spec), *_strategy(spec.strategy, "spec.strategy"), *_deadline(spec)]


def validate_workload_update(new: Any, old: Any) -> list[Cause]:
    """What was counted once must go on being counted, so the selector stays."""
    if not old.HasField("spec"):
        return []
    return schema.check_immutable(new.spec, old.spec, "spec", deep=False)


def validate_replicaset_status(new: ReplicaSet, old: ReplicaSet) -> list[Cause]:
    status = new.status
    found = validate_counts(
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
    return found + validate_parts(
        status, ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")
    )


def validate_deployment_status(new: Deployment, old: Deployment) -> list[Cause]:
    status = new.status
    found = validate_counts(
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
    found += validate_parts(status, ("updatedReplicas", "readyReplicas", "availableReplicas"))
    return found + validate_collisions(status, old.status)


def validate_pods(spec: Any, owner: str = "deployment", kind: str = "ReplicaSet") -> list[Cause]:
    """Selector and template, of whoever keeps pods running for ever.

    `owner`, `kind`: what messages call it; Kubernetes says "deployment" to ReplicaSets too, and the other way round.
    """
    found: list[Cause] = []
    if spec.HasField("selector"):
        found = validate_own_selector(spec.selector, "spec.selector", owner)
    if not spec.HasField("template"):
        return found
    if spec.HasField("selector") and not found:
        found = validate_fit(spec.selector, spec.template, "spec.template")
    found += validate_template(spec.template, "spec.template")
    if spec.template.spec.restartPolicy not in ("", "Always"):
        place = "spec.template.spec.restartPolicy"
        found.append(causes.unsupported(place, spec.template.spec.restartPolicy, ("Always",)))
    if spec.template.spec.HasField("activeDeadlineSeconds"):
        told = f"activeDeadlineSeconds in {kind} is not Supported"
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
        *number_or_percent(unavailable, place),
        *number_or_percent(surge, f"{path}.maxSurge"),
    ]
    if found:
        return found
    if amount(unavailable) == 0 and amount(surge) == 0:
        found.append(causes.invalid(place, shown(unavailable), "may not be 0 when `maxSurge` is 0"))
    return found + not_above_all(unavailable, place)


def _deadline(spec: DeploymentSpec) -> list[Cause]:
    """A pod that must be ready for longer than the deadline would fail every rollout."""
    deadline = spec.progressDeadlineSeconds
    if deadline > spec.minReadySeconds:
        return []
    told = "must be greater than minReadySeconds"
    return [causes.invalid("spec.progressDeadlineSeconds", deadline, told)]
