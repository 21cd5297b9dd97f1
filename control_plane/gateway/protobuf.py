"""Kubernetes' protobuf, read into the JSON form. Never written: a client that sends it takes JSON in answer.

Go clients since 1.32 send objects in this encoding and try no other when it is refused, so who wants to be spoken to
by them must read it. kubernetes.json has the numbers of the fields (scripts/kubernetes_numbers.py makes it). An object
comes in an envelope: four bytes of magic, then a message with the kind and the encoded object.

Go writes empty fields, too, where nothing was set. What is empty, and is no field of ours, is left out; so nobody is
told that `priorityClassName: ""` is not supported.
"""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api import rules
from api.errors import BadRequest
from api.kinds import Kind

MAGIC = b"k8s\x00"
# Parts of a message that JSON shows as fields of the message itself.
INLINE = frozenset(
    (
        "volumeSource",
        "handler",
        "localObjectReference",
        "ingressRuleValue",
        "ephemeralContainerCommon",
        "persistentVolumeSource",
    )
)
Value = int | bytes
Convert = Callable[[Value, Any], Any]  # (what stands there, our descriptor of it or None)


class Malformed(ValueError):
    """These bytes are no message."""


def fields(data: bytes) -> Iterator[tuple[int, Value]]:
    """Number and content of each, as they come (https://protobuf.dev/programming-guides/encoding). Raises Malformed."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
            continue
        size, at = _varint(data, at) if wire == 2 else ({1: 8, 5: 4}.get(wire, end + 1), at)
        if at + size > end:
            raise Malformed("it ends in the middle of a field")
        yield number, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < 70:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise Malformed("a number does not end")


def document(body: bytes, expected: Kind | None) -> dict[str, Any]:
    """The object as JSON has it. `expected`: its kind; None: options. Raises BadRequest."""
    try:
        return _document(body, expected)
    except (Malformed, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise BadRequest(f"the body of the request cannot be decoded: {error}") from None


def _document(body: bytes, expected: Kind | None) -> dict[str, Any]:
    if not body.startswith(MAGIC):
        raise Malformed("it does not begin as Kubernetes' messages do")
    parts = dict(fields(body[len(MAGIC) :]))
    about = {number: _text(value) for number, value in fields(_bytes(parts.get(1, b"")))}
    version, kind = about.get(1, ""), about.get(2, "")
    root = _table()["roots"].get(kind if expected is None else f"{version} {kind}")
    if root is None:
        raise Malformed(f"it is a {version} {kind}")
    ours = expected.message.DESCRIPTOR if expected else None
    found = _message(root, _bytes(parts.get(2, b"")), ours, whole=expected is None)
    return {"apiVersion": version, "kind": kind, **found}


@cache
def _table() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        files("control_plane.gateway").joinpath("kubernetes.json").read_text(encoding="utf-8")
    )
    return found


@cache
def _plan(message: str) -> dict[int, tuple[str, str, str]]:
    rows = _table()["messages"][message]
    return {int(number): tuple(row) for number, row in rows.items()}


def _message(name: str, data: bytes, ours: Any, *, whole: bool = False) -> dict[str, Any]:
    """`ours`: the descriptor of our message; None: we have none. `whole`: keep everything."""
    plan, out = _plan(name), dict[str, Any]()
    known = rules.by_json_name(ours) if ours is not None else {}
    for number, value in fields(data):
        if number not in plan:  # newer than the table
            out[f"field {number} of {name}"] = True
            continue
        field, type, often = plan[number]
        if field in INLINE:
            out |= _message(type, _bytes(value), ours)
            continue
        _put(out, field, often, _read(type, often, value, known.get(field)))
    return out if whole else {key: each for key, each in out.items() if key in known or _says(each)}


def _put(out: dict[str, Any], field: str, often: str, value: Any) -> None:
    if often == "list":
        out.setdefault(field, []).append(value)
    elif often == "map":
        out.setdefault(field, {}).update([value])
    else:
        out[field] = value


def _read(type: str, often: str, value: Value, field: Any) -> Any:
    inner = field.message_type if field is not None else None
    if often == "map":
        if inner is not None:
            inner = rules.map_value(field).message_type
        pair = dict(fields(_bytes(value)))
        return _text(pair.get(1, b"")), _one(type, pair.get(2, b""), inner)
    return _one(type, value, inner)


def _one(type: str, value: Value, ours: Any) -> Any:
    convert = CONVERT.get(type.rpartition(".")[2] if type.startswith(SPECIAL) else type)
    return convert(value, ours) if convert else _message(type, _bytes(value), ours)


def _says(value: Any) -> bool:
    """Whether there is anything in it."""
    if isinstance(value, dict):
        return any(map(_says, value.values()))
    return value not in ("", 0, False, None)


# Single values


def _bytes(value: Value) -> bytes:
    if isinstance(value, int):
        raise Malformed("a number stands where a message belongs")
    return value


def _text(value: Value) -> str:
    return _bytes(value).decode()


def _int(value: Value) -> int:
    if not isinstance(value, int):
        value = int.from_bytes(value, "little")
    return value - (1 << 64) if value >> 63 else value


def _base64(value: Value) -> str:
    return base64.b64encode(_bytes(value)).decode()


def _time(value: Value) -> str | None:
    if not _bytes(value):
        return None
    parts = dict(fields(_bytes(value)))
    return Timestamp(seconds=_int(parts.get(1, 0)), nanos=_int(parts.get(2, 0))).ToJsonString()


def _int_or_string(value: Value) -> int | str:
    parts = dict(fields(_bytes(value)))
    return _text(parts.get(3, b"")) if parts.get(1, 0) else _int(parts.get(2, 0))


def _quantity(value: Value) -> str:
    return _text(dict(fields(_bytes(value))).get(1, b""))


def _raw(value: Value) -> Any:
    raw = _bytes(dict(fields(_bytes(value))).get(1, b""))
    return json.loads(raw) if raw else None


def _items(value: Value) -> list[str]:
    return [_text(each) for _, each in fields(_bytes(value))]


def _duration(value: Value) -> str:
    return f"{_int(dict(fields(_bytes(value))).get(1, 0)) / 1e9:g}s"


# Messages that JSON has other forms for: where they are from, and below, what they are called.
_EXTRAS = tuple(
    f"{group}.v1.Extra" for group in ("authentication", "authorization", "certificates")
)
SPECIAL = ("meta.v1.", "resource.", "runtime.", "intstr.", *_EXTRAS)
CONVERT: dict[str, Convert] = {
    "string": lambda value, _: _text(value),
    "int": lambda value, _: _int(value),
    "bool": lambda value, _: bool(value),
    "bytes": lambda value, _: _base64(value),
    "Time": lambda value, _: _time(value),
    "MicroTime": lambda value, _: _time(value),
    "Quantity": lambda value, _: _quantity(value),
    "IntOrString": lambda value, _: _int_or_string(value),
    "RawExtension": lambda value, _: _raw(value),
    "FieldsV1": lambda value, _: _raw(value),
    "Duration": lambda value, _: _duration(value),
    "ExtraValue": lambda value, _: _items(value),
}
