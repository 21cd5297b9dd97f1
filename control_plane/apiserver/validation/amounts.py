"""Numbers that may also be percentages, as in "at most 25% of them"."""

import re

from google.protobuf.struct_pb2 import Value

from api.errors import Cause
from control_plane.apiserver.validation import causes

_PERCENT = re.compile(r"[0-9]+%")
_PERCENT_SHAPE = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%', or '93%', regex used for validation is '[0-9]+%')"
)


def number_or_percent(value: Value, path: str) -> list[Cause]:
    if value.WhichOneof("kind") == "string_value":
        fine = _PERCENT.fullmatch(value.string_value)
        return [] if fine else [causes.invalid(path, value.string_value, _PERCENT_SHAPE)]
    number = value.number_value
    if value.WhichOneof("kind") != "number_value" or not number.is_integer():
        return [causes.invalid(path, number, "must be a whole number or a percentage")]
    if not 0 <= number < 2**31:
        told = "must be greater than or equal to 0" if number < 0 else "must fit into 32 bits"
        return [causes.invalid(path, int(number), told)]
    return []


def amount(value: Value) -> int:
    """The number before the per cent, or the number itself."""
    return int(value.string_value.removesuffix("%") or value.number_value)


def shown(value: Value) -> str | int:
    return value.string_value or int(value.number_value)


def not_above_all(value: Value, path: str) -> list[Cause]:
    if not value.string_value or amount(value) <= 100:
        return []
    return [causes.invalid(path, shown(value), "must not be greater than 100%")]
