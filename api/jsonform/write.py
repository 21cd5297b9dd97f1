"""protobuf → JSON. What is not set is not written, except what Kubernetes always writes (always.py)."""

import base64
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from api import kinds
from api.jsonform.always import ALWAYS
from api.rules import ANY, STRUCT, TIMESTAMP, VALUE, is_list, is_map, map_value, rule

Writer = Callable[[Any], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST, _LAST = -62135596800, 253402300799  # the years 1 to 9999


def to_json(message: Message) -> dict[str, Any]:
    """The object as plain dicts, lists, strings, numbers and booleans; the caller may change them."""
    written: dict[str, Any] = _plan(message.DESCRIPTOR)(message)
    return written


@cache
def _plan(descriptor: Descriptor) -> Writer:
    # One entry per field: its name and how to write it; None writes the value as it is.
    fields = {field: (field.json_name, _writer(field)) for field in descriptor.fields}
    always = tuple(ALWAYS.get(descriptor.name, {}).items())

    def write(message: Message) -> dict[str, Any]:
        out = {}
        for field, value in message.ListFields():
            name, writer = fields[field]
            out[name] = value if writer is None else writer(value)
        for name, zero in always:
            if name not in out:
                out[name] = zero()
        return out

    return write


def _writer(field: FieldDescriptor) -> Writer | None:
    if is_map(field):
        return _map_writer(_one(map_value(field)))
    one = _one(field)
    if not is_list(field):
        return one
    return list if one is None else _list_writer(one)


def _one(field: FieldDescriptor) -> Writer | None:
    """How to write a single value of the field."""
    if field.type == FieldDescriptor.TYPE_BYTES:
        return lambda value: base64.b64encode(value).decode()
    if field.message_type is None:
        return None
    special: dict[str, Writer] = {
        TIMESTAMP: _micro if rule(field).micro else _seconds,
        VALUE: _value,
        STRUCT: _struct,
        ANY: _any,
    }
    return special.get(field.message_type.full_name) or _plan(field.message_type)


def _map_writer(one: Writer | None) -> Writer:
    if one is None:
        return lambda values: {key: values[key] for key in sorted(values)}
    return lambda values: {key: one(values[key]) for key in sorted(values)}


def _list_writer(one: Writer) -> Writer:
    def write(values: Iterable[Any]) -> list[Any]:
        return [one(value) for value in values]

    return write


@lru_cache(maxsize=4096)
def _moment(seconds: int) -> str:
    moment = _EPOCH + timedelta(seconds=min(max(seconds, _FIRST), _LAST))
    return moment.replace(tzinfo=None).isoformat()


def _seconds(stamp: Timestamp) -> str:
    return _moment(stamp.seconds) + "Z"


def _micro(stamp: Timestamp) -> str:
    return f"{_moment(stamp.seconds)}.{stamp.nanos // 1000:06}Z"


def _value(value: Value) -> Any:
    shape = value.WhichOneof("kind")
    if shape == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    if shape == "struct_value":
        return _struct(value.struct_value)
    if shape == "list_value":
        return [_value(inner) for inner in value.list_value.values]
    return getattr(value, shape) if shape in ("string_value", "bool_value") else None


def _struct(value: Struct) -> dict[str, Any]:
    return {key: _value(value.fields[key]) for key in sorted(value.fields)}


def _any(packed: Any) -> dict[str, Any] | None:
    """The object inside, if it is of a kind that we know."""
    kind = kinds.by_url(packed.type_url)
    if kind is None:
        return None
    try:
        return to_json(kind.message.FromString(packed.value))
    except DecodeError:
        return None
