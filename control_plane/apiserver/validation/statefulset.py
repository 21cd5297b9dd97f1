"""StatefulSets and ControllerRevisions: what must hold between fields, in changes, and in a status."""

from api.errors import Cause
from control_plane.apiserver.validation import causes
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
from control_plane.apiserver.validation.workloads import validate_pods
from proto.v1.apps_pb2 import (
    ControllerRevision,
    RollingUpdateStatefulSet,
    StatefulSet,
    StatefulSetUpdateStrategy,
)

_CHANGEABLE = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_FIXED = ("selector", "serviceName", "podManagementPolicy")
_PARTS = ("readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")


def validate_statefulset(statefulset: StatefulSet) -> list[Cause]:
    spec = statefulset.spec
    found = validate_pods(spec, owner="statefulset", kind="StatefulSet")
    return [*found, *_strategy(spec.updateStrategy, "spec.updateStrategy")]


def validate_statefulset_update(new: StatefulSet, old: StatefulSet) -> list[Cause]:
    """Kubernetes says the sentence of the spec as a whole; here it names the field."""
    if not old.HasField("spec"):
        return []
    return [
        causes.forbidden(f"spec.{name}", _CHANGEABLE)
        for name in _FIXED
        if getattr(new.spec, name) != getattr(old.spec, name)
    ]


def validate_statefulset_status(new: StatefulSet, old: StatefulSet) -> list[Cause]:
    status = new.status
    numbers = ("replicas", *_PARTS, "observedGeneration", "collisionCount")
    found = validate_counts(status, numbers) + validate_parts(status, _PARTS)
    return found + validate_collisions(status, old.status)


def validate_revision(revision: ControllerRevision) -> list[Cause]:
    missing = not revision.HasField("data")
    return [causes.required("data", "data is mandatory")] if missing else []


def validate_revision_update(new: ControllerRevision, old: ControllerRevision) -> list[Cause]:
    """What was once is not rewritten; its number may change."""
    if new.data == old.data or not new.HasField("data"):
        return []
    return [Cause("data", "Invalid value: field is immutable", "FieldValueInvalid")]


def _strategy(strategy: StatefulSetUpdateStrategy, path: str) -> list[Cause]:
    if not strategy.HasField("rollingUpdate"):
        return []
    place = f"{path}.rollingUpdate"
    if strategy.type == "OnDelete":
        told = "only allowed for updateStrategy 'RollingUpdate'"
        return [causes.invalid(place, strategy.rollingUpdate, told)]
    return _rolling(strategy.rollingUpdate, place)


def _rolling(rolling: RollingUpdateStatefulSet, path: str) -> list[Cause]:
    if not rolling.HasField("maxUnavailable"):
        return []
    value, place = rolling.maxUnavailable, f"{path}.maxUnavailable"
    found = number_or_percent(value, place)
    if found:
        return found
    if amount(value) == 0:
        found.append(causes.invalid(place, shown(value), "cannot be 0"))
    return found + not_above_all(value, place)
