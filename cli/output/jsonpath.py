r"""Kubernetes' JSONPath: text with expressions in braces, `{range .items[*]}{.metadata.name}{"\n"}{end}`.

A template is parsed into a list of parts; evaluating walks the parts with a current object. Every step of a path
takes the list of values found so far to the list found next, so wildcards, slices, filters and `..` need no
special case. https://kubernetes.io/docs/reference/kubectl/jsonpath/
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from cli.output.paths import JsonPathError, Path, closing, parse_path, unquote


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
            yield ("text", unquote(content))
        else:
            for word in _words(content):
                quoted = word[:1] in "'\"" and word[-1:] == word[:1]
                yield ("text", unquote(word)) if quoted else parse_path(word)


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
        end = closing(text, start + 1, "}")
        yield True, text[start + 1 : end]
        at = end + 1


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
