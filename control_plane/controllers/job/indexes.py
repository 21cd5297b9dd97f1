"""Sets of indexes in short: "1,3-5"."""

from collections.abc import Iterable


def parse(text: str) -> frozenset[int]:
    """Raises ValueError."""
    found: set[int] = set()
    for piece in text.split(",") if text else ():
        first, _, last = piece.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return frozenset(found)


def format(numbers: Iterable[int]) -> str:
    """Two in a row are "1,2", three are "1-3"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(_run(run) for run in runs)


def _run(run: list[int]) -> str:
    return f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run))
