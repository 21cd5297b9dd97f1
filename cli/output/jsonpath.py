r"""Kubernetes' JSONPath: text with expressions in braces, `{range .items[*]}{.metadata.name}{"\n"}{end}`.

A template is parsed into a list of parts; evaluating walks the parts with a current object. Every step of a path
takes the list of values found so far to the list found next, so wildcards, slices, filters and `..` need no
special case. https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
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


@dataclass(frozen=True, slots=True)
class Range:
    path: Path
    body: list["Part"] = field(default_factory=list)


Part = str | Path | Range


class Template:
    """A parsed template. `missing_ok`: fields that are not there print nothing, as `get -o jsonpath` does."""

    def __init__(self, text: str, *, missing_ok: bool = True) -> None:
        self.text = text
        self.missing_ok = missing_ok
        self.parts = _Parser(text).parse()

    def render(self, value: Any) -> str:
        return "".join(self._render(self.parts, value, value))

    def _render(self, parts: list[Part], current: Any, root: Any) -> Iterator[str]:
        for part in parts:
            if isinstance(part, str):
                yield part
            elif isinstance(part, Range):
                for value in self._values(part.path, current, root):
                    yield from self._render(part.body, value, root)
            else:
                yield " ".join(show(value) for value in self._values(part, current, root))

    def values(self, value: Any) -> list[Any]:
        """What a template that is one path finds. Raises JsonPathError unless fields may be missing."""
        paths = [part for part in self.parts if isinstance(part, Path)]
        return self._values(paths[0], value, value) if paths else []

    def _values(self, path: Path, current: Any, root: Any) -> list[Any]:
        try:
            return path.values(current, root)
        except KeyError as missing:
            if self.missing_ok:
                return []
            raise JsonPathError(f"{missing.args[0]} is not found") from None


def show(value: Any) -> str:
    """As kubectl prints a value: text bare, everything else as compact JSON."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def relaxed(text: str) -> str:
    """`.metadata.name`, `metadata.name` and `{.metadata.name}` mean the same in --sort-by and custom columns."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    if not text.startswith((".", "$", "[", "@")):
        text = "." + text
    return "{" + text + "}"


class _Parser:
    """A template is text outside of braces and expressions inside."""

    def __init__(self, text: str) -> None:
        self.text = text

    def parse(self) -> list[Part]:
        top: list[Part] = []
        open_bodies = [top]  # the innermost range is last
        for expression, content in _pieces(self.text):
            if not expression:
                open_bodies[-1].append(content)
                continue
            for part in self.expression(content):
                if part == "end":
                    if len(open_bodies) == 1:
                        raise JsonPathError(f"{{end}} without {{range}} in {self.text}")
                    open_bodies.pop()
                    continue
                open_bodies[-1].append(part[1] if isinstance(part, tuple) else part)
                if isinstance(part, Range):
                    open_bodies.append(part.body)
        if len(open_bodies) > 1:
            raise JsonPathError(f"unterminated {{range}} in {self.text}: expected {{end}}")
        return top

    def expression(self, content: str) -> Iterator[Any]:
        """The parts within one pair of braces; text is wrapped in a tuple to tell it from "end"."""
        content = content.strip()
        if content == "end":
            yield "end"
        elif content.startswith("range"):
            yield Range(parse_path(content[len("range") :].strip()))
        elif content[:1] in "'\"" and content[-1:] == content[:1]:
            yield ("text", _unquote(content))
        else:
            for word in _words(content):
                quoted = word[:1] in "'\"" and word[-1:] == word[:1]
                yield ("text", _unquote(word)) if quoted else parse_path(word)


def _pieces(text: str) -> Iterator[tuple[bool, str]]:
    """(is it an expression, its content), in order; braces inside quotes do not count."""
    at = 0
    while at < len(text):
        start = text.find("{", at)
        if start < 0:
            yield False, text[at:]
            return
        if start > at:
            yield False, text[at:start]
        end = _closing(text, start + 1, "}")
        yield True, text[start + 1 : end]
        at = end + 1


def _closing(text: str, at: int, closing: str) -> int:
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


def _words(content: str) -> Iterator[str]:
    """Splits at spaces that are in no quotes and no brackets."""
    word, depth, quote = "", 0, ""
    for i, char in enumerate(content):
        if quote:
            quote = "" if char == quote and content[i - 1] != "\\" else quote
        elif char in "'\"":
            quote = char
        depth += (char in "[(") - (char in "])") if not quote else 0
        if char.isspace() and not quote and depth == 0:
            if word:
                yield word
            word = ""
        else:
            word += char
    if word:
        yield word


def _unquote(text: str) -> str:
    r"""`"\n"` is a line's end; other escapes stand for themselves."""
    escapes = {"n": "\n", "t": "\t", "r": "\r"}
    return re.sub(r"\\(.)", lambda match: escapes.get(match[1], match[1]), text[1:-1])


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
            end = _closing(rest, 1, "]")
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
        names = [_unquote(name.strip()) for name in inside.split(",")]
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
        return _unquote(text)
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
