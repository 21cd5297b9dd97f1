"""Going back without being told, for Deployments that ask for it (`helmling.dev/rollback-on-deadline: "true"`).

Kubernetes says that a rollout has stood still for too long and leaves the rest to the user, who may be asleep; an
answer has been asked for since 2016 (kubernetes#23211). With the annotation the controller does what the user would
do, `rollout undo`, to the last revision that is known to be good.

- Known to be good is a revision whose pods were all available at once. Its ReplicaSet is marked at that moment; the
  word "last" in `rollout undo` would not do, because the version before may have been bad as well.
- Nothing is tried twice. What was rolled back is written into the Deployment in the same write that changes its
  template, so a rollout that is itself a rollback is known to be one, after a crash too; if it fails, it stays.
- It begins a clock of its own, and it ends as any rollout. The next change of the template by anybody clears the notes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from control_plane.controllers.deployment import notes, template
from control_plane.controllers.deployment import status as reports
from proto.v1.apps_pb2 import Deployment, DeploymentStatus, ReplicaSet

ROLLED_BACK = "RolledBack"  # a condition: for people; what is decided upon are the annotations
Told = tuple[Literal["Normal", "Warning"], str, str]  # an event: type, reason, message


@dataclass(frozen=True)
class Decision:
    back_to: ReplicaSet | None = None
    told: Told | None = None


NOTHING = Decision()


def is_wanted(deployment: Deployment) -> bool:
    return deployment.metadata.annotations.get(notes.WANTED) == "true"


def is_rollback(deployment: Deployment, new: ReplicaSet | None) -> bool:
    """The present template was put there by this controller."""
    to = deployment.metadata.annotations.get(notes.ROLLED_BACK_TO)
    return new is not None and to == new.metadata.name


def last_good(old: Sequence[ReplicaSet]) -> ReplicaSet | None:
    """The newest revision that was fully available once."""
    good = [
        rs
        for rs in old
        if notes.FULLY_AVAILABLE in rs.metadata.annotations
        and not rs.metadata.HasField("deletionTimestamp")
    ]
    return max(good, key=notes.revision, default=None)


def decide(
    deployment: Deployment,
    status: DeploymentStatus,
    new: ReplicaSet | None,
    old: Sequence[ReplicaSet],
) -> Decision:
    """`status` is what is about to be reported. A reason not to go back is told once, when the deadline passes."""
    if new is None or not is_wanted(deployment) or not _timed_out(status):
        return NOTHING
    late = f"Revision {notes.revision(new)} exceeded its progress deadline"
    if not is_rollback(deployment, new):
        good = last_good(old)
        if good is not None:
            done = f"{late}: rolled back to the template of revision {notes.revision(good)}"
            return Decision(good, ("Warning", "DeploymentRollback", done))
    if _timed_out(deployment.status):
        return NOTHING  # it has been told
    return Decision(told=_refusal(deployment, new, late))


def _refusal(deployment: Deployment, new: ReplicaSet, late: str) -> Told:
    if is_rollback(deployment, new):
        why = f"{late}, and it is a rollback itself: nothing more is tried"
        return "Warning", "DeploymentRollbackFailed", why
    why = f"{late}, and no other revision is known to have been fully available: it stays as it is"
    return "Warning", "DeploymentRollbackRevisionNotFound", why


def _timed_out(status: DeploymentStatus) -> bool:
    progress = reports.condition(status, reports.PROGRESSING)
    return progress is not None and progress.reason == reports.TIMED_OUT


def gone_back(deployment: Deployment, new: ReplicaSet, good: ReplicaSet) -> Deployment:
    """The Deployment with the template of a good revision, and what was done in its annotations."""
    copy = Deployment()
    copy.CopyFrom(deployment)
    copy.spec.template.CopyFrom(template.without_hash(good.spec.template))
    written = copy.metadata.annotations
    written[notes.ROLLED_BACK_FROM] = str(notes.revision(new))
    written[notes.ROLLED_BACK_TO] = good.metadata.name
    if cause := good.metadata.annotations.get(notes.CHANGE_CAUSE):
        written[notes.CHANGE_CAUSE] = cause
    else:
        written.pop(notes.CHANGE_CAUSE, None)
    return copy


def note(
    deployment: Deployment, status: DeploymentStatus, new: ReplicaSet | None, now: datetime
) -> None:
    """A rollback is told for as long as its template is the present one, and begins with a new clock."""
    if new is None or not is_rollback(deployment, new):
        reports.remove_condition(status, ROLLED_BACK)
        return
    failed = deployment.metadata.annotations.get(notes.ROLLED_BACK_FROM)
    said = f'Revision {failed} exceeded its progress deadline; ReplicaSet "{new.metadata.name}" is in its place again.'
    reports.set_condition(status, (ROLLED_BACK, "True", reports.TIMED_OUT, said), now)
    unseen = deployment.status.observedGeneration < deployment.metadata.generation
    if unseen and _timed_out(deployment.status):
        reports.note_found(status, new, now)
