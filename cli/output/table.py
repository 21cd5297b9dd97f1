"""Rows and columns as kubectl prints them: left-aligned, three spaces apart, no rules and no colours.

The server decides which columns a kind has (so that all clients show the same); this module only lays them out.
"""

from collections.abc import Iterable, Sequence
from typing import Any, TextIO

GAP = 3
NONE = "<none>"


def render(rows: Sequence[Sequence[str]], *, gap: int = GAP) -> list[str]:
    """The lines of a table; the last column is not padded."""
    if not rows:
        return []
    columns = max(len(row) for row in rows)
    widths = [max((len(row[i]) for row in rows if i < len(row)), default=0) for i in range(columns)]
    return ["".join(_padded(row, widths, gap)).rstrip() for row in rows]


def _padded(row: Sequence[str], widths: Sequence[int], gap: int = GAP) -> Iterable[str]:
    for cell, width in zip(row, widths, strict=False):
        yield cell.replace("\n", " ") + " " * (width - len(cell) + gap)


def text(value: Any) -> str:
    """A cell of a server's table (google.protobuf.Value)."""
    form = value.WhichOneof("kind")
    if form == "string_value":
        return str(value.string_value)
    if form == "number_value":
        number = value.number_value
        return str(int(number)) if number == int(number) else str(number)
    if form == "bool_value":
        return "true" if value.bool_value else "false"
    return NONE


class Printer:
    """Prints rows as they come, so that what `--watch` adds stays in its columns.

    `widths` only grow: a later row may push its own cells to the right, but never moves what is printed.
    """

    def __init__(self, out: TextIO, *, headers: bool) -> None:
        self.out = out
        self.headers = headers  # still to be printed
        self.widths: list[int] = []

    def add(self, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        shown = [*([list(header)] if self.headers and rows else []), *map(list, rows)]
        if rows:
            self.headers = False
        for row in shown:
            self.widths += [0] * (len(row) - len(self.widths))
            for i, cell in enumerate(row):
                self.widths[i] = max(self.widths[i], len(cell))
        for row in shown:
            self.out.write("".join(_padded(row, self.widths)).rstrip() + "\n")
        self.out.flush()
