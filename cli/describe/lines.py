"""The forms that descriptions are made of: fields in two columns, maps, lists, times."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from cli.output.table import render

NONE = "<none>"
UNSET = "<unset>"
Field = tuple[str, str | Sequence[str]]  # a label, and one or more lines


def fields(rows: Iterable[Field], indent: str = "") -> list[str]:
    """`Label:   value`, all values below each other; further lines of a value below its first."""
    rows = list(rows)
    width = max((len(label) for label, _ in rows), default=0) + 3
    lines = []
    for label, value in rows:
        first, *others = [value] if isinstance(value, str) else list(value) or [NONE]
        lines.append(f"{indent}{label + ':':<{width}}{first}".rstrip())
        lines += [f"{indent}{' ' * width}{other}" for other in others]
    return lines


def map_lines(values: Mapping[str, str], sign: str = "=") -> list[str]:
    return [f"{key}{sign}{values[key]}" for key in sorted(values)] or [NONE]


def section(title: str, body: Sequence[str], indent: str = "") -> list[str]:
    """A heading with its lines below; `<none>` beside it when there are none."""
    if not body:
        return [f"{indent}{title}:  {NONE}"]
    return [f"{indent}{title}:", *body]


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], *, underlined: bool = True
) -> list[str]:
    underlines = [["-" * len(name) for name in header]] if underlined else []
    return ["  " + line for line in render([header, *underlines, *rows])]


def moment(stamp: Any) -> str:
    """`Sun, 22 Nov 2026 11:12:04 +0000`."""
    if not stamp.seconds:
        return UNSET
    return datetime.fromtimestamp(stamp.seconds, UTC).strftime("%a, %d %b %Y %H:%M:%S +0000")


def yes(value: bool) -> str:
    return "True" if value else "False"


def identity(meta: Any, *, namespaced: bool = True) -> list[Field]:
    """How every description begins."""
    rows: list[Field] = [("Name", meta.name)]
    if namespaced:
        rows.append(("Namespace", meta.namespace))
    return rows


def marks(meta: Any) -> list[Field]:
    hidden = "kubectl.kubernetes.io/last-applied-configuration"
    notes = {key: value for key, value in meta.annotations.items() if key != hidden}
    return [("Labels", map_lines(meta.labels)), ("Annotations", map_lines(notes, ": "))]
