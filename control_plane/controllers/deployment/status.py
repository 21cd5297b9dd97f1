"""What a Deployment reports: numbers, and the conditions Available, Progressing, ReplicaFailure (S#70).

Progressing is a clock. Whenever the rollout gets a step further its `lastUpdateTime` is set anew; when it stands still
for longer than the deadline, the condition says so (and nothing more happens: to go back is the user's decision). A
Deployment that was complete once is not measured again until its template changes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from api import clock
from control_plane.controllers.deployment import bounds, sizes
from proto.v1.apps_pb2 import Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet

AVAILABLE, PROGRESSING, FAILURE = "Available", "Progressing", "ReplicaFailure"
COMPLETE, TIMED_OUT = "NewReplicaSetAvailable", "ProgressDeadlineExceeded"
CREATED, FOUND, UPDATED = "NewReplicaSetCreated", "FoundNewReplicaSet", "ReplicaSetUpdated"
PAUSED, RESUMED, NOT_CREATED = "DeploymentPaused", "DeploymentResumed", "ReplicaSetCreateError"
NO_DEADLINE = 2**31 - 1  # seconds: Kubernetes' way to say "never"


def condition(status: DeploymentStatus, type: str) -> DeploymentCondition | None:
    return next((each for each in status.conditions if each.type == type), None)


def remove_condition(status: DeploymentStatus, type: str) -> None:
    kept = [each for each in status.conditions if each.type != type]
    del status.conditions[:]
    status.conditions.extend(kept)


def set_condition(
    status: DeploymentStatus,
    fresh: tuple[str, str, str, str],
    now: datetime,
    *,
    renew: bool = False,
) -> None:
    """`fresh`: type, status, reason, message. The same as before changes nothing, except to `renew` its time."""
    type, value, reason, message = fresh
    before = condition(status, type)
    if before and (before.status, before.reason) == (value, reason) and not renew:
        return
    stamp = clock.timestamp(now)
    since = before.lastTransitionTime if before and before.status == value else stamp
    made = DeploymentCondition(type=type, status=value, reason=reason, message=message)
    made.lastUpdateTime.CopyFrom(stamp)
    made.lastTransitionTime.CopyFrom(since)
    remove_condition(status, type)
    status.conditions.append(made)


def counted(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], now: datetime
) -> DeploymentStatus:
    """The numbers, and Available; the other conditions as they were."""
    every = [*old, *((new,) if new else ())]
    available = sizes.available(every)
    status = DeploymentStatus(
        observedGeneration=deployment.metadata.generation,
        replicas=sum(rs.status.replicas for rs in every),
        updatedReplicas=new.status.replicas if new else 0,
        readyReplicas=sum(rs.status.readyReplicas for rs in every),
        availableReplicas=available,
        unavailableReplicas=max(0, sizes.total(every) - available),
        terminatingReplicas=sum(rs.status.terminatingReplicas for rs in every),
    )
    if deployment.status.HasField("collisionCount"):
        status.collisionCount = deployment.status.collisionCount
    status.conditions.extend(deployment.status.conditions)
    enough = available >= bounds.fewest_available(deployment)
    said = "has" if enough else "does not have"
    word = (
        ("True", "MinimumReplicasAvailable") if enough else ("False", "MinimumReplicasUnavailable")
    )
    set_condition(status, (AVAILABLE, *word, f"Deployment {said} minimum availability."), now)
    return status


def has_deadline(deployment: Deployment) -> bool:
    spec = deployment.spec
    return spec.HasField("progressDeadlineSeconds") and spec.progressDeadlineSeconds != NO_DEADLINE


def is_complete(deployment: Deployment, status: DeploymentStatus) -> bool:
    counts = {status.updatedReplicas, status.replicas, status.availableReplicas}
    seen = status.observedGeneration >= deployment.metadata.generation
    return counts == {deployment.spec.replicas} and seen


def is_progressing(before: DeploymentStatus, now: DeploymentStatus) -> bool:
    """More new pods, fewer old ones, or more that are ready or available."""
    return (
        now.updatedReplicas > before.updatedReplicas
        or now.replicas - now.updatedReplicas < before.replicas - before.updatedReplicas
        or now.readyReplicas > before.readyReplicas
        or now.availableReplicas > before.availableReplicas
    )


def deadline(deployment: Deployment, status: DeploymentStatus) -> datetime | None:
    """When the rollout will have stood still for too long. None: nobody measures."""
    progress = condition(status, PROGRESSING)
    if not progress or not has_deadline(deployment) or deployment.spec.paused:
        return None
    if progress.reason in (COMPLETE, TIMED_OUT):
        return None
    allowed = timedelta(seconds=deployment.spec.progressDeadlineSeconds)
    return clock.to_datetime(progress.lastUpdateTime) + allowed


def note_pause(deployment: Deployment, status: DeploymentStatus, now: datetime) -> None:
    """A pause stops the clock; afterwards it starts anew. A rollout that has failed stays failed."""
    progress = condition(status, PROGRESSING)
    if not has_deadline(deployment) or (progress and progress.reason == TIMED_OUT):
        return
    if deployment.spec.paused:
        fresh = (PROGRESSING, "Unknown", PAUSED, "Deployment is paused")
        set_condition(status, fresh, now)
    elif progress and progress.reason == PAUSED:
        set_condition(status, (PROGRESSING, "Unknown", RESUMED, "Deployment is resumed"), now)


def note_found(status: DeploymentStatus, new: ReplicaSet, now: datetime) -> None:
    """The ReplicaSet of this template was there already: its clock begins."""
    told = ("True", FOUND, f'Found new replica set "{new.metadata.name}"')
    set_condition(status, (PROGRESSING, *told), now, renew=True)


def note_progress(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: datetime
) -> None:
    if not has_deadline(deployment):
        remove_condition(status, PROGRESSING)
        return
    progress = condition(status, PROGRESSING)
    was_complete = progress is not None and progress.reason == COMPLETE
    if was_complete and status.replicas == status.updatedReplicas:
        return
    subject = (
        f'ReplicaSet "{new.metadata.name}"' if new else f'Deployment "{deployment.metadata.name}"'
    )
    due = deadline(deployment, status)
    if is_complete(deployment, status):
        told = ("True", COMPLETE, f"{subject} has successfully progressed.")
        set_condition(status, (PROGRESSING, *told), now)
    elif is_progressing(deployment.status, status):
        told = ("True", UPDATED, f"{subject} is progressing.")
        set_condition(status, (PROGRESSING, *told), now, renew=True)
    elif due and due < now:
        told = ("False", TIMED_OUT, f"{subject} has timed out progressing.")
        set_condition(status, (PROGRESSING, *told), now)


def note_failures(
    status: DeploymentStatus, new: ReplicaSet | None, old: Sequence[ReplicaSet], now: datetime
) -> None:
    """A ReplicaSet cannot create pods: the new one's trouble is told first."""
    every = [*((new,) if new else ()), *old]
    failures = [c for rs in every for c in rs.status.conditions if c.type == FAILURE]
    if not failures:
        remove_condition(status, FAILURE)
        return
    first = failures[0]
    set_condition(status, (FAILURE, first.status, first.reason, first.message), now)
