"""What a field is, beyond its type: the options of proto/v1/options.proto, read once from the descriptors."""

from functools import cache
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from proto.v1 import options_pb2

TIMESTAMP = "google.protobuf.Timestamp"
VALUE = "google.protobuf.Value"
STRUCT = "google.protobuf.Struct"
ANY = "google.protobuf.Any"


def fields_of(message_type: type[Message]) -> Descriptor:
    """The descriptor of a protobuf class (its stubs leave open which of two classes that is)."""
    return cast(Descriptor, message_type.DESCRIPTOR)


@cache
def rule(field: FieldDescriptor) -> options_pb2.Rule:
    """The field's (rule) option; an empty one if it has none. Not to be changed."""
    extensions: Any = field.GetOptions().Extensions
    found: options_pb2.Rule = extensions[options_pb2.rule]
    return found


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def map_value(field: FieldDescriptor) -> FieldDescriptor:
    """The values of a map field."""
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


def is_list(field: FieldDescriptor) -> bool:
    return field.is_repeated and not is_map(field)


def is_object(field: FieldDescriptor) -> bool:
    """Whether its value (or each element) is a message of our own and no timestamp, plain value or map."""
    inner = field.message_type
    return (
        inner is not None
        and not is_map(field)
        and inner.full_name not in (TIMESTAMP, VALUE, STRUCT, ANY)
    )


@cache
def by_json_name(message: Descriptor) -> dict[str, FieldDescriptor]:
    return {field.json_name: field for field in message.fields}
