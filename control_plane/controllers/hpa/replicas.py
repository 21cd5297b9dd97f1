"""From what pods use and what they should use to how many are needed (S#99).

    needed = ceil(pods × use / target)

Within the tolerance nothing changes. Pods that were not measured, or are not ready, count as whatever holds the change
back: as using what they may when it goes down, as using nothing when it goes up. If that turns the direction around,
nothing is done at all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from control_plane.controllers.hpa.pods import Groups
from control_plane.controllers.hpa.usage import CannotTell


@dataclass(frozen=True, slots=True)
class Measured:
    ratio: Fraction  # of use to target: 1 is just right
    average: int  # per pod, in thousandths
    percent: int | None = None  # of what was requested


@dataclass(frozen=True, slots=True)
class Proposal:
    replicas: int
    measured: Measured


@dataclass(frozen=True, slots=True)
class Tolerance:
    down: Fraction
    up: Fraction

    def covers(self, ratio: Fraction) -> bool:
        return 1 - self.down <= ratio <= 1 + self.up


class Target(Protocol):
    def measure(self, uses: Mapping[str, int]) -> Measured:
        """Amounts by pod, in thousandths. Raises CannotTell."""

    def assumed(self, pod: str, ratio: Fraction) -> int | None:
        """What a pod counts as that nobody has measured; None: it does not count."""


@dataclass(frozen=True, slots=True)
class Utilization:
    """A percentage of what the pods request, all together."""

    percent: int
    requests: Mapping[str, int]  # by pod, in thousandths

    def measure(self, uses: Mapping[str, int]) -> Measured:
        known = [pod for pod in uses if pod in self.requests]
        used, asked = sum(uses[pod] for pod in known), sum(self.requests[pod] for pod in known)
        if not asked:
            raise CannotTell("no metrics returned matched known pods")
        percent = used * 100 // asked
        return Measured(Fraction(percent, self.percent), used // len(known), percent)

    def assumed(self, pod: str, ratio: Fraction) -> int | None:
        if ratio == 1:
            return None
        return self.requests[pod] * max(100, self.percent) // 100 if ratio < 1 else 0


@dataclass(frozen=True, slots=True)
class AverageValue:
    """An amount per pod."""

    amount: int  # thousandths

    def measure(self, uses: Mapping[str, int]) -> Measured:
        average = sum(uses.values()) // len(uses)
        return Measured(Fraction(average, self.amount), average)

    def assumed(self, pod: str, ratio: Fraction) -> int | None:
        return self.amount if ratio < 1 else 0


def propose(
    target: Target, uses: Mapping[str, int], groups: Groups, current: int, tolerance: Tolerance
) -> Proposal:
    """`uses`: amounts by pod. Raises CannotTell."""
    counted = {pod: uses[pod] for pod in uses if pod not in groups.ignored | groups.unready}
    if not counted:
        raise CannotTell("did not receive metrics for targeted pods (pods might be unready)")
    measured = target.measure(counted)
    grows_unready = bool(groups.unready) and measured.ratio > 1
    if not grows_unready and not groups.missing:
        enough = tolerance.covers(measured.ratio)
        wanted = current if enough else math.ceil(measured.ratio * len(groups.ready))
        return Proposal(wanted, measured)
    for pod in groups.missing:
        amount = target.assumed(pod, measured.ratio)
        if amount is not None:
            counted[pod] = amount
    if grows_unready:
        counted |= dict.fromkeys(groups.unready, 0)
    cautious = target.measure(counted).ratio
    wanted = _cautious(measured.ratio, cautious, len(counted), current, tolerance)
    return Proposal(wanted, measured)


def _cautious(
    first: Fraction, second: Fraction, pods: int, current: int, tolerance: Tolerance
) -> int:
    """`second` is the ratio with what was assumed."""
    turned = (first < 1 < second) or (second < 1 < first)
    if tolerance.covers(second) or turned:
        return current
    wanted = math.ceil(second * pods)
    against = (second < 1 and wanted > current) or (second > 1 and wanted < current)
    return current if against else wanted
