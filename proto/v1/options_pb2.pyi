from google.protobuf import descriptor_pb2 as _descriptor_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor
RULE_FIELD_NUMBER: _ClassVar[int]
rule: _descriptor.FieldDescriptor

class Rule(_message.Message):
    __slots__ = ("required", "immutable", "mergeKey", "mergeSet", "retainKeys", "quantity", "values", "min", "max", "format", "micro", "intOrString", "maxLength", "hidden")
    REQUIRED_FIELD_NUMBER: _ClassVar[int]
    IMMUTABLE_FIELD_NUMBER: _ClassVar[int]
    MERGEKEY_FIELD_NUMBER: _ClassVar[int]
    MERGESET_FIELD_NUMBER: _ClassVar[int]
    RETAINKEYS_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    MIN_FIELD_NUMBER: _ClassVar[int]
    MAX_FIELD_NUMBER: _ClassVar[int]
    FORMAT_FIELD_NUMBER: _ClassVar[int]
    MICRO_FIELD_NUMBER: _ClassVar[int]
    INTORSTRING_FIELD_NUMBER: _ClassVar[int]
    MAXLENGTH_FIELD_NUMBER: _ClassVar[int]
    HIDDEN_FIELD_NUMBER: _ClassVar[int]
    required: bool
    immutable: bool
    mergeKey: str
    mergeSet: bool
    retainKeys: bool
    quantity: bool
    values: _containers.RepeatedScalarFieldContainer[str]
    min: int
    max: int
    format: str
    micro: bool
    intOrString: bool
    maxLength: int
    hidden: bool
    def __init__(self, required: _Optional[bool] = ..., immutable: _Optional[bool] = ..., mergeKey: _Optional[str] = ..., mergeSet: _Optional[bool] = ..., retainKeys: _Optional[bool] = ..., quantity: _Optional[bool] = ..., values: _Optional[_Iterable[str]] = ..., min: _Optional[int] = ..., max: _Optional[int] = ..., format: _Optional[str] = ..., micro: _Optional[bool] = ..., intOrString: _Optional[bool] = ..., maxLength: _Optional[int] = ..., hidden: _Optional[bool] = ...) -> None: ...
