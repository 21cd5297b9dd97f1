"""What is noted about the slots of a CronJob, and how it reads."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import clock
from cli.describe.batch import recent_slots, why
from control_plane.controllers.cronjob import slots
from control_plane.controllers.cronjob.schedule import parse
from proto.v1.batch_pb2 import CronJob, CronJobSlot, CronJobSpec, CronJobStatus
from proto.v1.meta_pb2 import ObjectMeta

EVERY_TEN = parse("*/10 * * * *", UTC)


def at(text: str) -> datetime:
    """On the day of these tests."""
    return datetime.fromisoformat(f"2026-01-01T{text}").replace(tzinfo=UTC)


def cronjob(last: str = "", known: tuple[CronJobSlot, ...] = (), **spec: Any) -> CronJob:
    made = CronJob(metadata=ObjectMeta(name="tidy"), spec=CronJobSpec(**spec))
    made.metadata.creationTimestamp.CopyFrom(clock.timestamp(at("00:01")))
    if last:
        made.status.lastScheduleTime.CopyFrom(clock.timestamp(at(last)))
    made.status.recentSlots.extend(known)
    return made


def brief(entries: Any) -> list[tuple[str, str, int]]:
    return [(f"{clock.to_datetime(e.time):%H:%M}", e.reason, e.slots) for e in entries]


WAITED = slots.skipped(at("01:00"), slots.JOB_RUNNING, at("01:00"), job="tidy-6")


@pytest.mark.parametrize(
    ("given", "until", "now", "expected"),
    [
        # in time: nothing was passed over
        (cronjob(), "00:10", "00:10", []),
        (cronjob("00:10"), "00:20", "00:20", []),
        # asleep: all but the one that is run
        (cronjob("00:10"), "00:30", "00:34", [("00:20", "Missed", 1)]),
        (cronjob("00:10"), "12:00", "12:03", [("11:50", "Missed", 70)]),
        # a decision is not repeated, even if it was another one
        (cronjob("00:50", (WAITED,)), "01:00", "01:05", []),
        (cronjob("00:50", (WAITED,)), "01:30", "01:35", [("01:20", "Missed", 2)]),
        # the deadline cuts off what is older; without a slot to run, all of it
        (cronjob("00:10", startingDeadlineSeconds=60), "12:03", "12:03", [("12:00", "TooLate", 71)]),
        (cronjob("00:10", startingDeadlineSeconds=1500), "12:00", "12:03", [("11:30", "TooLate", 68), ("11:50", "Missed", 2)]),
    ],
)  # fmt: skip
def test_slots_nobody_decided_about(
    given: CronJob, until: str, now: str, expected: list[tuple[str, str, int]]
) -> None:
    assert brief(slots.undecided(given, EVERY_TEN, at(until), at(now))) == expected


@pytest.mark.parametrize(
    ("given", "now", "expected"),
    [
        (cronjob(), "00:09", []),
        (cronjob(), "00:10", [("00:10", "Suspended", 1)]),
        (cronjob(known=(WAITED,)), "01:09", []),
        (cronjob(known=(WAITED,)), "01:45", [("01:30", "Suspended", 3), ("01:40", "Suspended", 1)]),
    ],
)
def test_slots_of_a_suspended_cronjob(
    given: CronJob, now: str, expected: list[tuple[str, str, int]]
) -> None:
    """The latest stands alone, because it may still run."""
    assert brief(slots.suspended(given, EVERY_TEN, at(now))) == expected


def test_a_day_of_every_minute_leaves_ten_entries() -> None:
    status, begin = CronJobStatus(), at("00:00")
    for minute in range(1440):
        slot = begin + timedelta(minutes=minute)
        slots.note(status, slots.ran(slot, f"tidy-{minute}", slot))
    assert [each.job for each in status.recentSlots] == [f"tidy-{m}" for m in range(1430, 1440)]


def test_a_slot_that_was_held_back_and_ran_later_has_one_entry() -> None:
    status = CronJobStatus(recentSlots=[WAITED])
    slots.note(status, slots.ran(at("01:00"), "tidy-7", at("01:08")))
    [only] = status.recentSlots
    assert (only.decision, only.reason, only.job, why(only)) == (
        "Ran",
        "",
        "tidy-7",
        "started 8m late",
    )


def test_the_same_decision_again_changes_nothing() -> None:
    status = CronJobStatus(recentSlots=[WAITED])
    before = status.SerializeToString()
    slots.note(status, slots.skipped(at("01:00"), slots.JOB_RUNNING, at("01:05"), job="other"))
    assert status.SerializeToString() == before


def test_how_it_reads() -> None:
    """One line for each slot, with the Job or with the reason why there is none."""
    lines = recent_slots(
        [
            slots.skipped(at("00:50"), slots.MISSED, at("00:59"), count=5),
            WAITED,
            slots.skipped(at("01:10"), slots.TOO_LATE, at("01:13")),
            slots.skipped(at("01:20"), slots.SUSPENDED, at("01:20")),
            slots.ran(at("01:30"), "tidy-9", at("01:30")),
        ]
    )
    assert [re.split(r"\s{2,}", line.strip())[1:] for line in lines[3:]] == [
        ["Skipped", "<none>", "5 slots up to this one: the controller was not looking; of missed slots only the latest is run"],
        ["Skipped", "tidy-6", "that Job was still running, and the concurrency policy is Forbid"],
        ["Skipped", "<none>", "past its starting deadline when the controller looked, 3m late"],
        ["Skipped", "<none>", "suspended"],
        ["Ran", "tidy-9"],
    ]  # fmt: skip
    assert recent_slots([]) == ["Recent Slots:  <none>"]
