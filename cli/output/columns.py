"""Columns that the user chooses: `-o custom-columns=NAME:.metadata.name,NODE:.spec.nodeName`, `-L app`, `--sort-by`."""

import re
from collections.abc import Sequence
from typing import Any

from cli.errors import CommandError
from cli.output.jsonpath import Template, relaxed, show
from cli.output.table import NONE

NUMBER = re.compile(r"^([-+]?[0-9]*\.?[0-9]+)([a-zA-Z]*)$")


class Columns:
    """Custom columns: a header and a path for each."""

    def __init__(self, spec: str) -> None:
        """Raises CommandError if the specification cannot be read."""
        if not spec:
            raise CommandError("custom-columns format specified but no custom columns given")
        self.headers: list[str] = []
        self.paths: list[Template] = []
        for column in _split(spec):
            header, colon, path = column.partition(":")
            if not colon or not path:
                raise CommandError(
                    f"unexpected custom-columns spec: {column}, expected <header>:<json-path-expr>"
                )
            self.headers.append(header)
            self.paths.append(Template(relaxed(path)))

    def row(self, obj: Any) -> list[str]:
        cells = []
        for path in self.paths:
            found = path.values(obj)
            cells.append(",".join(show(value) for value in found if value is not None) or NONE)
        return cells


def from_file(text: str) -> Columns:
    """`custom-columns-file=`: a line of headers and a line of paths."""
    lines = [line.split() for line in text.splitlines() if line.strip()]
    if len(lines) != 2 or len(lines[0]) != len(lines[1]):
        raise CommandError(
            "a custom-columns file has a line of headers and a line with as many JSONPaths"
        )
    return Columns(",".join(f"{header}:{path}" for header, path in zip(*lines, strict=True)))


def _split(spec: str) -> list[str]:
    """At commas outside of brackets: `A:.x['a','b'],B:.y`."""
    columns, depth = [""], 0
    for char in spec:
        depth += (char in "[(") - (char in "])")
        if char == "," and depth == 0:
            columns.append("")
        else:
            columns[-1] += char
    return columns


def sort_order(objects: Sequence[Any], path: str) -> list[int]:
    """The places of the objects in the order of what `path` finds in each. Raises CommandError if it finds nothing."""
    template = Template(relaxed(path))
    found = [template.values(obj) for obj in objects]
    if objects and not any(found):
        raise CommandError(
            f"couldn't find any field with path {relaxed(path)!r} in the list of objects"
        )
    keys = [_sort_key(values[0] if values else None) for values in found]
    return sorted(range(len(objects)), key=keys.__getitem__)


def _sort_key(value: Any) -> tuple[int, float, str]:
    """Nothing first; numbers and quantities by size; text as people sort names, `web-2` before `web-10`."""
    if value is None:
        return (0, 0.0, "")
    if isinstance(value, bool | int | float):
        return (1, float(value), "")
    text = show(value)
    size = _quantity(text)
    if size is not None:
        return (1, size, "")
    return (2, 0.0, re.sub(r"\d+", lambda digits: digits[0].zfill(20), text))


def _quantity(text: str) -> float | None:
    match = NUMBER.match(text)
    if match is None:
        return None
    factors = {"": 1.0, "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}
    factors |= {unit + "i": 1024.0**power for power, unit in enumerate("KMGTPE", 1)}
    factor = factors.get(match[2])
    return None if factor is None else float(match[1]) * factor
