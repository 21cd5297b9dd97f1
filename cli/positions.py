"""YAML and JSON read in such a way that every field still knows its line and column.

The YAML library's own loader forgets where a value stood, takes the last of two equal keys, and turns `22:22` into
1342 and a date into an object. So this module stops at the library's node tree, resolves scalars as Kubernetes'
own reader does, and keeps the place of every key.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, ClassVar

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Steps = tuple[str, ...]  # ("spec", "containers", "0", "image")
SEGMENT = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
MOST_NODES = 200_000  # a document that unfolds to more is an attack by aliases


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in a file; both count from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with the text itself."""

    place: Place
    message: str


@dataclass(slots=True)
class Document:
    """One document: its value, and the place of each of its fields."""

    value: Any
    start: Place
    places: dict[Steps, Place] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: str) -> Place:
        """Where the field of an error message is; the nearest field above it if it is not written in the document."""
        steps = steps_of(path)
        while steps not in self.places and steps:
            steps = self._known_prefix(steps)
        return self.places.get(steps, self.start)

    def _known_prefix(self, steps: Steps) -> Steps:
        """One step less; or the same steps with the last two joined, for map keys with dots in them."""
        for start in range(len(steps) - 1):
            joined = (*steps[:start], ".".join(steps[start:]))
            if joined in self.places:
                return joined
        return steps[:-1]


def steps_of(path: str) -> Steps:
    """`spec.containers[0].image` and `metadata.labels[a.b/c]` as steps."""
    found = [a if a else b for a, b in SEGMENT.findall(path)]
    return tuple(step.strip("'\"") for step in found)


PLAIN = "!plain"
TEXT = "tag:yaml.org,2002:str"
TAGGED = {TEXT, "!", *(f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null"))}
INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|0[0-7_]*|[1-9][0-9_]*)$")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9][0-9_]*(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$")
WORDS: dict[str, Any] = {"": None, "~": None, "null": None, "Null": None, "NULL": None}
WORDS |= {
    form: True for word in ("yes", "true", "on") for form in (word, word.title(), word.upper())
}
WORDS |= {
    form: False for word in ("no", "false", "off") for form in (word, word.title(), word.upper())
}


def _scalar(text: str) -> Any:
    """A plain scalar. Times and `22:22` stay text."""
    if text in WORDS:
        return WORDS[text]
    if INTEGER.match(text):
        return _integer(text.replace("_", ""))
    if FLOAT.match(text):
        return float(text.replace("_", ""))
    return text


def _integer(text: str) -> int:
    digits = text.lstrip("+-")
    if len(digits) > 1 and digits[0] == "0" and digits[1].isdigit():
        digits = "0o" + digits
    return int(digits, 0) * (-1 if text.startswith("-") else 1)


class _Reader:
    """Turns one node tree into a Document."""

    def __init__(self, root: Node) -> None:
        self.document = Document(None, _place(root))
        self.nodes = 0
        self.open: set[int] = set()  # ids of the nodes we are in: an alias to one would never end
        self.document.value = self.value(root, ())

    def value(self, node: Node, steps: Steps) -> Any:
        self.nodes += 1
        if id(node) in self.open or self.nodes > MOST_NODES:
            self.problem(node, "an alias that contains itself, or unfolds to far too much")
            return None
        self.open.add(id(node))
        try:
            return self.inner(node, steps)
        finally:
            self.open.discard(id(node))

    def inner(self, node: Node, steps: Steps) -> Any:
        if isinstance(node, MappingNode):
            return self.mapping(node, steps)
        if isinstance(node, SequenceNode):
            return self.sequence(node, steps)
        assert isinstance(node, ScalarNode)
        return self.scalar(node)

    def sequence(self, node: SequenceNode, steps: Steps) -> list[Any]:
        items = []
        for i, item in enumerate(node.value):
            inside = (*steps, str(i))
            self.document.places.setdefault(inside, _place(item))
            items.append(self.value(item, inside))
        return items

    def mapping(self, node: MappingNode, steps: Steps) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        first: dict[str, Place] = {}
        for key_node, value_node in node.value:
            if key_node.value == "<<" and key_node.tag == PLAIN:
                merged |= self.merge(value_node, steps)
                continue
            if not isinstance(key_node, ScalarNode):
                self.problem(key_node, "a key must be a plain word")
                continue
            key = str(key_node.value)
            if key in first:
                self.problem(
                    key_node, f'duplicate key "{key}": it is on line {first[key].line} already'
                )
                continue
            first[key] = _place(key_node)
            inside = (*steps, key)
            self.document.places[inside] = first[key]
            found[key] = self.value(value_node, inside)
        return merged | found

    def merge(self, node: Node, steps: Steps) -> dict[str, Any]:
        """`<<: *base`, or a list of them: the earlier one wins."""
        parts = node.value if isinstance(node, SequenceNode) else [node]
        found: dict[str, Any] = {}
        for part in reversed(parts):
            value = self.value(part, steps)
            if isinstance(value, dict):
                found |= value
            else:
                self.problem(part, "<< takes a mapping, or a list of mappings")
        return found

    def scalar(self, node: ScalarNode) -> Any:
        if node.tag == PLAIN:
            return _scalar(node.value)
        if node.tag in TAGGED:
            return node.value if node.tag == TEXT else _scalar(node.value)
        self.problem(node, f"the tag {node.tag} means nothing here")
        return None

    def problem(self, node: Node, message: str) -> None:
        self.document.problems.append(Problem(_place(node), message))


