"""Durations on the command line: "90s", "1m30s". In the units of Go, and days."""

from cli.errors import UsageError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def seconds(text: str) -> float:
    """A duration as Go writes it: "90s", "1m30s", "1.5h"; a bare number is seconds. Raises UsageError."""
    total, number, rest = 0.0, "", text.strip()
    negative = rest.startswith("-")
    rest = rest.lstrip("+-")
    while rest:
        if rest[0].isdigit() or rest[0] == ".":
            number, rest = number + rest[0], rest[1:]
            continue
        unit = next((u for u in UNITS if rest.startswith(u)), "")
        if not unit or not _is_number(number):
            raise _not_one(text)
        total, number, rest = total + float(number) * UNITS[unit], "", rest[len(unit) :]
    if number:
        if not _is_number(number):
            raise _not_one(text)
        total += float(number)
    return -total if negative else total


def _not_one(text: str) -> UsageError:
    return UsageError(f'invalid duration "{text}": write it like 90s, 5m or 1h30m')


def _is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()
