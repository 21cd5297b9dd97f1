"""Ages as people read them: "45s", "3m12s", "5h", "12d".

The older a thing is, the less its seconds matter; two figures are always enough. The steps are kubectl's
(`duration.HumanDuration`), so that a column AGE reads the same in both.
"""

MINUTE, HOUR, DAY = 60, 3600, 86400
YEAR = 365 * DAY


def human_duration(seconds: float) -> str:
    """`seconds` in at most two units; "<invalid>" for the future (a second's disagreement of clocks is forgiven)."""
    if int(seconds) < -1:
        return "<invalid>"
    whole = max(int(seconds), 0)
    for limit, unit, part in _STEPS:
        if whole < limit:
            return _two(whole, unit, part)
    return f"{whole // YEAR}y"


# Below the first figure: count in this unit, and show what is left in that unit (none: leave it out).
_STEPS = (
    (2 * MINUTE, 1, 0),
    (10 * MINUTE, MINUTE, 1),
    (3 * HOUR, MINUTE, 0),
    (8 * HOUR, HOUR, MINUTE),
    (2 * DAY, HOUR, 0),
    (8 * DAY, DAY, HOUR),
    (2 * YEAR, DAY, 0),
    (8 * YEAR, YEAR, DAY),
)
_LETTER = {1: "s", MINUTE: "m", HOUR: "h", DAY: "d", YEAR: "y"}


def _two(whole: int, unit: int, part: int) -> str:
    text = f"{whole // unit}{_LETTER[unit]}"
    rest = whole % unit // part if part else 0
    return f"{text}{rest}{_LETTER[part]}" if rest else text
