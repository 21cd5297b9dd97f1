"""CronJobs: schedule, time zone, and the template of their Jobs (4e)."""

import zoneinfo

from api.errors import Cause
from api.schedule import schedule_problem
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.job import validate_job_spec
from proto.v1.batch_pb2 import CronJob, CronJobSpec

NAME_LIMIT = 52  # 63, less the minute that the names of its Jobs end in


def validate_cronjob(cronjob: CronJob) -> list[Cause]:
    spec = cronjob.spec
    found = [*_name(cronjob.metadata.name), *_schedule(spec), *_time_zone(spec)]
    if spec.jobTemplate.HasField("spec"):
        found += validate_job_spec(spec.jobTemplate.spec, "spec.jobTemplate.spec")
    return found


def _name(name: str) -> list[Cause]:
    if len(name) <= NAME_LIMIT:
        return []
    return [causes.invalid("metadata.name", name, f"must be no more than {NAME_LIMIT} characters")]


def _schedule(spec: CronJobSpec) -> list[Cause]:
    text, place = spec.schedule, "spec.schedule"
    if not text:
        return []  # the rules of fields say so
    if "TZ" in text:
        told = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        if spec.HasField("timeZone"):
            told = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
        return [causes.invalid(place, text, told)]
    problem = schedule_problem(text)
    return [causes.invalid(place, text, problem)] if problem else []


def _time_zone(spec: CronJobSpec) -> list[Cause]:
    if not spec.HasField("timeZone"):
        return []
    name, place = spec.timeZone, "spec.timeZone"
    if not name:
        return [causes.invalid(place, name, "must be nil or non-empty string")]
    if name.lower() == "local":
        told = "must be an explicit time zone as defined in https://www.iana.org/time-zones"
        return [causes.invalid(place, name, told)]
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return [causes.invalid(place, name, f"unknown time zone {name}")]
    return []
