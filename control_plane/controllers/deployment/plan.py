"""One step of a Deployment as a whole: which ReplicaSets to make, to size, to forget, and what to report.

The order is Kubernetes': a Deployment that is being deleted only reports; one that is paused, or was scaled, gets its
sizes and its template is not looked at; else its strategy makes one step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from control_plane.controllers import owners
from control_plane.controllers.deployment import notes, rollback, sizes, template
from control_plane.controllers.deployment import status as reports
from control_plane.controllers.deployment.sizes import Sizes
from proto.v1.apps_pb2 import Deployment, DeploymentStatus, ReplicaSet

Notes = Mapping[str, str | None]  # annotations; None: to be taken away


@dataclass(frozen=True)
class Plan:
    status: DeploymentStatus
    create: ReplicaSet | None = None
    write: Sequence[tuple[ReplicaSet, ReplicaSet]] = ()  # as it is, and as it shall be
    delete: Sequence[ReplicaSet] = ()
    notes: Notes = field(default_factory=dict)  # to be written into the Deployment
    back: rollback.Decision = rollback.NOTHING


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
    rollback.note(deployment, status, new, now)
    paused = deployment.spec.paused
    if paused or sizes.was_scaled(deployment, sets):
        wanted = sizes.scaled(deployment, new, old)
        resized = sizes.held_back(wanted, sets)
        write = _writes(deployment, new, old, resized)
        waits = resized != wanted
        if paused or waits or any(before.metadata.name in resized for before, _ in write):
            delete = surplus(deployment, old) if paused else ()
            return Plan(status, write=write, delete=delete, notes=_notes(deployment, new, old))
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
        return _beginning(deployment, old, status, now)
    first = reports.condition(status, reports.PROGRESSING) is None
    if new is not None and first and reports.has_deadline(deployment):
        reports.note_found(status, new, now)
    reports.note_progress(deployment, status, new, now)
    if recreate or new is None:
        resized = sizes.recreate(deployment, new, old, old_pods=old_pods)
    else:
        resized = sizes.rolling(deployment, new, old)
    resized = sizes.held_back(resized, [*old, *((new,) if new else ())])
    complete = reports.is_complete(deployment, status)
    write = _writes(deployment, new, old, resized, good=complete and rollback.is_wanted(deployment))
    return Plan(
        status,
        write=write,
        delete=surplus(deployment, old) if complete and not resized else (),
        notes=_notes(deployment, new, old),
        back=rollback.decide(deployment, status, new, old),
    )


def _beginning(
    deployment: Deployment, old: Sequence[ReplicaSet], status: DeploymentStatus, now: datetime
) -> Plan:
    """The template is new: so is its ReplicaSet."""
    made = new_set(deployment, old)
    told = ("True", reports.CREATED, f'Created new replica set "{made.metadata.name}"')
    if reports.has_deadline(deployment):
        reports.set_condition(status, (reports.PROGRESSING, *told), now)
    return Plan(status, create=made, notes=_notes(deployment, made, old))


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
    waits = any(map(sizes.is_shrinking, old))
    spec.replicas = 0 if waits else sizes.new_size(deployment, 0, sizes.total(old))
    notes.note_size(made, deployment)
    notes.note_revision(made, deployment, old)
    return made


def _writes(
    deployment: Deployment,
    new: ReplicaSet | None,
    old: Sequence[ReplicaSet],
    resized: Sizes,
    *,
    good: bool = False,
) -> list[tuple[ReplicaSet, ReplicaSet]]:
    """Changed copies of the sets that change. `good`: all pods of the new one are available, and that is noted."""
    changed = []
    for rs in (*((new,) if new else ()), *old):
        copy = ReplicaSet()
        copy.CopyFrom(rs)
        if rs is new:
            notes.note_revision(copy, deployment, old)
            copy.spec.minReadySeconds = deployment.spec.minReadySeconds
            if good and copy.spec.replicas:
                copy.metadata.annotations[notes.FULLY_AVAILABLE] = "true"
        if rs.metadata.name in resized:
            copy.spec.replicas = resized[rs.metadata.name]
            notes.note_size(copy, deployment)
        if copy != rs:
            changed.append((rs, copy))
    return changed


def _notes(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Notes:
    """The revision, and nothing of a rollback that has been overtaken by another change."""
    if new is None:
        return {}
    revision = str(max(notes.revision(new), notes.next_revision(old)))
    wanted: dict[str, str | None] = {notes.REVISION: revision}
    if not rollback.is_rollback(deployment, new):
        wanted |= {notes.ROLLED_BACK_FROM: None, notes.ROLLED_BACK_TO: None}
    present = deployment.metadata.annotations
    return {name: value for name, value in wanted.items() if present.get(name) != value}


def surplus(deployment: Deployment, old: Sequence[ReplicaSet]) -> list[ReplicaSet]:
    """Old ReplicaSets beyond the history limit that are empty and known to be."""
    kept = [rs for rs in old if not rs.metadata.HasField("deletionTimestamp")]
    count = len(kept) - deployment.spec.revisionHistoryLimit
    by_revision = sorted(kept, key=notes.revision)  # stable: of equal ones the oldest first
    return [rs for rs in by_revision[: max(0, count)] if _is_empty(rs)]


def _is_empty(rs: ReplicaSet) -> bool:
    return sizes.is_observed(rs) and not rs.spec.replicas and not rs.status.replicas


def next_look(deployment: Deployment, status: DeploymentStatus, now: datetime) -> float | None:
    """Seconds until the rollout has stood still for too long, and one more."""
    due = reports.deadline(deployment, status)
    return max(0.0, (due + timedelta(seconds=1) - now).total_seconds()) if due else None
