"""Jobs and CronJobs in words."""

from collections.abc import Sequence
from typing import Any

from api.duration import human_duration
from cli.describe.lines import (
    NONE,
    UNSET,
    Field,
    fields,
    identity,
    marks,
    moment,
    section,
    table,
    yes,
)
from cli.describe.template import template_lines
from cli.describe.workloads import conditions, controller, selector_text

LATE = 5  # seconds after its slot a Job may start without a word


def describe_job(job: Any) -> list[str]:
    spec, meta = job.spec, job.metadata
    rows: list[Field] = [
        *identity(meta),
        ("Selector", selector_text(spec.selector)),
        *marks(meta),
        *controller(meta),
        ("Parallelism", str(spec.parallelism)),
        ("Completions", _or_unset(spec, "completions")),
        ("Completion Mode", spec.completionMode),
        ("Suspend", str(spec.suspend).lower()),
        ("Backoff Limit", str(spec.backoffLimit)),
        *_limits(spec),
        *_course(job),
        ("Pods Statuses", _pods(job.status)),
    ]
    if spec.completionMode == "Indexed":
        rows.append(("Completed Indexes", job.status.completedIndexes or NONE))
        if job.status.failedIndexes:
            rows.append(("Failed Indexes", job.status.failedIndexes))
    return [*fields(rows), *template_lines(spec.template), *conditions(job.status.conditions)]


def describe_cronjob(cronjob: Any) -> list[str]:
    spec, meta = cronjob.spec, cronjob.metadata
    work = spec.jobTemplate.spec
    zone: list[Field] = [("Time Zone", spec.timeZone)] if spec.HasField("timeZone") else []
    rows: list[Field] = [
        *identity(meta),
        *marks(meta),
        ("Schedule", spec.schedule),
        *zone,
        ("Concurrency Policy", spec.concurrencyPolicy),
        ("Suspend", yes(spec.suspend)),
        ("Successful Job History Limit", _or_unset(spec, "successfulJobsHistoryLimit")),
        ("Failed Job History Limit", _or_unset(spec, "failedJobsHistoryLimit")),
        ("Starting Deadline Seconds", _or_unset(spec, "startingDeadlineSeconds", "s")),
        ("Selector", selector_text(work.selector) if work.HasField("selector") else UNSET),
        ("Parallelism", _or_unset(work, "parallelism")),
        ("Completions", _or_unset(work, "completions")),
    ]
    if work.HasField("activeDeadlineSeconds"):
        rows.append(("Active Deadline Seconds", f"{work.activeDeadlineSeconds}s"))
    active = ", ".join(each.name for each in cronjob.status.active)
    last: list[Field] = [
        ("Last Schedule Time", moment(cronjob.status.lastScheduleTime)),
        ("Active Jobs", active or NONE),
    ]
    return [
        *fields(rows),
        *template_lines(work.template),
        *fields(last),
        *recent_slots(cronjob.status.recentSlots),
    ]


def recent_slots(slots: Sequence[Any]) -> list[str]:
    """What became of the times that the schedule named."""
    header = ["Slot", "Decision", "Job", "Why"]
    rows = [[moment(s.time), s.decision, s.job or NONE, why(s)] for s in slots]
    return section("Recent Slots", table(header, rows) if rows else [])


def why(slot: Any) -> str:
    """Of a slot that ran in time there is nothing to say."""
    late = slot.decidedTime.seconds - slot.time.seconds
    if slot.decision == "Ran":
        return f"started {human_duration(late)} late" if late >= LATE else ""
    told = {
        "JobRunning": "that Job was still running, and the concurrency policy is Forbid",
        "TooLate": f"past its starting deadline when the controller looked, {human_duration(late)} late",
        "Suspended": "suspended",
        "Missed": "the controller was not looking; of missed slots only the latest is run",
    }.get(slot.reason, slot.reason)
    return f"{slot.slots} slots up to this one: {told}" if slot.slots > 1 else told


def _or_unset(message: Any, name: str, unit: str = "") -> str:
    return f"{getattr(message, name)}{unit}" if message.HasField(name) else UNSET


def _limits(spec: Any) -> list[Field]:
    named = (
        ("TTL Seconds After Finished", "ttlSecondsAfterFinished", ""),
        ("Active Deadline Seconds", "activeDeadlineSeconds", "s"),
    )
    return [
        (title, _or_unset(spec, name, unit)) for title, name, unit in named if spec.HasField(name)
    ]


def _course(job: Any) -> list[Field]:
    """When it began, when it ended, how long that took."""
    start, end = job.status.startTime, job.status.completionTime
    rows: list[Field] = [("Start Time", moment(start))] if start.seconds else []
    if end.seconds:
        rows.append(("Completed At", moment(end)))
    if start.seconds and end.seconds:
        rows.append(("Duration", human_duration(end.seconds - start.seconds)))
    return rows


def _pods(status: Any) -> str:
    ready = f" ({status.ready} Ready)" if status.HasField("ready") else ""
    return f"{status.active} Active{ready} / {status.succeeded} Succeeded / {status.failed} Failed"
