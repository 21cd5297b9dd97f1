"""One step of a Deployment as a whole: which ReplicaSets to make, to size, to forget, and what to report.

The order is Kubernetes': a Deployment that is being deleted only reports; one that is paused, or was scaled, gets its
sizes and its template is not looked at; else its strategy makes one step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from control_plane.controllers import owners
from control_plane.controllers.deployment import notes, sizes, template
from control_plane.controllers.deployment import status as reports
from control_plane.controllers.deployment.sizes import Sizes
from proto.v1.apps_pb2 import Deployment, DeploymentStatus, ReplicaSet


@dataclass(frozen=True)
class Plan:
    status: DeploymentStatus
    create: ReplicaSet | None = None
    write: Sequence[tuple[ReplicaSet, ReplicaSet]] = ()  # as it is, and as it shall be
    delete: Sequence[ReplicaSet] = ()
    revision: str = ""  # to be noted in the Deployment; empty: it is


def plan(
    deployment: Deployment, sets: Sequence[ReplicaSet], now: datetime, *, old_pods: bool
) -> Plan:
    """`old_pods`: pods of old ReplicaSets exist, be it that they are ending (a Recreate waits for them)."""
    new = template.find_new(deployment, sets)
    old = [rs for rs in template.oldest_first(sets) if rs is not new]
    status = reports.counted(deployment, new, old, now)
    if deployment.metadata.HasField("deletionTimestamp"):
        return Plan(status)
    reports.note_pause(deployment, status, now)
    paused = deployment.spec.paused
    if paused or sizes.was_scaled(deployment, sets):
        resized = sizes.scaled(deployment, new, old)
        write = _writes(deployment, new, old, resized)
        if paused or any(before.metadata.name in resized for before, _ in write):
            delete = surplus(deployment, old) if paused else ()
            return Plan(
                status, write=write, delete=delete, revision=_revision(deployment, new, old)
            )
    return _rollout(deployment, new, old, status, now, old_pods=old_pods)


def _rollout(
    deployment: Deployment,
    new: ReplicaSet | None,
    old: Sequence[ReplicaSet],
    status: DeploymentStatus,
    now: datetime,
    *,
    old_pods: bool,
) -> Plan:
    recreate = deployment.spec.strategy.type == "Recreate"
    waits = recreate and (old_pods or bool(sizes.active(old)))
    reports.note_failures(status, new, old, now)
    if new is None and not waits:
        made = new_set(deployment, old)
        told = ("True", reports.CREATED, f'Created new replica set "{made.metadata.name}"')
        if reports.has_deadline(deployment):
            reports.set_condition(status, (reports.PROGRESSING, *told), now)
        return Plan(status, create=made, revision=made.metadata.annotations[notes.REVISION])
    if new is not None and reports.has_deadline(deployment):
        _note_found(status, new, now)
    reports.note_progress(deployment, status, new, now)
    if recreate or new is None:
        resized = sizes.recreate(deployment, new, old, old_pods=old_pods)
    else:
        resized = sizes.rolling(deployment, new, old)
    write = _writes(deployment, new, old, resized)
    finished = not resized and reports.is_complete(deployment, status)
    delete = surplus(deployment, old) if finished else ()
    return Plan(status, None, write, delete, _revision(deployment, new, old))


def _note_found(status: DeploymentStatus, new: ReplicaSet, now: datetime) -> None:
    if reports.condition(status, reports.PROGRESSING) is None:
        told = ("True", reports.FOUND, f'Found new replica set "{new.metadata.name}"')
        reports.set_condition(status, (reports.PROGRESSING, *told), now)


def new_set(deployment: Deployment, old: Sequence[ReplicaSet]) -> ReplicaSet:
    """A ReplicaSet of the present template."""
    name, digest = deployment.metadata.name, template.hash_of(deployment)
    made = ReplicaSet()
    made.metadata.name = f"{name}-{digest}"
    made.metadata.namespace = deployment.metadata.namespace
    made.metadata.ownerReferences.append(owners.reference_to(deployment))
    spec = made.spec
    spec.minReadySeconds = deployment.spec.minReadySeconds
    spec.selector.CopyFrom(deployment.spec.selector)
    spec.selector.matchLabels[template.HASH_LABEL] = digest
    spec.template.CopyFrom(deployment.spec.template)
    spec.template.metadata.labels[template.HASH_LABEL] = digest
    made.metadata.labels.update(spec.template.metadata.labels)
    spec.replicas = sizes.new_size(deployment, 0, sizes.total(old))
    notes.note_size(made, deployment)
    notes.note_revision(made, deployment, old)
    return made


def _writes(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], resized: Sizes
) -> list[tuple[ReplicaSet, ReplicaSet]]:
    """Changed copies of the sets that change."""
    changed = []
    for rs in (*((new,) if new else ()), *old):
        copy = ReplicaSet()
        copy.CopyFrom(rs)
        if rs is new:
            notes.note_revision(copy, deployment, old)
            copy.spec.minReadySeconds = deployment.spec.minReadySeconds
        if rs.metadata.name in resized:
            copy.spec.replicas = resized[rs.metadata.name]
            notes.note_size(copy, deployment)
        if copy != rs:
            changed.append((rs, copy))
    return changed


def _revision(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> str:
    if new is None:
        return ""
    wanted = str(max(notes.revision(new), notes.next_revision(old)))
    return "" if deployment.metadata.annotations.get(notes.REVISION) == wanted else wanted


def surplus(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old ReplicaSets beyond the history limit that are empty and known to be."""
    kept = [rs for rs in old if not rs.metadata.HasField("deletionTimestamp")]
    count = len(kept) - deployment.spec.revisionHistoryLimit
    by_revision = sorted(kept, key=notes.revision)  # stable: of equal ones the oldest first
    return [rs for rs in by_revision[: max(0, count)] if _is_empty(rs)]


def _is_empty(rs: Any) -> bool:
    observed = rs.status.observedGeneration >= rs.metadata.generation
    return observed and not rs.spec.replicas and not rs.status.replicas


def next_look(deployment: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """Seconds until the rollout has stood still for too long, and one more."""
    due = reports.deadline(deployment, status)
    return max(0.0, (due + timedelta(seconds=1) - now).total_seconds()) if due else None