def _place(node: Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Finds no types by itself: it only marks what is neither quoted nor tagged as plain."""

    yaml_implicit_resolvers: ClassVar[dict[str | None, Any]] = {None: [(PLAIN, re.compile(""))]}


def read(text: str) -> Iterator[Document]:
    """The documents of a file, as far as its text can be read; the last one then says what stopped the reader.

    Documents that are empty, or only comments, are left out.
    """
    loader = _PlainLoader(text)
    try:
        while loader.check_node():
            document = _Reader(loader.get_node()).document
            if document.value is not None or document.problems:
                yield document
    except yaml.YAMLError as error:
        problem = _explain(error, text)
        yield Document(None, problem.place, problems=[problem])
    finally:
        loader.dispose()


def _explain(error: yaml.YAMLError, text: str) -> Problem:
    """What stops a YAML reader, for somebody who does not write YAML parsers."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    if mark is None:
        return Problem(Place(1, 1), f"not readable as YAML: {' '.join(str(error).split())}")
    lines = text.splitlines()
    place = Place(mark.line + 1, mark.column + 1)
    tab = _tab_in_indent(lines, mark.line)
    if tab is not None:
        return Problem(tab, "a tab in the indentation: YAML wants spaces" + _shown(lines, tab))
    said = getattr(error, "problem", "") or "not readable as YAML"
    context = getattr(error, "context", "") or ""
    return Problem(place, _advice(said, context) + _shown(lines, place))


def _tab_in_indent(lines: list[str], at: int) -> Place | None:
    """Around the line where the reader gave up."""
    for number in (at, at - 1):
        if 0 <= number < len(lines):
            line = lines[number]
            indent = line[: len(line) - len(line.lstrip())]
            if "\t" in indent:
                return Place(number + 1, indent.index("\t") + 1)
    return None


COLON = (
    'a colon where none can be: is the line indented wrongly, or does text with ": " lack quotes?'
)
INDENT = "this line does not fit the block it is in: compare its indentation with the lines above"
ADVICE = (
    ("mapping values are not allowed", COLON),
    ("did not find expected key", INDENT),
    ("expected <block end>", INDENT),
    ("could not find expected ':'", 'a key without a colon: write "key: value"'),
    ("did not find expected ',' or", "a bracket or brace that is not closed, or a comma that is missing"),
    ("expected ',' or", "a bracket or brace that is not closed, or a comma that is missing"),
    ("expected node content", "a bracket or brace that is not closed, or a comma that is missing"),
    ("cannot start any token", "text that begins with this character needs quotes"),
    ("unexpected end of stream", "a quote that is opened is never closed"),
    ("undefined alias", "an alias (*name) without an anchor (&name) above it"),
    ("did not find expected alphabetic", "an alias or tag without a name: text that begins with * or & needs quotes"),
)  # fmt: skip


def _advice(said: str, context: str) -> str:
    for words, advice in ADVICE:
        if words in said:
            return advice
    return f"{context}: {said}" if context else said


def _shown(lines: list[str], place: Place) -> str:
    """The line itself, with a mark below the column."""
    if not 0 < place.line <= len(lines):
        return ""
    line = lines[place.line - 1].replace("\t", "→")
    return f"\n    {line}\n    {' ' * (place.column - 1)}^"
