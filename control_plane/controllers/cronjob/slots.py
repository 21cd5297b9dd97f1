"""What became of each slot, for those who ask afterwards: status.recentSlots. Pure.

Kubernetes tells it by events only, which are gone after an hour and say nothing of a slot that nobody looked at. Here
the last ten decisions stay with the CronJob. They are written with the status that is written anyway, and for a slot
that is skipped once more; a decision that is there already is not written again, so looking twice changes nothing.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta

from api import clock
from control_plane.controllers.cronjob.due import distance
from control_plane.controllers.cronjob.schedule import Schedule
from proto.v1.batch_pb2 import CronJob, CronJobSlot, CronJobStatus

KEPT = 10
RAN, SKIPPED = "Ran", "Skipped"
JOB_RUNNING, TOO_LATE, SUSPENDED, MISSED = "JobRunning", "TooLate", "Suspended", "Missed"
MOMENT = timedelta(seconds=1)  # no two slots are closer


def ran(slot: datetime, job: str, now: datetime) -> CronJobSlot:
    return _entry(slot, now, decision=RAN, job=job)


def skipped(
    slot: datetime, reason: str, now: datetime, *, job: str = "", count: int = 1
) -> CronJobSlot:
    return _entry(slot, now, decision=SKIPPED, reason=reason, job=job, slots=count)


def _entry(slot: datetime, now: datetime, **fields: object) -> CronJobSlot:
    made = CronJobSlot(slots=1)
    made.time.CopyFrom(clock.timestamp(slot))
    made.decidedTime.CopyFrom(clock.timestamp(now))
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def note(status: CronJobStatus, entry: CronJobSlot) -> bool:
    """In the order of the slots. A slot has one entry: that of its latest decision. Whether that is news."""
    kept = [each for each in status.recentSlots if not _same_slot(each, entry)]
    before = next((each for each in status.recentSlots if _same_slot(each, entry)), None)
    if before is not None and _same_decision(before, entry):
        return False
    kept.append(entry)
    kept.sort(key=lambda each: each.time.seconds)
    del status.recentSlots[:]
    status.recentSlots.extend(kept[-KEPT:])
    return True


def _same_slot(one: CronJobSlot, other: CronJobSlot) -> bool:
    return one.time.seconds == other.time.seconds and one.slots == other.slots


def _same_decision(one: CronJobSlot, other: CronJobSlot) -> bool:
    """Whoever was in the way first stays named."""
    return (one.decision, one.reason) == (other.decision, other.reason)


def undecided(
    cronjob: CronJob, schedule: Schedule, until: datetime, now: datetime
) -> Iterable[CronJobSlot]:
    """Those before `until` that nobody has decided about: we were not there, or were held up.

    Of many, one entry tells. Those that a starting deadline has cut off come first, for they are older.
    """
    after = _settled(cronjob)
    if cronjob.spec.HasField("startingDeadlineSeconds"):
        cut = now - timedelta(seconds=cronjob.spec.startingDeadlineSeconds)
        for entry in _row(schedule, after, min(cut, until), TOO_LATE, now):
            after = clock.to_datetime(entry.time)
            yield entry
    yield from _row(schedule, after, until, MISSED, now)


def suspended(cronjob: CronJob, schedule: Schedule, now: datetime) -> Iterable[CronJobSlot]:
    """All that came since the last decision. The latest has an entry of its own: resumed, it runs."""
    after = _settled(cronjob)
    first = schedule.next(after)
    if first is None or first > now:
        return
    latest = schedule.latest(first, now)
    yield from _row(schedule, after, latest, SUSPENDED, now)
    yield skipped(latest, SUSPENDED, now)


def _row(
    schedule: Schedule, after: datetime, until: datetime, reason: str, now: datetime
) -> Iterable[CronJobSlot]:
    """The slots later than `after` and earlier than `until`, as one entry or none."""
    first = schedule.next(after)
    if first is None or first >= until:
        return
    last = schedule.latest(first, until - MOMENT)
    yield skipped(last, reason, now, count=distance(schedule, first, last) + 1)


def _settled(cronjob: CronJob) -> datetime:
    """Up to here there is nothing left to say."""
    status = cronjob.status
    known = [cronjob.metadata.creationTimestamp, *(each.time for each in status.recentSlots)]
    if status.HasField("lastScheduleTime"):
        known.append(status.lastScheduleTime)
    return max(clock.to_datetime(each) for each in known)
