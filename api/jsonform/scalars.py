"""JSON values → what protobuf takes, one function per type of value. Each answers BAD after adding a Cause."""

import base64
import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.struct_pb2 import NULL_VALUE, Value
from google.protobuf.timestamp_pb2 import Timestamp

from api.errors import Cause
from api.rules import ANY, STRUCT, TIMESTAMP, VALUE, rule

Causes = list[Cause]
# One JSON value to what protobuf takes: (value, path, causes). BAD if it is wrong (a cause has been added then).
Reader = Callable[[Any, str, Causes], Any]
BAD: Any = object()


def reader(field: FieldDescriptor, quantity: bool = False) -> Reader:
    rules = rule(field)
    if field.message_type is not None:
        if field.message_type.full_name == VALUE and rules.intOrString:
            return _int_or_string
        return SPECIAL[field.message_type.full_name]
    if quantity or rules.quantity:
        return _quantity
    return _SCALARS[field.cpp_type if field.type != FieldDescriptor.TYPE_BYTES else -1]


def string(value: Any, path: str, causes: Causes) -> Any:
    if isinstance(value, str):
        if value.isascii() or _encodable(value):
            return value
        causes.append(Cause(path, "must be valid Unicode text", "FieldValueInvalid"))
        return BAD
    causes.append(type_cause(path, "a string", value))
    return BAD


def _encodable(value: str) -> bool:
    return re.search("[\ud800-\udfff]", value) is None


def _quantity(value: Any, path: str, causes: Causes) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return str(value) if abs(value) < 1e300 else "1e300"
    return string(value, path, causes)


def _boolean(value: Any, path: str, causes: Causes) -> Any:
    if isinstance(value, bool):
        return value
    causes.append(type_cause(path, "true or false", value))
    return BAD


def _integer(lowest: int, highest: int) -> Reader:
    def read(value: Any, path: str, causes: Causes) -> Any:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            causes.append(type_cause(path, "an integer", value))
            return BAD
        if lowest <= value <= highest:
            return value
        causes.append(Cause(path, f"Invalid value: must be between {lowest} and {highest}"))
        return BAD

    return read


def _float(value: Any, path: str, causes: Causes) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300:
        return float(value)
    causes.append(type_cause(path, "a number", value))
    return BAD


def _bytes(value: Any, path: str, causes: Causes) -> Any:
    text = string(value, path, causes)
    if text is BAD:
        return BAD
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        causes.append(Cause(path, "Invalid value: must be base64"))
        return BAD


_STAMP = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d)(?:[.,](\d+))?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _timestamp(value: Any, path: str, causes: Causes) -> Any:
    if isinstance(value, datetime):  # YAML's own timestamps
        value = value.astimezone(UTC).isoformat() if value.tzinfo else f"{value.isoformat()}Z"
    text = string(value, path, causes)
    if text is BAD:
        return BAD
    found = _STAMP.fullmatch(text)
    stamp = _stamp(found) if found else None
    if stamp is None:
        told = f'Invalid value: "{text}": must be a time such as "2026-01-02T03:04:05Z"'
        causes.append(Cause(path, told))
        return BAD
    return stamp


def _stamp(found: re.Match[str]) -> Timestamp | None:
    try:
        moment = datetime.fromisoformat(found[1].upper() + found[3].upper())
        nanos = int((found[2] or "0")[:9].ljust(9, "0"))
        return Timestamp(seconds=round(moment.timestamp()), nanos=nanos)
    except (ValueError, OverflowError):  # February 30, or the year 0
        return None


def _int_or_string(value: Any, path: str, causes: Causes) -> Any:
    if isinstance(value, str):
        text = string(value, path, causes)
        return BAD if text is BAD else Value(string_value=text)
    number = _int32(value, path, causes)
    return BAD if number is BAD else Value(number_value=number)


def _plain(value: Any, path: str, causes: Causes) -> Any:
    """Any JSON at all."""
    if value is None:
        return Value(null_value=NULL_VALUE)
    if isinstance(value, bool):
        return Value(bool_value=value)
    if isinstance(value, (int, float)):
        number = _float(value, path, causes)
        return BAD if number is BAD else Value(number_value=number)
    if isinstance(value, (list, dict)):
        return _plain_container(value, path, causes)
    text = string(value, path, causes)
    return BAD if text is BAD else Value(string_value=text)


def _plain_container(value: list[Any] | dict[str, Any], path: str, causes: Causes) -> Any:
    out = Value()
    if isinstance(value, list):
        out.list_value.SetInParent()
        inner = [_plain(each, f"{path}[{index}]", causes) for index, each in enumerate(value)]
        out.list_value.values.extend(each for each in inner if each is not BAD)
        return out
    out.struct_value.SetInParent()
    for key, each in value.items():
        known, got = string(key, path, causes), _plain(each, f"{path}.{key}", causes)
        if known is not BAD and got is not BAD:
            out.struct_value.fields[known].CopyFrom(got)
    return out


def _struct(value: Any, path: str, causes: Causes) -> Any:
    """Any JSON object."""
    if isinstance(value, dict):
        return _plain_container(value, path, causes).struct_value
    causes.append(type_cause(path, "a mapping", value))
    return BAD


def _any(value: Any, path: str, causes: Causes) -> Any:
    causes.append(Cause(path, "Forbidden: only the server writes this", "FieldValueForbidden"))
    return BAD


def silent(read: Reader, rule: str) -> Reader:
    """The same, but what is wrong is told without the value, which is a secret. `rule`: what a text has to be."""

    def silently(value: Any, path: str, causes: Causes) -> Any:
        got = read(value, path, [])
        if got is BAD and isinstance(value, str):
            causes.append(Cause(path, f"Invalid value: <redacted>: {rule}"))
        elif got is BAD:
            told = "must be a string: put it in quotes (the value is not shown)"
            causes.append(Cause(path, told, "FieldValueTypeInvalid"))
        return got

    return silently


_int32 = _integer(-(2**31), 2**31 - 1)
SPECIAL: dict[str, Reader] = {TIMESTAMP: _timestamp, VALUE: _plain, STRUCT: _struct, ANY: _any}
_SCALARS: dict[int, Reader] = {
    -1: _bytes,
    FieldDescriptor.CPPTYPE_STRING: string,
    FieldDescriptor.CPPTYPE_BOOL: _boolean,
    FieldDescriptor.CPPTYPE_INT32: _int32,
    FieldDescriptor.CPPTYPE_INT64: _integer(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _integer(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: _integer(0, 2**64 - 1),
    FieldDescriptor.CPPTYPE_FLOAT: _float,
    FieldDescriptor.CPPTYPE_DOUBLE: _float,
}


def type_cause(path: str, wanted: str, value: Any) -> Cause:
    """Says what is there instead, and what to write when that can be guessed."""
    told = f"must be {wanted}, not {_describe(value)}"
    if wanted == "a string" and isinstance(value, (bool, int, float)):
        shown = str(value).lower() if isinstance(value, bool) else value
        told += f': put it in quotes: "{shown}"'
    elif isinstance(value, str) and re.fullmatch(r"-?\d+|true|false", value):
        told += ": write it without quotes"
    elif wanted == "a list" and isinstance(value, dict):
        told += ": begin each element with '-'"
    return Cause(path, told, "FieldValueTypeInvalid")


def _describe(value: Any) -> str:
    if isinstance(value, bool):
        return f"the boolean {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, str):
        return f'the string "{value if len(value) < 60 else value[:57] + "…"}"'
    if value is None:
        return "null"
    return (
        "a list"
        if isinstance(value, list)
        else "a mapping"
        if isinstance(value, dict)
        else str(value)
    )
