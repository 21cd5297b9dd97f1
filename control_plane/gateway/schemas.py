"""The schema of every message, from its descriptor, its rules and its comments: OpenAPI v3. Pure.

What is Kubernetes' own in it: x-kubernetes-group-version-kind says which kind a schema is, the patch keys say how
lists are merged (kubectl computes its patches by them), int-or-string and date-time say how a value is written.
"""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from api import rules
from api.documentation import comments, describe
from api.kinds import Kind
from api.rules import ANY, STRUCT, TIMESTAMP, VALUE

Schema = dict[str, Any]
REF = "#/components/schemas/"
_SCALARS: dict[int, Schema] = {
    FieldDescriptor.CPPTYPE_STRING: {"type": "string"},
    FieldDescriptor.CPPTYPE_BOOL: {"type": "boolean"},
    FieldDescriptor.CPPTYPE_INT32: {"type": "integer", "format": "int32"},
    FieldDescriptor.CPPTYPE_UINT32: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_INT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_UINT64: {"type": "integer", "format": "int64"},
    FieldDescriptor.CPPTYPE_DOUBLE: {"type": "number", "format": "double"},
    FieldDescriptor.CPPTYPE_FLOAT: {"type": "number", "format": "float"},
}


def name_of(message: Descriptor) -> str:
    """Of a schema: dotted, the last word is the message's."""
    return f"dev.helmling.api.v1.{message.name}"


def reference(message: Descriptor) -> Schema:
    return {"$ref": REF + name_of(message)}


def gvk(kind: Kind) -> dict[str, str]:
    return {"group": kind.group, "version": kind.version, "kind": kind.name}


def schemas(kinds: Iterable[Kind]) -> dict[str, Schema]:
    """Of these kinds, their lists, and all that is in them."""
    found: dict[str, Schema] = {}
    for kind in kinds:
        _collect(kind.message.DESCRIPTOR, found)
        found[name_of(kind.message.DESCRIPTOR)]["x-kubernetes-group-version-kind"] = [gvk(kind)]
        if kind.stored:
            found[f"{name_of(kind.message.DESCRIPTOR)}List"] = _list_of(kind)
            found.setdefault("dev.helmling.api.v1.ListMeta", {"type": "object"})
    return dict(sorted(found.items()))


def _list_of(kind: Kind) -> Schema:
    items = {"type": "array", "items": reference(kind.message.DESCRIPTOR)}
    text = {"type": "string"}
    meta = {"$ref": f"{REF}dev.helmling.api.v1.ListMeta"}
    return {
        "description": f"Objects of the kind {kind.name}, and the version of the store that they show.",
        "type": "object",
        "required": ["items"],
        "properties": {"apiVersion": text, "kind": text, "metadata": meta, "items": items},
        "x-kubernetes-group-version-kind": [{**gvk(kind), "kind": f"{kind.name}List"}],
    }


def _collect(message: Descriptor, found: dict[str, Schema]) -> None:
    name = name_of(message)
    if name in found:
        return
    found[name] = {}  # it may contain itself
    for field in message.fields:
        inner = rules.map_value(field) if rules.is_map(field) else field
        if rules.is_object(inner) and inner.message_type is not None:
            _collect(inner.message_type, found)
    found[name] = _object(message)


def _object(message: Descriptor) -> Schema:
    schema: Schema = {"type": "object"}
    if about := comments().get(message.name, {}).get("", ""):
        schema["description"] = about
    required = [field.json_name for field in message.fields if rules.rule(field).required]
    if required:
        schema["required"] = sorted(required)
    fields = sorted(message.fields, key=lambda field: str(field.json_name))
    schema["properties"] = {field.json_name: _field(field) for field in fields}
    return schema


def _field(field: FieldDescriptor) -> Schema:
    about = {"description": told} if (told := describe(field)) else {}
    rule = rules.rule(field)
    if rules.is_map(field):
        value = {"type": "string"} if rule.quantity else _one(rules.map_value(field))
        return {**about, "type": "object", "additionalProperties": value}
    if rules.is_list(field):
        return {**about, "type": "array", "items": _one(field), **_merged(rule)}
    one = _one(field)
    if rule.retainKeys:
        one = {**one, "x-kubernetes-patch-strategy": "retainKeys"}
    if "$ref" in one:  # beside which nothing else may stand
        return {**about, "allOf": [{"$ref": one.pop("$ref")}], **one}
    return {**about, **one}


def _merged(rule: Any) -> Schema:
    """How a strategic patch changes a list."""
    strategy = "merge,retainKeys" if rule.retainKeys else "merge"
    if rule.mergeKey:
        keys = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [rule.mergeKey]}
        return {
            "x-kubernetes-patch-merge-key": rule.mergeKey,
            "x-kubernetes-patch-strategy": strategy,
            **keys,
        }
    if rule.mergeSet:
        return {"x-kubernetes-patch-strategy": "merge", "x-kubernetes-list-type": "set"}
    return {"x-kubernetes-list-type": "atomic"}


def _one(field: FieldDescriptor) -> Schema:
    """A single value of the field."""
    rule, message = rules.rule(field), field.message_type
    if rule.quantity:
        return {"oneOf": [{"type": "string"}, {"type": "number"}], "format": "quantity"}
    if message is None:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return {"type": "string", "format": "byte"}
        scalar = dict(_SCALARS[field.cpp_type])
        return {**scalar, "enum": list(rule.values)} if rule.values else scalar
    if message.full_name == TIMESTAMP:
        return {"type": "string", "format": "date-time"}
    if message.full_name == VALUE:
        return (
            {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"}
            if rule.intOrString
            else {}
        )
    if message.full_name in (STRUCT, ANY):
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return reference(message)
