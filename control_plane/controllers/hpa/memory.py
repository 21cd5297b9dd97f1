"""What a controller remembers of an autoscaler: recommendations, and changes it has made.

It is written down nowhere, as in Kubernetes: a controller that begins anew takes the present number for what was
recommended last, and so begins with caution.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from control_plane.controllers.hpa.options import Options
from proto.v1.policy_pb2 import HorizontalPodAutoscalerBehavior, HPAScalingRules

KEPT = timedelta(hours=1)  # the longest window and the longest period that may be asked for


@dataclass(frozen=True, slots=True)
class Entry:
    at: datetime
    count: int  # recommended pods; of a change: pods added, or removed


@dataclass(frozen=True, slots=True)
class Change:
    """A change that was asked for, and perhaps made: the answer may have been lost."""

    before: int
    after: int
    reason: str


@dataclass
class Memory:
    """All lists have the oldest entry first, and nothing older than KEPT."""

    recommendations: list[Entry] = field(default_factory=list)
    ups: list[Entry] = field(default_factory=list)
    downs: list[Entry] = field(default_factory=list)
    asked: Change | None = None  # until the answer is known
    last: datetime | None = None  # when the number was changed, as far as we have done it

    def begin(self, now: datetime, current: int) -> None:
        for entries in (self.recommendations, self.ups, self.downs):
            entries[:] = [each for each in entries if each.at > now - KEPT]
        if not self.recommendations:
            self.recommendations.append(Entry(now, current))

    def recommended(self, now: datetime, count: int) -> None:
        self.recommendations.append(Entry(now, count))

    def changed(self, now: datetime, change: Change) -> None:
        difference = change.after - change.before
        (self.ups if difference > 0 else self.downs).append(Entry(now, abs(difference)))
        self.last = now


def period_start(current: int, memory: Memory, seconds: int, now: datetime) -> int:
    """How many pods there were so many seconds ago, as far as we have changed their number."""
    since = now - timedelta(seconds=seconds)
    return current - _after(memory.ups, since) + _after(memory.downs, since)


def _after(entries: Iterable[Entry], since: datetime) -> int:
    return sum(each.count for each in entries if each.at > since)


def highest_recent(wanted: int, entries: Sequence[Entry], window: timedelta, now: datetime) -> int:
    return max([wanted, *(each.count for each in entries if each.at >= now - window)])


def stabilized(
    wanted: int,
    current: int,
    entries: Sequence[Entry],
    windows: tuple[timedelta, timedelta],
    now: datetime,
) -> int:
    """The most careful of the recent recommendations: not above the lowest, not below the highest of their windows.

    `windows`: how far to look back on the way up, and on the way down.
    """
    up, down = windows
    lowest = min([wanted, *(each.count for each in entries if each.at > now - up)])
    highest = max([wanted, *(each.count for each in entries if each.at > now - down)])
    return min(max(current, lowest), highest)


def windows_of(
    behavior: HorizontalPodAutoscalerBehavior, options: Options
) -> tuple[timedelta, timedelta]:
    def of(rules: HPAScalingRules, otherwise: timedelta) -> timedelta:
        given = rules.HasField("stabilizationWindowSeconds")
        return timedelta(seconds=rules.stabilizationWindowSeconds) if given else otherwise

    down = of(behavior.scaleDown, options.downscale_stabilization)
    return of(behavior.scaleUp, timedelta()), down
