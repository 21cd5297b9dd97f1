"""What a Job's status says after a step."""

from collections.abc import Sequence
from datetime import datetime

from api import clock
from control_plane.controllers.job import indexes
from control_plane.controllers.job.account import Account
from control_plane.controllers.job.pods import is_indexed, is_leaving, is_tracked
from control_plane.controllers.job.verdict import FINAL, Verdict, condition
from control_plane.controllers.pods import is_active, ready_since
from proto.v1.batch_pb2 import Job, JobCondition, JobStatus
from proto.v1.pod_pb2 import Pod


def status_of(
    job: Job, pods: Sequence[Pod], sums: Account, said: Verdict | None, now: datetime
) -> JobStatus:
    status = JobStatus()
    status.CopyFrom(job.status)
    _count(status, job, pods, sums)
    _suspend(status, job, said, now)
    if said is not None:
        _set(status, JobCondition(type=said.type, reason=said.reason, message=said.message), now)
        if not _unfinished(pods, sums):
            final = FINAL[said.type]
            _set(status, JobCondition(type=final, reason=said.reason, message=said.message), now)
            if final == "Complete":
                status.completionTime.CopyFrom(clock.timestamp(now))
    return status


def _count(status: JobStatus, job: Job, pods: Sequence[Pod], sums: Account) -> None:
    active = [pod for pod in pods if is_active(pod)]
    status.active = len(active)
    status.ready = sum(ready_since(pod) is not None for pod in active)
    status.terminating = sum(map(is_leaving, pods))
    status.succeeded, status.failed = sums.counted
    status.uncountedTerminatedPods.CopyFrom(sums.uncounted)
    if not sums.uncounted.ListFields():
        status.ClearField("uncountedTerminatedPods")
    if is_indexed(job):
        status.completedIndexes = indexes.format(sums.done)
    if job.spec.HasField("backoffLimitPerIndex"):
        status.failedIndexes = indexes.format(sums.lost)


def _suspend(status: JobStatus, job: Job, said: Verdict | None, now: datetime) -> None:
    """A Job that is resumed starts anew: the time it was suspended for does not count against its deadline."""
    was = condition(job, "Suspended") is not None
    if job.spec.suspend and said is None:
        told = JobCondition(type="Suspended", reason="JobSuspended", message="Job suspended")
        _set(status, told, now)
        return
    if was and not job.spec.suspend:
        told = JobCondition(type="Suspended", reason="JobResumed", message="Job resumed")
        _set(status, told, now, "False")
    if (was and not job.spec.suspend) or not status.HasField("startTime"):
        status.startTime.CopyFrom(clock.timestamp(now))


def _unfinished(pods: Sequence[Pod], sums: Account) -> bool:
    """Something still runs, or is not counted."""
    if sums.uncounted.ListFields():
        return True
    return any(is_active(pod) or is_leaving(pod) or is_tracked(pod) for pod in pods)


def _set(status: JobStatus, wanted: JobCondition, now: datetime, value: str = "True") -> None:
    """A condition that was so before has been so since then."""
    wanted.status = value
    for known in status.conditions:
        if known.type == wanted.type:
            if known.status != value:
                wanted.lastTransitionTime.CopyFrom(clock.timestamp(now))
                wanted.lastProbeTime.CopyFrom(clock.timestamp(now))
                known.CopyFrom(wanted)
            return
    wanted.lastTransitionTime.CopyFrom(clock.timestamp(now))
    wanted.lastProbeTime.CopyFrom(clock.timestamp(now))
    status.conditions.append(wanted)
