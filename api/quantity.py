"""Amounts of resources as people write them: "250m" cpu, "64Mi" memory, "1e3", "1.5Gi".

A quantity is exact: an integer of billionths, which is the finest Kubernetes knows too (anything finer is
rounded up, so that asking for a little never becomes asking for nothing). It remembers its family of suffixes,
decimal (m, k, M, …), binary (Ki, Mi, …) or exponent (e3), and is written back in it with the largest suffix that
leaves a whole number: "1024Mi" is "1Gi", "0.5" is "500m". Two quantities are equal when their amounts are, however
written.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache, total_ordering
from typing import Literal

Family = Literal["decimal", "binary", "exponent"]

NANO, MILLI = 10**9, 10**6  # nanos in one, nanos in a thousandth
_MOST = (2**63 - 1) * NANO  # larger amounts are taken as this, like Kubernetes does

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
_DECIMAL_SUFFIX = {power: suffix for suffix, power in _DECIMAL.items()}
_BINARY_SUFFIX = {0: "", **{power: suffix for suffix, power in _BINARY.items()}}
_FORM = re.compile(
    r"([+-]?)(?:([0-9]{1,300})(?:\.([0-9]{0,300}))?|\.([0-9]{1,300}))(?:([eE][+-]?[0-9]{1,4})|([numkMGTPE]|[KMGTPE]i)?)",
    re.ASCII,
)
SYNTAX = (
    "a number with an optional suffix: n, u, m, k, M, G, T, P, E, or Ki, Mi, Gi, Ti, Pi, Ei, "
    "or an exponent like e3"
)


@total_ordering
@dataclass(frozen=True, slots=True)
class Quantity:
    nanos: int
    family: Family = field(default="decimal", compare=False)

    @property
    def value(self) -> int:
        """Whole units (bytes, cores), rounded up away from zero."""
        return _up(self.nanos, NANO)

    @property
    def millis(self) -> int:
        """Thousandths, rounded up away from zero."""
        return _up(self.nanos, MILLI)

    def __lt__(self, other: "Quantity") -> bool:
        return self.nanos < other.nanos

    def __add__(self, other: "Quantity") -> "Quantity":
        """The sum is written like the first summand, or, if that is nothing, like the second."""
        return Quantity(self.nanos + other.nanos, self.family if self.nanos else other.family)

    def __str__(self) -> str:
        if self.family == "binary" and self.nanos % NANO == 0 and abs(self.nanos) >= 1024 * NANO:
            return _binary_text(self.nanos // NANO)
        return _decimal_text(self.nanos, exponent=self.family == "exponent")


ZERO = Quantity(0)


@lru_cache(maxsize=8192)
def parse(text: str) -> Quantity:
    """Raises ValueError, with what a quantity looks like."""
    found = _FORM.fullmatch(text)
    if not found:
        raise ValueError(f"{text!r} is not a quantity: must be {SYNTAX}")
    sign, whole, tail, only_tail, exponent, suffix = found.groups()
    digits, places = (whole or "") + (tail or only_tail or ""), len(tail or only_tail or "")
    if suffix in _BINARY:
        nanos = _scaled(int(digits) * 1024 ** _BINARY[suffix], 9 - places)
    else:
        power = int(exponent[1:]) if exponent else _DECIMAL[suffix or ""]
        nanos = _scaled(int(digits), 9 - places + power)
    family: Family = (
        "binary" if suffix in _BINARY else "exponent" if exponent is not None else "decimal"
    )
    nanos = min(nanos, _MOST)
    return Quantity(-nanos if sign == "-" else nanos, family)


@lru_cache(maxsize=8192)
def valid(text: str) -> bool:
    return _FORM.fullmatch(text) is not None


@lru_cache(maxsize=8192)
def millis(text: str) -> int:
    """Thousandths: how cpu is counted. An empty text is 0. Raises ValueError."""
    return parse(text).millis if text else 0


@lru_cache(maxsize=8192)
def value(text: str) -> int:
    """Whole units: how memory is counted, in bytes. An empty text is 0. Raises ValueError."""
    return parse(text).value if text else 0


@lru_cache(maxsize=8192)
def canonical(text: str) -> str:
    """The way the server writes it: in thousandths at the finest. What is no quantity is left as it is."""
    if not valid(text):
        return text
    amount = parse(text)
    return str(Quantity(amount.millis * MILLI, amount.family))


def total(texts: Iterable[str]) -> Quantity:
    """The sum. Raises ValueError."""
    return sum((parse(text) for text in texts), ZERO)


def _up(nanos: int, unit: int) -> int:
    return -(-nanos // unit) if nanos >= 0 else nanos // unit


def _scaled(number: int, power: int) -> int:
    """number · 10^power, rounded up. Large powers are cut where the amount is beyond all bounds anyway."""
    if power >= 0:
        return number * int(10 ** min(power, 64))
    return -(-number // int(10 ** min(-power, 5000)))


def _binary_text(number: int) -> str:
    power = 0
    while power < 6 and number % 1024 == 0:
        number, power = number // 1024, power + 1
    return f"{number}{_BINARY_SUFFIX[power]}"


def _decimal_text(nanos: int, *, exponent: bool) -> str:
    number, power = nanos, -9
    while number and power < 18 and number % 1000 == 0:
        number, power = number // 1000, power + 3
    if not number:
        return "0"
    if exponent:
        return f"{number}e{power}" if power else str(number)
    return f"{number}{_DECIMAL_SUFFIX[power]}"
