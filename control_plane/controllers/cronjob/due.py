"""Which slot of a CronJob's schedule is to be run now, and when to look again. Pure.

A slot is a time that the schedule names. However many were missed, because the control plane was down, the
laptop's lid was closed or the CronJob was suspended, only the latest of them is run: a machine that wakes from a
weekend does not start two thousand Jobs. More than a hundred are worth a warning, for they may mean that a clock was
wrong; the latest is run all the same. (Kubernetes' documentation said until 2026 that it is not. So it was with the
first controller, until 1.20.)
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api import clock
from control_plane.controllers.cronjob.schedule import Schedule
from proto.v1.batch_pb2 import CronJob

MANY = 100  # slots
JUST_AFTER = 0.1  # seconds; the slot has surely begun when we look


@dataclass(frozen=True)
class Due:
    slot: datetime | None = None  # the one to run
    too_late: bool = False  # it is past its starting deadline
    missed: int = (
        0  # slots since the last run, this one included; a good guess if the schedule is irregular
    )
    upcoming: datetime | None = None  # the slot after that

    def look_again(self, now: datetime) -> float | None:
        """In seconds. None: the schedule names no more times."""
        if self.upcoming is None:
            return None
        return max((self.upcoming - now).total_seconds(), 0.0) + JUST_AFTER


def due(cronjob: CronJob, schedule: Schedule, now: datetime) -> Due:
    """Whether it may be run is for the concurrency policy to say."""
    first = schedule.next(_base(cronjob, now))
    if first is None or now < first:
        return Due(upcoming=first)
    second = schedule.next(first)
    if second is None or now < second:
        return Due(first, _too_late(cronjob, first, now), 1, second)
    missed = distance(schedule, first, now) + 1
    slot = schedule.latest(first, now)
    return Due(slot, _too_late(cronjob, slot, now), missed, schedule.next(slot))


def distance(schedule: Schedule, first: datetime, until: datetime) -> int:
    """How many slots there are after the slot `first`, up to `until`: counted to a hundred, guessed beyond."""
    count, last = 0, first
    while count < MANY:
        following = schedule.next(last)
        if following is None or following > until:
            return count
        count, last = count + 1, following
    return (until - first) // ((last - first) / count)


def _base(cronjob: CronJob, now: datetime) -> datetime:
    """Slots up to here are settled: they were run, were before our time, or would be too late."""
    status = cronjob.status
    seen = status.HasField("lastScheduleTime")
    stamp = status.lastScheduleTime if seen else cronjob.metadata.creationTimestamp
    base = clock.to_datetime(stamp)
    if cronjob.spec.HasField("startingDeadlineSeconds"):
        base = max(base, now - timedelta(seconds=cronjob.spec.startingDeadlineSeconds))
    return base


def _too_late(cronjob: CronJob, slot: datetime, now: datetime) -> bool:
    if not cronjob.spec.HasField("startingDeadlineSeconds"):
        return False
    return slot + timedelta(seconds=cronjob.spec.startingDeadlineSeconds) < now


def job_name(cronjob: CronJob, slot: datetime) -> str:
    """A slot's Job has one name: however often it is asked for, there is one."""
    return f"{cronjob.metadata.name}-{int(slot.timestamp()) // 60}"
