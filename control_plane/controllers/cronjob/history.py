"""Which finished Jobs of a CronJob are kept: the latest few that succeeded, and the latest few that failed. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any

from control_plane.controllers.job.verdict import condition
from proto.v1.batch_pb2 import CronJob, Job


def outdated(cronjob: CronJob, jobs: Iterable[Job]) -> list[Job]:
    """Those beyond the limits, oldest first."""
    jobs = list(jobs)
    succeeded = [job for job in jobs if condition(job, "Complete")]
    failed = [job for job in jobs if condition(job, "Failed")]
    spec = cronjob.spec
    return [
        *_beyond(succeeded, spec.successfulJobsHistoryLimit),
        *_beyond(failed, spec.failedJobsHistoryLimit),
    ]


def _beyond(jobs: list[Job], limit: int) -> Sequence[Job]:
    return sorted(jobs, key=_age)[: max(len(jobs) - limit, 0)]


def _age(job: Job) -> tuple[Any, ...]:
    return job.status.startTime.seconds, job.metadata.name
