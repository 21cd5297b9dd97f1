"""A CronJob's schedule: five fields as in Kubernetes' parser (robfig/cron), or @daily and the like.

Only the form is judged here. It differs from crontab(5) in little: `?` is `*`, and Sunday is 0 and never 7.
"""

import re
from dataclasses import dataclass, field

DESCRIPTORS = ("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly")
_DURATION = re.compile(r"(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+", re.ASCII)
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True)
class _Field:
    name: str
    lowest: int
    highest: int
    words: dict[str, int] = field(default_factory=dict)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    _Field("day of week", 0, 6, {name: number for number, name in enumerate(_DAYS)}),
)


class _Wrong(Exception):
    """Says what."""


def schedule_problem(text: str) -> str:
    """What is wrong with a schedule (without a time zone in it); empty if nothing is."""
    if text.startswith("@"):
        return _descriptor(text)
    parts = text.split()
    if len(parts) != len(_FIELDS):
        return f"expected exactly 5 fields, found {len(parts)}: [{' '.join(parts)}]"
    try:
        for kind, part in zip(_FIELDS, parts, strict=True):
            for each in part.split(","):
                _check(kind, each)
    except _Wrong as wrong:
        return str(wrong)
    return ""


def _descriptor(text: str) -> str:
    if text.startswith("@every "):
        wanted = text.removeprefix("@every ")
        fine = _DURATION.fullmatch(wanted)
        return "" if fine else f'failed to parse duration {wanted}: write it as in "@every 1h30m"'
    if text in DESCRIPTORS:
        return ""
    return f"unrecognized descriptor: {text} (there are {', '.join(DESCRIPTORS)} and @every)"


def _check(kind: _Field, text: str) -> None:
    """`*`, `3`, `3-7`, `*/5`, `3-7/2`, `3/2`; a month or a day of the week by its name too."""
    span, *steps = text.split("/")
    if len(steps) > 1:
        raise _Wrong(f"too many slashes: {text}")
    if steps and _number(kind, steps[0], {}) == 0:
        raise _Wrong(f"step of range should be a positive number: {text}")
    ends = span.split("-")
    if span in ("*", "?"):
        return
    if len(ends) > 2:
        raise _Wrong(f"too many hyphens: {text}")
    numbers = [_number(kind, each, kind.words) for each in ends]
    start, end = numbers[0], numbers[-1]
    if start < kind.lowest:
        raise _Wrong(f"beginning of range ({start}) below minimum ({kind.lowest}): {text}")
    if end > kind.highest:
        raise _Wrong(f"end of range ({end}) above maximum ({kind.highest}): {text}")
    if start > end:
        raise _Wrong(f"beginning of range ({start}) beyond end of range ({end}): {text}")


def _number(kind: _Field, text: str, words: dict[str, int]) -> int:
    if text.lower() in words:
        return words[text.lower()]
    if re.fullmatch(r"\d{1,9}", text, re.ASCII) is None:
        raise _Wrong(f'failed to parse int from {text}: the {kind.name} "{text}" is no number')
    return int(text)
