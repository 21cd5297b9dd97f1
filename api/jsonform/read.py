"""JSON → protobuf. Never raises: whatever is wrong becomes a Cause with its path, and all of it is found at once.

A value that is wrong is left out of the object, so that the rest can be looked at. `null` means "not set". Numbers are
accepted for quantities (cpu: 2), and 3.0 for 3; nothing else is converted silently: a port "80" in quotes is refused
with advice, as Kubernetes refuses it.
"""

import difflib
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from api.errors import Cause
from api.jsonform.always import ALWAYS
from api.jsonform.foreign import ADVICE, FOREIGN, IGNORED
from api.jsonform.scalars import BAD, SPECIAL, Causes, reader, silent, string, type_cause
from api.rules import is_list, is_map, map_value, rule

M = TypeVar("M", bound=Message)
# Puts the JSON value of one field into the message: (message, value, path of the field, causes).
Setter = Callable[[Any, Any, str, Causes], None]


def from_json(message_type: type[M], value: Any, *, path: str = "") -> tuple[M, list[Cause]]:
    """The object, and all that is wrong with the JSON (then the object is incomplete).

    `path` is where the value is from: it goes before the paths of what is wrong."""
    message = message_type()
    causes: Causes = []
    _fill(message, value, path, causes)
    return message, causes


def _fill(message: Any, value: Any, path: str, causes: Causes) -> None:
    if not isinstance(value, dict):
        causes.append(type_cause(path, "a mapping", value))
        return
    setters = _plan(message.DESCRIPTOR)
    for name, inner in value.items():
        setter = setters.get(name)
        if setter is None:
            _unknown(message.DESCRIPTOR, name, path, causes)
        elif inner is not None:
            setter(message, inner, f"{path}.{name}" if path else name, causes)


@cache
def _plan(descriptor: Descriptor) -> dict[str, Setter]:
    return {field.json_name: _setter(field) for field in descriptor.fields}


def _setter(field: FieldDescriptor) -> Setter:
    if is_map(field):
        return _map_setter(field)
    own = field.message_type is not None and field.message_type.full_name not in SPECIAL
    if is_list(field):
        return _object_list_setter(field) if own else _list_setter(field)
    return _object_setter(field) if own else _scalar_setter(field)


def _scalar_setter(field: FieldDescriptor) -> Setter:
    name, read, is_message = field.name, reader(field), field.message_type is not None

    def put(message: Any, value: Any, path: str, causes: Causes) -> None:
        got = read(value, path, causes)
        if got is BAD:
            return
        if is_message:
            getattr(message, name).CopyFrom(got)
        else:
            setattr(message, name, got)

    return put


def _object_setter(field: FieldDescriptor) -> Setter:
    name = field.name
    owner = field.containing_type
    empty_is_unset = owner is not None and name in ALWAYS.get(owner.name, {})

    def put(message: Any, value: Any, path: str, causes: Causes) -> None:
        if value == {} and empty_is_unset:
            return
        inner = getattr(message, name)
        inner.SetInParent()
        _fill(inner, value, path, causes)

    return put


def _list_setter(field: FieldDescriptor) -> Setter:
    name, read = field.name, reader(field)

    def put(message: Any, value: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, list):
            causes.append(type_cause(path, "a list", value))
            return
        got = [read(each, f"{path}[{index}]", causes) for index, each in enumerate(value)]
        getattr(message, name).extend(each for each in got if each is not BAD)

    return put


def _object_list_setter(field: FieldDescriptor) -> Setter:
    name = field.name

    def put(message: Any, value: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, list):
            causes.append(type_cause(path, "a list", value))
            return
        into = getattr(message, name)
        for index, each in enumerate(value):
            _fill(into.add(), each, f"{path}[{index}]", causes)

    return put


def _map_setter(field: FieldDescriptor) -> Setter:
    name, hidden = field.name, rule(field).hidden
    read = reader(map_value(field), rule(field).quantity)
    empty: Any = b"" if map_value(field).type == FieldDescriptor.TYPE_BYTES else ""
    if hidden:
        read = silent(read, "must be valid text" if empty == "" else "must be base64")

    def put(message: Any, value: Any, path: str, causes: Causes) -> None:
        if not isinstance(value, dict):
            wrong = type_cause(path, "a mapping", value)
            causes.append(Cause(path, "must be a mapping", wrong.reason) if hidden else wrong)
            return
        into = getattr(message, name)
        for key, inner in value.items():
            known = string(key, f"{path} (the key)", causes)
            got = read(inner, f"{path}[{key}]", causes) if inner is not None else empty
            if known is not BAD and got is not BAD:
                into[known] = got

    return put


def _unknown(message: Descriptor, name: Any, path: str, causes: Causes) -> None:
    if name in IGNORED.get(message.name, ()):
        return
    place = f"{path}.{name}" if path else str(name)
    if name in FOREIGN.get(message.name, ()):
        told = "unknown field: Kubernetes has it, but it is not supported here"
        if instead := ADVICE.get((message.name, name)):
            told += f": {instead}"
        causes.append(Cause(place, told, "UnknownField"))
        return
    known = _plan(message)
    near = difflib.get_close_matches(str(name), known, 1) or [
        each for each in known if each.lower() == str(name).lower()
    ]
    advice = f'; did you mean "{near[0]}"?' if near else ""
    causes.append(Cause(place, f"unknown field{advice}", "UnknownField"))
