"""The paths of Kubernetes' JSONPath: `.items[*].metadata.name`, `..name`, `[?(@.a=="b")]`.

Every step of a path takes the list of values found so far to the list found next, so wildcards, slices, filters and
`..` need no special case.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from cli.errors import CommandError

Step = Callable[[list[Any], Any], list[Any]]  # (values, root) -> values
FIELD = re.compile(r"(?:\\.|[^\s.\[\]{}|()=<>!~&,'\"\\])+")
SLICE = re.compile(r"^(-?\d*)(?::(-?\d*))?(?::(-?\d*))?$")
COMPARE = re.compile(r"^(.*?)(==|!=|<=|>=|=~|<|>)(.*)$", re.DOTALL)
UNSET = object()


class JsonPathError(CommandError):
    """The template is wrong, or names a field that is not there."""


@dataclass(frozen=True, slots=True)
class Path:
    steps: tuple[Step, ...]
    text: str

    def values(self, current: Any, root: Any) -> list[Any]:
        """Raises KeyError for a field that is missing."""
        absolute = self.text.startswith("$")
        found = [root if absolute else current]
        for step in self.steps:
            found = step(found, root)
        return found


def parse_path(text: str) -> Path:
    """`.items[*].metadata.name`, `$.x`, `@.y`, `['a','b']`, `..name`, `.list[?(@.a=="b")]`."""
    rest = text[1:] if text[:1] in "$@" else text
    if text and text[0] not in "$@.[" and not FIELD.match(text):
        raise JsonPathError(f"unrecognized JSONPath: {text}")
    if rest and rest[0] not in ".[":
        rest = "." + rest
    return Path(tuple(_steps(rest, text)), text)


def _steps(rest: str, text: str) -> Iterator[Step]:
    while rest:
        if rest.startswith(".."):
            yield _descend
            rest = rest[1:] if rest[2:3] != "[" else rest[2:]
            continue
        if rest.startswith("["):
            end = closing(rest, 1, "]")
            yield _bracket(rest[1:end].strip(), text)
            rest = rest[end + 1 :]
            continue
        if rest == ".":
            return
        if rest.startswith(".*"):
            yield _every
            rest = rest[2:]
            continue
        match = FIELD.match(rest, 1) if rest.startswith(".") else None
        if rest.startswith(".["):
            rest = rest[1:]
            continue
        if match is None:
            raise JsonPathError(f'cannot read "{rest}" in the JSONPath {text}')
        yield _field(re.sub(r"\\(.)", r"\1", match[0]))
        rest = rest[match.end() :]


def _descend(values: list[Any], root: Any) -> list[Any]:
    """A value and everything inside it."""
    found: list[Any] = []
    for value in values:
        found.append(value)
        found += _descend(_children(value), root)
    return found


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _every(values: list[Any], root: Any) -> list[Any]:
    return [child for value in values for child in _children(value)]


def _field(name: str) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        found = [value[name] for value in values if isinstance(value, dict) and name in value]
        if values and not found:
            raise KeyError(name)
        return found

    return step


def _bracket(inside: str, text: str) -> Step:
    if inside == "*":
        return _every
    if inside.startswith("?(") and inside.endswith(")"):
        return _filter(inside[2:-1].strip())
    if inside[:1] in ("'", '"'):
        names = [unquote(name.strip()) for name in inside.split(",")]
        return _union([_field(name) for name in names])
    if "," in inside:
        return _union([_bracket(each.strip(), text) for each in inside.split(",")])
    match = SLICE.match(inside)
    if match is None or not inside:
        raise JsonPathError(f'invalid array index "[{inside}]" in the JSONPath {text}')
    if ":" not in inside:
        return _index(int(inside))
    first, last, stride = (int(part) if part else None for part in match.groups())
    if stride is not None and stride <= 0:
        raise JsonPathError(f"the step of a slice must be more than 0: [{inside}]")
    return lambda values, root: [
        item for value in values if isinstance(value, list) for item in value[first:last:stride]
    ]


def _union(steps: list[Step]) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        return [found for each in steps for found in each(values, root)]

    return step


def _index(at: int) -> Step:
    def step(values: list[Any], root: Any) -> list[Any]:
        found = []
        for value in values:
            if isinstance(value, list) and -len(value) <= at < len(value):
                found.append(value[at])
            elif isinstance(value, list):
                raise KeyError(f"array index out of bounds: index {at}, length {len(value)}:")
        return found

    return step


def _filter(condition: str) -> Step:
    match = COMPARE.match(condition)
    left = condition if match is None else match[1]
    operator = "" if match is None else match[2]
    right = "" if match is None else match[3]
    path = parse_path(left.strip())

    def step(values: list[Any], root: Any) -> list[Any]:
        items = [item for value in values for item in _children(value)]
        return [item for item in items if holds(item, root)]

    def holds(item: Any, root: Any) -> bool:
        try:
            found = path.values(item, root)
        except KeyError:
            return False
        if not operator:
            return bool(found)
        return any(
            _compare(value, operator, _operand(right.strip(), item, root)) for value in found
        )

    return step


def _operand(text: str, item: Any, root: Any) -> Any:
    if text[:1] in "'\"" and text[-1:] == text[:1]:
        return unquote(text)
    if text.startswith(("@", "$")):
        try:
            found = parse_path(text).values(item, root)
        except KeyError:
            return UNSET
        return found[0] if found else UNSET
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise JsonPathError(
            f'cannot compare with {text}: text needs quotes, like "{text}"'
        ) from None


def _compare(left: Any, operator: str, right: Any) -> bool:
    if operator == "=~":
        raise JsonPathError("JSONPath filters know no regular expressions: use grep or jq")
    if operator in ("==", "!="):
        return bool((left == right) == (operator == "=="))
    numbers = isinstance(left, int | float) and isinstance(right, int | float)
    if not numbers and not (isinstance(left, str) and isinstance(right, str)):
        return False
    outcomes = {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}
    return bool(outcomes[operator])


def closing(text: str, at: int, closing: str) -> int:
    """Where the bracket that was opened before `at` closes."""
    opening = {"}": "{", "]": "[", ")": "("}[closing]
    depth, quote = 1, ""
    while at < len(text):
        char = text[at]
        if char == "\\":
            at += 1
        elif quote:
            quote = "" if char == quote else quote
        elif char in "'\"":
            quote = char
        elif char == opening:
            depth += 1
        elif char == closing:
            depth -= 1
            if depth == 0:
                return at
        at += 1
    raise JsonPathError(f'unclosed "{opening}" in {text}')


def unquote(text: str) -> str:
    r"""`"\n"` is a line's end; other escapes stand for themselves."""
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), text[1:-1])
