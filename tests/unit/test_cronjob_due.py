"""Schedules and slots: what is due, what was missed, and what a change of clocks does to it."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from api import clock
from control_plane.controllers.cronjob.due import Due, due, job_name
from control_plane.controllers.cronjob.history import outdated
from control_plane.controllers.cronjob.schedule import Unreadable, parse, zone_of
from proto.v1.batch_pb2 import CronJob, CronJobSpec, Job, JobCondition, JobStatus
from proto.v1.meta_pb2 import ObjectMeta

BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def slots(schedule: str, zone: str, begin: datetime, end: datetime) -> list[datetime]:
    times, found = parse(schedule, zone_of(zone)), []
    moment = times.next(begin)
    while moment is not None and moment < end:
        found.append(moment)
        moment = times.next(moment)
    return found


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("*/5 * * * *", "2026-01-01T00:00", "2026-01-01T00:05"),
        ("*/5 * * * *", "2026-01-01T00:04:59", "2026-01-01T00:05"),
        ("? 3/7 * * *", "2026-01-01T04:00", "2026-01-01T10:00"),
        ("0 9 * * mon-fri", "2026-01-02T10:00", "2026-01-05T09:00"),
        ("0 0 13 * FRI", "2026-01-01T00:00", "2026-01-02T00:00"),  # either day
        ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("@hourly", "2026-01-01T00:30", "2026-01-01T01:00"),
        ("@weekly", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("@yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("@every 1h30m", "2026-01-01T00:10", "2026-01-01T01:40"),
    ],
)
def test_next(schedule: str, after: str, expected: str) -> None:
    assert parse(schedule, UTC).next(at(after)) == at(expected)


def test_a_day_that_never_comes() -> None:
    assert parse("0 0 30 2 *", UTC).next(at("2026-01-01")) is None


@pytest.mark.parametrize(
    "text",
    [
        "* * * * * *",
        "* * * *",
        "60 * * * *",
        "* * * * 7",
        "H * * * *",
        "TZ=UTC * * * * *",
        "@never",
        "@every x",
    ],
)
def test_what_kubernetes_refuses_is_refused(text: str) -> None:
    with pytest.raises(Unreadable):
        parse(text, UTC)


@pytest.mark.parametrize("name", ["Nowhere/Land", "Local", "../etc/passwd"])
def test_zones_that_do_not_exist(name: str) -> None:
    with pytest.raises(Unreadable):
        zone_of(name)


@pytest.mark.parametrize(
    ("zone", "begin", "moved"),
    [
        (BERLIN, "2026-03-15", ["2026-03-29T03:30:00+02:00"]),
        (NEW_YORK, "2026-03-01", ["2026-03-08T03:30:00-04:00"]),
        (BERLIN, "2026-10-10", []),
        (NEW_YORK, "2026-10-20", []),
    ],
)
def test_a_month_of_a_daily_run_over_a_change_of_clocks(
    zone: str, begin: str, moved: list[str]
) -> None:
    """Fixed hours: once a day, whatever the clocks do."""
    first = at(begin)
    found = [
        slot.astimezone(ZoneInfo(zone))
        for slot in slots("30 2 * * *", zone, first, first + timedelta(days=30))
    ]
    assert len({slot.date() for slot in found}) == len(found) == 30
    assert [slot.isoformat() for slot in found if (slot.hour, slot.minute) != (2, 30)] == moved


def test_in_autumn_the_first_of_the_two_times_counts() -> None:
    [slot] = slots("30 2 * * *", BERLIN, at("2026-10-24T12:00"), at("2026-10-25T12:00"))
    assert slot == at("2026-10-25T00:30")


@pytest.mark.parametrize(("day", "hours"), [("2026-03-28T23:00", 23), ("2026-10-24T22:00", 25)])
def test_all_hours_follow_real_time(day: str, hours: int) -> None:
    begin = at(day) - timedelta(seconds=1)
    end = at(day) + timedelta(hours=hours)
    expected = [at(day) + timedelta(minutes=30 * i) for i in range(2 * hours)]
    assert slots("*/30 * * * *", BERLIN, begin, end) == expected
    assert expected[-1].astimezone(ZoneInfo(BERLIN)).strftime("%H:%M") == "23:30"


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, "Australia/Lord_Howe"])
def test_a_day_of_every_minute(zone: str) -> None:
    begin = at("2026-04-04T12:00")
    assert slots("* * * * *", zone, begin, begin + timedelta(days=1, seconds=1)) == [
        begin + timedelta(minutes=i) for i in range(1, 1441)
    ]


def cronjob(schedule: str = "*/10 * * * *", last: str = "", **spec: int) -> CronJob:
    made = CronJob(metadata=ObjectMeta(name="tidy"), spec=CronJobSpec(schedule=schedule, **spec))
    made.metadata.creationTimestamp.CopyFrom(clock.timestamp(at("2026-01-01T00:01")))
    if last:
        made.status.lastScheduleTime.CopyFrom(clock.timestamp(at(last)))
    return made


TEN, TWENTY = at("2026-01-01T00:10"), at("2026-01-01T00:20")
NOON = at("2026-01-01T12:00")


@pytest.mark.parametrize(
    ("given", "now", "expected"),
    [
        (cronjob(), "2026-01-01T00:09:59", Due(upcoming=TEN)),
        (cronjob(), "2026-01-01T00:10", Due(TEN, False, 1, TWENTY)),
        (cronjob(), "2026-01-01T00:19:59", Due(TEN, False, 1, TWENTY)),
        (cronjob(last="2026-01-01T00:10"), "2026-01-01T00:10:30", Due(upcoming=TWENTY)),
        # slept through: the latest only
        (cronjob(), "2026-01-01T12:03", Due(NOON, False, 72, NOON + timedelta(minutes=10))),
        # more than a hundred: still the latest
        (
            cronjob(last="2025-12-20T00:00"),
            "2026-01-01T12:03",
            Due(NOON, False, 12 * 144 + 72, NOON + timedelta(minutes=10)),
        ),
        # a starting deadline: slots before it do not exist any more
        (
            cronjob(startingDeadlineSeconds=60),
            "2026-01-01T12:03",
            Due(upcoming=NOON + timedelta(minutes=10)),
        ),
        (
            cronjob(startingDeadlineSeconds=200),
            "2026-01-01T12:03",
            Due(NOON, False, 1, NOON + timedelta(minutes=10)),
        ),
        (cronjob("0 0 30 2 *"), "2026-01-01T12:03", Due()),
        # irregular: sixty slots in one hour, then none for a month
        (
            cronjob("* 9 1 * *"),
            "2026-01-20T00:00",
            Due(at("2026-01-01T09:59"), False, 60, at("2026-02-01T09:00")),
        ),
    ],
)
def test_due(given: CronJob, now: str, expected: Due) -> None:
    assert due(given, parse(given.spec.schedule, UTC), at(now)) == expected


def test_every_keeps_its_distance_when_slots_were_missed() -> None:
    given = cronjob("@every 7m", last="2026-01-01T00:00")
    assert due(given, parse("@every 7m", UTC), at("2026-01-01T01:00")).slot == at(
        "2026-01-01T00:56"
    )


def test_a_slot_has_one_name() -> None:
    assert job_name(cronjob(), TEN) == f"tidy-{int(TEN.timestamp()) // 60}"


def test_only_the_latest_finished_jobs_are_kept() -> None:
    def job(name: str, start: int, end: str) -> Job:
        made = Job(
            metadata=ObjectMeta(name=name),
            status=JobStatus(conditions=[JobCondition(type=end, status="True")]),
        )
        made.status.startTime.seconds = start
        return made

    jobs = [
        job("c", 3, "Complete"),
        job("a", 1, "Complete"),
        job("b", 2, "Complete"),
        job("x", 1, "Failed"),
        job("r", 0, "Suspended"),
    ]
    given = cronjob(successfulJobsHistoryLimit=1, failedJobsHistoryLimit=0)
    assert [each.metadata.name for each in outdated(given, jobs)] == ["a", "b", "x"]
