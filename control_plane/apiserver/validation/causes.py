"""The sentences in which a field is refused: one function per reason, worded like Kubernetes' field errors.

Two rules that hold in many places are here, too: what may not be there twice, and where one field of several must be.
"""

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from google.protobuf.message import Message

from api.errors import Cause
from api.jsonform import to_json


def quoted(value: Any) -> str:
    """A value as messages show it: strings in quotes, objects as JSON, everything else bare."""
    shown = to_json(value) if isinstance(value, Message) else value
    return json.dumps(shown, ensure_ascii=False, default=str)


def required(field: str, detail: str = "") -> Cause:
    return Cause(field, _told("Required value", detail), "FieldValueRequired")


def invalid(field: str, value: Any, detail: str) -> Cause:
    return Cause(field, f"Invalid value: {quoted(value)}: {detail}", "FieldValueInvalid")


def forbidden(field: str, detail: str) -> Cause:
    return Cause(field, f"Forbidden: {detail}", "FieldValueForbidden")


def duplicate(field: str, value: Any) -> Cause:
    return Cause(field, f"Duplicate value: {quoted(value)}", "FieldValueDuplicate")


def not_found(field: str, value: Any) -> Cause:
    return Cause(field, f"Not found: {quoted(value)}", "FieldValueNotFound")


def too_long(field: str, limit: int) -> Cause:
    return Cause(field, f"Too long: may not be more than {limit} bytes", "FieldValueTooLong")


def too_many(field: str, number: int, limit: int) -> Cause:
    told = f"Too many: {number}: must have at most {limit} items"
    return Cause(field, told, "FieldValueTooMany")


def unsupported(field: str, value: str, supported: Iterable[str]) -> Cause:
    """Names what is supported, and the one that was probably meant."""
    choices = list(supported)
    folded = {choice.lower(): choice for choice in choices}
    near = difflib.get_close_matches(value.lower(), folded, 1, cutoff=0.7)
    advice = f'; did you mean "{folded[near[0]]}"?' if near else ""
    shown = ", ".join(quoted(choice) for choice in choices)
    told = f"Unsupported value: {quoted(value)}: supported values: {shown}{advice}"
    return Cause(field, told, "FieldValueNotSupported")


def duplicates(values: Iterable[tuple[str, str]]) -> list[Cause]:
    """(field, value) pairs: those whose value has been there before."""
    seen: set[str] = set()
    found = []
    for field, value in values:
        if value in seen:
            found.append(duplicate(field, value))
        seen.add(value)
    return found


def exactly_one(
    message: Message, choices: Sequence[str], path: str, *, what: str, missing: str
) -> list[Cause]:
    """Of the fields that are choices for the same thing, one must be set: not none, and not several."""
    given = [name for name in choices if message.HasField(name)]
    if not given:
        return [required(path, missing)]
    told = f"may not specify more than 1 {what}"
    return [forbidden(f"{path}.{name}", told) for name in given[1:]]


def _told(what: str, detail: str) -> str:
    return f"{what}: {detail}" if detail else what
