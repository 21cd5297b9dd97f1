"""The times a schedule names: `next(after)` and `latest(first, now)`, both in UTC.

croniter knows which wall-clock times match five fields; it is asked about naive local times only. What such a time
means while clocks are changed is decided here, because no library agrees with another about it. The promise is the
one that cron has kept on Unix for decades:

- A schedule with fixed hours ("30 2 * * *") fires once for each day it names. Where spring skips its time, it fires
  as many hours after the day began as ever (02:30 becomes 03:30). Where autumn repeats it, it fires the first time.
- A schedule for all hours ("*/15 * * * *") follows real time: it fires in both of the repeated hours and knows
  nothing of the one that does not exist.

Kubernetes promises nothing here (what it does: such a daily run is left out in spring, and is run twice in autumn).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Protocol
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, CroniterError, croniter

from api.schedule import schedule_problem

# No change of clocks that still happens moves them by more, nor do two come so close to each other.
NEAR = timedelta(hours=3)
NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
LAST = (59, 23, 31, 12, 6)  # the greatest number of each field
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Unreadable(ValueError):
    """The schedule or the zone says nothing that can be followed; the message is for its author."""


class Schedule(Protocol):
    def next(self, after: datetime) -> datetime | None:
        """The first time later than `after`. None: never again."""
        ...

    def latest(self, first: datetime, now: datetime) -> datetime:
        """The last time not later than `now`, where `first` is such a time."""
        ...


def parse(text: str, zone: tzinfo) -> Schedule:
    """Raises Unreadable. croniter understands more than Kubernetes does: the API server's rules come first."""
    if problem := schedule_problem(text):
        raise Unreadable(problem)
    if text.startswith("@every "):
        return Every(_interval(text))
    fields = NICKNAMES.get(text, text).replace("?", "*").split()
    fields = [_open_range(each, last) for each, last in zip(fields, LAST, strict=True)]
    try:
        return Cron(croniter(" ".join(fields)), zone, fields[1].startswith("*"))
    except CroniterError as error:
        raise Unreadable(f"{text!r}: {error}") from error


def _open_range(field: str, last: int) -> str:
    """`3/2` begins with 3 and has no end."""
    return ",".join(re.sub(r"^(\w+)/", rf"\1-{last}/", piece) for piece in field.split(","))


def _interval(text: str) -> timedelta:
    """Of "@every 1h30m"; whole seconds, and at least one."""
    pieces = re.findall(r"([\d.]+)([a-zµ]+)", text.removeprefix("@every "))
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in pieces)
    return timedelta(seconds=max(1, int(seconds)))


def zone_of(name: str) -> tzinfo:
    """Raises Unreadable. Without a name: the zone that this process lives in."""
    if not name:
        return _Here()
    if name.lower() == "local":
        raise Unreadable(
            "time zone Local says nothing to others: name a place, such as Europe/Berlin"
        )
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Unreadable(f"unknown time zone {name}") from error


@dataclass(frozen=True)
class Every:
    """At equal distances from whatever came before; clocks do not matter."""

    interval: timedelta

    def next(self, after: datetime) -> datetime | None:
        return after.replace(microsecond=0) + self.interval

    def latest(self, first: datetime, now: datetime) -> datetime:
        return first + (now - first) // self.interval * self.interval


@dataclass(frozen=True)
class Cron:
    """Five fields, in a zone."""

    times: croniter  # only ever asked with a start of our own, so it holds no state of ours
    zone: tzinfo
    all_hours: bool

    def next(self, after: datetime) -> datetime | None:
        wall = _naive(after.astimezone(self.zone))
        found = self._next_wall(wall)
        if found is None:
            return None
        here = after.astimezone(self.zone).utcoffset()
        moment = found.replace(tzinfo=UTC) - (here or timedelta(0))
        same = moment.astimezone(self.zone).utcoffset() == here
        if same and (self.all_hours or (self._steady(after) and self._steady(moment))):
            return moment
        if self._steady(after) and self._steady(moment):
            return found.replace(tzinfo=self.zone).astimezone(UTC)
        return self._next_near_change(wall, after)

    def latest(self, first: datetime, now: datetime) -> datetime:
        """Look back a minute, two, four, …: most often the last one is near, and years may have been slept through."""
        back, found = timedelta(minutes=1), None
        while found is None and now - back > first:
            found = self._last_between(now - back, now)
            back *= 2
        return found or self._last_between(first, now) or first

    def _last_between(self, after: datetime, now: datetime) -> datetime | None:
        last, found = None, self.next(after)
        while found is not None and found <= now:
            last, found = found, self.next(found)
        return last

    def _next_wall(self, after: datetime) -> datetime | None:
        try:
            found: datetime = self.times.get_next(datetime, start_time=after)
        except CroniterBadDateError:  # the 30th of February
            return None
        return found

    def _steady(self, moment: datetime) -> bool:
        """No clock is changed near this moment."""
        moment = moment.astimezone(UTC)
        before, after = (moment + d for d in (-NEAR, NEAR))
        return before.astimezone(self.zone).utcoffset() == after.astimezone(self.zone).utcoffset()

    def _next_near_change(self, wall: datetime, after: datetime) -> datetime | None:
        """Wall-clock times are out of order here: look at all that may be the next."""
        best: datetime | None = None
        found = self._next_wall(wall - NEAR)
        while found is not None:
            for moment in self._moments(found):
                if moment > after and (best is None or moment < best):
                    best = moment
            if best is not None and found > _naive(best.astimezone(self.zone)) + NEAR:
                break
            found = self._next_wall(found)
        return best

    def _moments(self, wall: datetime) -> Iterator[datetime]:
        """When it is this time on the wall: once, never or twice; for fixed hours always once."""
        first = wall.replace(tzinfo=self.zone).astimezone(UTC)
        if not self.all_hours:
            yield first
            return
        if _naive(first.astimezone(self.zone)) != wall:
            return
        yield first
        second = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        if second != first:
            yield second


def _naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None, fold=0)


class _Here(tzinfo):
    """The machine's own zone, with its changes (what `datetime.astimezone()` gives knows only today's offset)."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return _naive_or_now(moment).astimezone().utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return _naive_or_now(moment).astimezone().tzname()

    def fromutc(self, moment: datetime) -> datetime:
        here = moment.replace(tzinfo=UTC).astimezone()
        return here.replace(tzinfo=self)


def _naive_or_now(moment: datetime | None) -> datetime:
    return datetime(1970, 1, 1) if moment is None else moment.replace(tzinfo=None)
