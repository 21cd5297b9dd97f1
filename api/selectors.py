"""Which objects? Label selectors (`app=web,tier in (a,b),!legacy`) and field selectors (`spec.nodeName=n1`).

Text or message is compiled once into a predicate, then asked for thousands of objects. All requirements must hold.
As in Kubernetes, "!=" and "notin" also hold for objects that do not have the label at all (S#11).

Grammar of label selectors (blanks between words do not matter):

    selector     = [ requirement { "," requirement } ]
    requirement  = key | "!" key
                 | key ("=" | "==" | "!=") value
                 | key ("in" | "notin") "(" values ")"
                 | key (">" | "<") integer
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache

from api import names
from api.errors import BadRequest
from proto.v1 import meta_pb2

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Requirement:
    """One condition on one label. Operators are those of LabelSelectorRequirement, and Gt, Lt."""

    key: str
    operator: str
    values: tuple[str, ...] = ()

    @cached_property
    def holds(self) -> Callable[[Labels], bool]:
        key, values = self.key, frozenset(self.values)
        if self.operator == "In":
            return lambda labels: labels.get(key) in values
        if self.operator == "NotIn":
            return lambda labels: labels.get(key) not in values
        if self.operator == "Exists":
            return lambda labels: key in labels
        if self.operator == "DoesNotExist":
            return lambda labels: key not in labels
        bound, sign = int(self.values[0]), 1 if self.operator == "Gt" else -1
        return lambda labels: _is_integer(labels.get(key)) and sign * (int(labels[key]) - bound) > 0

    def __str__(self) -> str:
        among = ",".join(sorted(self.values))
        match self.operator:
            case "Exists":
                return self.key
            case "DoesNotExist":
                return f"!{self.key}"
            case "Gt" | "Lt":
                return f"{self.key}{'>' if self.operator == 'Gt' else '<'}{among}"
            case "In" if len(self.values) == 1:
                return f"{self.key}={among}"
            case "NotIn" if len(self.values) == 1:
                return f"{self.key}!={among}"
        return f"{self.key} {self.operator.lower()} ({among})"


@dataclass(frozen=True)
class LabelSelector:
    """A compiled label selector. Without requirements it matches everything; `nothing` never matches."""

    requirements: tuple[Requirement, ...] = ()
    nothing: bool = False
    _tests: tuple[Callable[[Labels], bool], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_tests", tuple(each.holds for each in self.requirements))

    @property
    def everything(self) -> bool:
        return not self.requirements and not self.nothing

    def matches(self, labels: Labels) -> bool:
        for test in self._tests:  # a generator expression would cost more than the tests
            if not test(labels):
                return False
        return not self.nothing

    def __str__(self) -> str:
        return "<none>" if self.nothing else ",".join(str(each) for each in self.requirements)


EVERYTHING, NOTHING = LabelSelector(), LabelSelector(nothing=True)


def labels_from(message: meta_pb2.LabelSelector | None) -> LabelSelector:
    """The selector in a (valid) message: a missing one (None) matches nothing, an empty one everything."""
    if message is None:
        return NOTHING
    exact = [Requirement(key, "In", (value,)) for key, value in sorted(message.matchLabels.items())]
    others = [
        Requirement(each.key, each.operator, tuple(each.values))
        for each in message.matchExpressions
    ]
    return LabelSelector((*exact, *others))


@lru_cache(maxsize=1024)
def labels(text: str) -> LabelSelector:
    """The selector in a text. Raises BadRequest, which says what was found where."""
    return LabelSelector(tuple(_Parser(text).requirements()))


class _Parser:
    """Recursive descent over the words of one selector."""

    _WORD = re.compile(r"\s*(==|!=|[=!<>(),]|[^\s=!<>(),]+|$)")
    _SIGNS = frozenset(("=", "==", "!=", "!", "<", ">", "(", ")", ",", ""))

    def __init__(self, text: str) -> None:
        self.text = text
        self.words = [(found.start(1), found[1]) for found in self._WORD.finditer(text)]
        self.next = 0  # index of the word to read

    def peek(self) -> str:
        return self.words[self.next][1]

    def take(self) -> str:
        word = self.peek()
        self.next = min(self.next + 1, len(self.words) - 1)
        return word

    def requirements(self) -> Iterable[Requirement]:
        if not self.peek():
            return
        while True:
            yield self.requirement()
            if not self.peek():
                return
            self.expect(",")

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            return Requirement(self.key(), "DoesNotExist")
        key, sign = self.key(), self.peek()
        if sign in (",", ""):
            return Requirement(key, "Exists")
        if sign in ("=", "==", "!="):
            self.take()
            return Requirement(key, "NotIn" if sign == "!=" else "In", (self.value(),))
        if sign in ("in", "notin"):
            self.take()
            return Requirement(key, "In" if sign == "in" else "NotIn", self.values())
        if sign in ("<", ">"):
            self.take()
            return Requirement(key, "Lt" if sign == "<" else "Gt", (self.integer(),))
        raise self.wrong("one of '=', '!=', 'in', 'notin', '>', '<', ',' or the end")

    def key(self) -> str:
        if self.peek() in self._SIGNS:
            raise self.wrong("a label's key")
        return self.checked(names.qualified_name, "key")

    def value(self) -> str:
        if self.peek() in (",", ")", ""):
            return ""  # `key=` asks for the empty value
        if self.peek() in self._SIGNS:
            raise self.wrong("a value")
        return self.checked(names.label_value, "value")

    def values(self) -> tuple[str, ...]:
        self.expect("(")
        found = [self.value()]
        while self.peek() == ",":
            self.take()
            found.append(self.value())
        self.expect(")")
        return tuple(dict.fromkeys(found))

    def integer(self) -> str:
        if not _is_integer(self.peek()):
            raise self.wrong("an integer")
        return self.take()

    def checked(self, check: Callable[[str], Collection[str]], what: str) -> str:
        place, word = self.words[self.next]
        problems = check(word)
        if problems:
            raise BadRequest(
                f"unable to parse requirement: {what} {word!r} at character {place + 1} of {self.text!r}: "
                + "; ".join(problems)
            )
        return self.take()

    def expect(self, sign: str) -> None:
        if self.peek() != sign:
            raise self.wrong(f"'{sign}'" if sign != "," else "',' or the end")
        self.take()

    def wrong(self, expected: str) -> BadRequest:
        place, word = self.words[self.next]
        found = f"'{word}'" if word else "the end"
        return BadRequest(
            f"unable to parse requirement: found {found} at character {place + 1} of {self.text!r}, "
            f"expected: {expected}"
        )


def _is_integer(text: str | None) -> bool:
    return text is not None and re.fullmatch(r"[+-]?[0-9]{1,18}", text, re.ASCII) is not None


@dataclass(frozen=True)
class FieldSelector:
    """A compiled field selector: (field, must it be equal, value). Without terms it matches everything."""

    terms: tuple[tuple[str, bool, str], ...] = ()

    @property
    def everything(self) -> bool:
        return not self.terms

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(name for name, _, _ in self.terms)

    def matches(self, values: Mapping[str, str]) -> bool:
        return all((values.get(name, "") == value) == equal for name, equal, value in self.terms)

    def exact(self, name: str) -> str | None:
        """The one value that the field must have, if the selector says so: lets a list be narrowed by an index."""
        for term, equal, value in self.terms:
            if term == name and equal:
                return value
        return None

    def __str__(self) -> str:
        return ",".join(
            f"{name}{'=' if equal else '!='}{_escape(value)}" for name, equal, value in self.terms
        )


def fields(text: str, supported: Collection[str] | None = None) -> FieldSelector:
    """The selector in a text: `a=b,c!=d`; in values a backslash goes before `\\`, `,` and `=`.

    Raises BadRequest: the text cannot be read, or a field is not among those `supported`."""
    selector = _parse_fields(text)
    for name in sorted(selector.names):
        if supported is not None and name not in supported:
            known = ", ".join(sorted(supported))
            raise BadRequest(f"field label not supported: {name} (supported are: {known})")
    return selector


_TERM = re.compile(r"(?:[^\\,]|\\.?)+", re.DOTALL)
_OPERATOR = re.compile(r"((?:[^\\=!]|\\.|!(?!=))*)(!=|==|=)(.*)", re.DOTALL)
_VALUE = re.compile(r"(?:[^\\,=]|\\[\\,=])*", re.DOTALL)


@lru_cache(maxsize=1024)
def _parse_fields(text: str) -> FieldSelector:
    terms = []
    for term in _TERM.findall(text):
        found = _OPERATOR.fullmatch(term)
        if not found:
            raise BadRequest(
                f"invalid field selector {text!r}: can't understand {term!r} (write field=value or field!=value)"
            )
        if not _VALUE.fullmatch(found[3]):
            raise BadRequest(
                f"invalid field selector {text!r}: in the value {found[3]!r} write '\\\\', '\\,' and '\\='"
                " for a backslash, a comma and an equals sign"
            )
        terms.append((found[1].strip(), found[2] != "!=", _unescape(found[3])))
    return FieldSelector(tuple(terms))


def _escape(value: str) -> str:
    return re.sub(r"([\\,=])", r"\\\1", value)


def _unescape(value: str) -> str:
    return re.sub(r"\\([\\,=])", r"\1", value)
