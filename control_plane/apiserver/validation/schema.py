"""The rules that hang on single fields (proto/v1/options.proto), applied to any message.

Each message type is planned once: which fields must be there, and one test per field that has a rule or leads to one.
Checking then only walks the fields that are set, so a pod costs some tens of microseconds.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from api import quantity
from api.errors import Cause
from api.rules import TIMESTAMP, is_list, is_map, is_object, map_value, rule
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.formats import FORMATS
from proto.v1.options_pb2 import Rule

# A test of the value of one field: (value, path of the field, causes to add to).
Test = Callable[[Any, str, list[Cause]], None]

QUANTITY_SYNTAX = (
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
)
_YEAR_1, _YEAR_9999 = -62135596800, 253402300799  # seconds


def check(message: Message, path: str = "") -> list[Cause]:
    """All that is wrong with single fields of the message, and of those inside it."""
    found: list[Cause] = []
    test = _plan(message.DESCRIPTOR)
    if test is not None:
        test(message, path, found)
    return found


def check_immutable(new: Any, old: Any, path: str = "", *, deep: bool = True) -> list[Cause]:
    """The fields that an update changed and may not. Elements of lists are not compared.

    Not deep: only the message's own fields. (The metadata of a pod may not change, that of a template may.)
    """
    found: list[Cause] = []
    for field in _immutable(new.DESCRIPTOR):
        place = _join(path, field.json_name)
        ours, theirs = getattr(new, field.name), getattr(old, field.name)
        if rule(field).immutable:
            if ours != theirs:
                found.append(causes.invalid(place, ours, "field is immutable"))
        elif deep:
            found += check_immutable(ours, theirs, place)
    return found


@cache
def _immutable(message: Descriptor) -> tuple[FieldDescriptor, ...]:
    """Its fields that are immutable or have such fields inside."""
    return tuple(
        field
        for field in message.fields
        if rule(field).immutable
        or (is_object(field) and not is_list(field) and _immutable(_inner(field)))
    )


def _inner(field: FieldDescriptor) -> Descriptor:
    assert field.message_type is not None
    return field.message_type


@cache
def _plan(message: Descriptor) -> Test | None:
    """The test of a whole message; None if nothing in it has a rule."""
    required = tuple(
        (field, field.json_name, _range(rule(field)))
        for field in message.fields
        if rule(field).required
    )
    tests = {
        field: (field.json_name, inner)
        for field in message.fields
        if (inner := _test(field)) is not None
    }

    def test(value: Message, path: str, found: list[Cause]) -> None:
        present = value.ListFields()
        for field, inner in present:
            entry = tests.get(field)
            if entry is not None:
                entry[1](inner, f"{path}.{entry[0]}" if path else entry[0], found)
        if required:
            seen = {field for field, _ in present}
            for field, name, detail in required:
                if field not in seen:
                    found.append(causes.required(_join(path, name), detail))

    return test if required or tests else None


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _test(field: FieldDescriptor) -> Test | None:
    """The test of a field; None if anything goes."""
    rules = rule(field)
    if is_map(field):
        return _quantities if rules.quantity else _map_test(field)
    one = _plan(_inner(field)) if is_object(field) else _scalar_test(field)
    if not is_list(field):
        return one
    return _list_test(one, rules.maxLength)


def _map_test(field: FieldDescriptor) -> Test | None:
    """No map of messages has rules so far: say so if one appears."""
    assert not is_object(map_value(field)), f"{field.full_name}: rules in maps are not planned"
    return None


def _list_test(one: Test | None, limit: int) -> Test | None:
    if one is None and not limit:
        return None

    def test(values: Sequence[Any], path: str, found: list[Cause]) -> None:
        if limit and len(values) > limit:
            found.append(causes.too_many(path, len(values), limit))
        if one is not None:
            # The copy is a plain list, which is walked faster than protobuf's own.
            for index, value in enumerate(values[:]):
                one(value, f"{path}[{index}]", found)

    return test


def _scalar_test(field: FieldDescriptor) -> Test | None:
    rules = rule(field)
    if field.message_type is not None:
        return _timestamp if field.message_type.full_name == TIMESTAMP else None
    tests = [
        test
        for wanted, test in (
            (rules.values, _values_test(tuple(rules.values))),
            (rules.HasField("min") or rules.HasField("max"), _range_test(rules)),
            (rules.format, _format_test(rules.format)),
            (rules.quantity, _quantity),
            (rules.maxLength and not is_list(field), _length_test(rules.maxLength)),
        )
        if wanted
    ]
    return _all(tests) if len(tests) > 1 else tests[0] if tests else None


def _all(tests: Sequence[Test]) -> Test:
    def test(value: Any, path: str, found: list[Cause]) -> None:
        for each in tests:
            each(value, path, found)

    return test


def _values_test(values: tuple[str, ...]) -> Test:
    def test(value: str, path: str, found: list[Cause]) -> None:
        if value and value not in values:
            found.append(causes.unsupported(path, value, values))

    return test


def _format_test(name: str) -> Test:
    problems = FORMATS[name] if name else lambda _: ()

    def test(value: str, path: str, found: list[Cause]) -> None:
        if value and (told := problems(value)):
            found += [causes.invalid(path, value, problem) for problem in told]

    return test


def _length_test(limit: int) -> Test:
    def test(value: str, path: str, found: list[Cause]) -> None:
        if len(value.encode()) > limit:
            found.append(causes.too_long(path, limit))

    return test


def _range_test(rules: Rule) -> Test:
    lowest = rules.min if rules.HasField("min") else -(2**63)
    highest = rules.max if rules.HasField("max") else 2**63
    detail = _range(rules)

    def test(value: int, path: str, found: list[Cause]) -> None:
        if not lowest <= value <= highest:
            found.append(causes.invalid(path, value, detail))

    return test


def _range(rules: Rule) -> str:
    if rules.HasField("min") and rules.HasField("max"):
        return f"must be between {rules.min} and {rules.max}, inclusive"
    if rules.HasField("min"):
        return f"must be greater than or equal to {rules.min}"
    return f"must be less than or equal to {rules.max}" if rules.HasField("max") else ""


def _quantity(text: str, path: str, found: list[Cause]) -> None:
    if not quantity.valid(text):
        found.append(causes.invalid(path, text, QUANTITY_SYNTAX))
    elif text.startswith("-") and quantity.parse(text) < quantity.ZERO:
        found.append(causes.invalid(path, text, "must be greater than or equal to 0"))


def _quantities(amounts: Mapping[str, str], path: str, found: list[Cause]) -> None:
    for name, text in amounts.items():
        _quantity(text, f"{path}[{name}]", found)


def _timestamp(stamp: Any, path: str, found: list[Cause]) -> None:
    if not (_YEAR_1 <= stamp.seconds <= _YEAR_9999 and 0 <= stamp.nanos < 10**9):
        found.append(causes.invalid(path, stamp.seconds, "must be a time in the years 1 to 9999"))
