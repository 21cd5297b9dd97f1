"""The rows of Jobs and CronJobs, as kubectl prints them."""

from collections.abc import Sequence
from datetime import datetime

from api import duration
from control_plane.apiserver.printers.cells import AGE, NAME, NONE, age
from control_plane.apiserver.printers.workloads import CONTENTS, contents
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.batch_pb2 import CronJob, Job

JOB_COLUMNS = (
    NAME,
    Column("Status", description="How far the work has come, in a word."),
    Column("Completions", description="Pods that have succeeded, of those that must."),
    Column("Duration", description="Time since the start, or until the end."),
    AGE,
    *CONTENTS,
)
CRONJOB_COLUMNS = (
    NAME,
    Column("Schedule", description="Minute, hour, day of month, month, day of week."),
    Column("Timezone", description="Whose clock that is."),
    Column("Suspend", "boolean", description="Whether no Jobs are started for now."),
    Column("Active", "integer", description="How many of its Jobs run."),
    Column("Last Schedule", description="Time since the last slot that a Job was started for."),
    AGE,
    *CONTENTS,
)


def job_row(job: Job, now: datetime) -> Sequence[Cell]:
    return (
        job.metadata.name,
        state(job),
        completions(job),
        _duration(job, now),
        age(job.metadata.creationTimestamp, now),
        *contents(job.spec.template, job.spec.selector),
    )


def cronjob_row(cronjob: CronJob, now: datetime) -> Sequence[Cell]:
    spec, last = cronjob.spec, cronjob.status.lastScheduleTime
    return (
        cronjob.metadata.name,
        spec.schedule,
        spec.timeZone or NONE,
        str(spec.suspend),
        len(cronjob.status.active),
        age(last, now) if last.seconds else NONE,
        age(cronjob.metadata.creationTimestamp, now),
        *contents(spec.jobTemplate.spec.template, spec.jobTemplate.spec.selector),
    )


def state(job: Job) -> str:
    held = {each.type for each in job.status.conditions if each.status == "True"}
    for final in ("Complete", "Failed"):
        if final in held:
            return final
    if job.metadata.HasField("deletionTimestamp"):
        return "Terminating"
    for passing in ("Suspended", "FailureTarget", "SuccessCriteriaMet"):
        if passing in held:
            return passing
    return "Running"


def completions(job: Job) -> str:
    """`1/3`; of a work queue, whose first success ends it, `0/1 of 5`."""
    done, spec = job.status.succeeded, job.spec
    if spec.HasField("completions"):
        return f"{done}/{spec.completions}"
    return f"{done}/1 of {spec.parallelism}" if spec.parallelism > 1 else f"{done}/1"


def _duration(job: Job, now: datetime) -> str:
    start, end = job.status.startTime, job.status.completionTime
    if not start.seconds:
        return ""
    return duration.human_duration((end.seconds or now.timestamp()) - start.seconds)
