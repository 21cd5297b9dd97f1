"""For any object: what is written reads as the same object. For any JSON: reading it never fails."""

from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.jsonform import from_json, message_for, to_json
from api.jsonform.always import ALWAYS
from api.kinds import KINDS
from api.rules import ANY, TIMESTAMP, VALUE, is_list, is_map, is_object, map_value, rule
from proto.v1.cluster_pb2 import Event, Lease, Namespace, Node
from proto.v1.pod_pb2 import Pod

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: TEXT,
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
}


@st.composite
def objects(draw: st.DrawFn, message_type: type[Any]) -> Any:
    message = message_type()
    fill(draw, message)
    return message


def fill(draw: st.DrawFn, message: Any, depth: int = 0) -> None:
    """Sets some fields. Empty objects that mean "not set" are left out: so they are read back."""
    for field in message.DESCRIPTOR.fields:
        if not draw(st.integers(0, 2)):
            set_field(draw, message, field, depth)


def set_field(draw: st.DrawFn, message: Any, field: FieldDescriptor, depth: int) -> None:
    value = getattr(message, field.name)
    if is_map(field):
        value.update(draw(st.dictionaries(TEXT, SCALARS[map_value(field).cpp_type], max_size=2)))
    elif is_object(field) and is_list(field):
        for _ in range(draw(st.integers(0, 2)) if depth < 6 else 0):
            fill(draw, value.add(), depth + 1)
    elif is_object(field):
        value.SetInParent()
        fill(draw, value, depth + 1)
        if not value.ListFields() and field.name in ALWAYS.get(message.DESCRIPTOR.name, {}):
            message.ClearField(field.name)
    elif field.message_type is not None:
        set_special(draw, message, field)
    elif is_list(field):
        value.extend(draw(st.lists(SCALARS[field.cpp_type], max_size=3)))
    else:
        setattr(message, field.name, draw(SCALARS[field.cpp_type]))


def set_special(draw: st.DrawFn, message: Any, field: FieldDescriptor) -> None:
    assert field.message_type is not None
    value = getattr(message, field.name)
    if field.message_type.full_name == TIMESTAMP:
        value.seconds = draw(st.integers(-(10**9), 10**10))
        if rule(field).micro:
            value.nanos = draw(st.integers(0, 999_999)) * 1000
    elif field.message_type.full_name == VALUE:
        if draw(st.booleans()):
            value.string_value = draw(TEXT)
        else:
            value.number_value = draw(SCALARS[FieldDescriptor.CPPTYPE_INT32])
    else:
        assert field.message_type.full_name == ANY


@pytest.mark.parametrize("message_type", [Pod, Node, Namespace, Event, Lease])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_is_written_reads_as_the_same_object(
    message_type: type[Message], data: st.DataObject
) -> None:
    message = data.draw(objects(message_type))
    again, causes = from_json(message_type, to_json(message))
    assert causes == []
    assert again == message
    assert to_json(again) == to_json(message)


NAMES = sorted({field.json_name for kind in KINDS for field in kind.message.DESCRIPTOR.fields})
KEYS = st.one_of(
    st.sampled_from(
        [*NAMES, "containers", "image", "labels", "name", "ports", "httpGet", "limits", "startedAt"]
    ),
    st.text(max_size=5),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=20,
)


@settings(deadline=None)
@given(document=ANYTHING, kind=st.sampled_from(KINDS))
def test_any_json_is_read_without_failing(document: Any, kind: Any) -> None:
    message, causes = from_json(kind.message, document)
    assert isinstance(message, kind.message)
    assert all(cause.message for cause in causes)
    message_for(document)


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """The JSON of a pod in which one value was exchanged for anything at all."""
    document = to_json(draw(objects(Pod)))
    at: Any = document
    while True:
        steps = list(at) if isinstance(at, dict) else list(range(len(at)))
        if not steps:
            return document
        step = draw(st.sampled_from(steps))
        if not isinstance(at[step], (dict, list)) or not at[step] or draw(st.booleans()):
            at[step] = draw(ANYTHING)
            return document
        at = at[step]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(document=damaged())
def test_a_damaged_pod_is_read_and_written_again(document: Any) -> None:
    pod, _ = from_json(Pod, document)
    assert from_json(Pod, to_json(pod))[1] == []
