"""Which kind of object a document is: by its `apiVersion` and `kind`, with a helpful answer when there is none."""

import difflib
from typing import Any

from api import kinds
from api.errors import Cause
from api.kinds import Kind


def message_for(value: Any) -> tuple[Kind | None, list[Cause]]:
    """The kind of a document, or why it has none."""
    if not isinstance(value, dict):
        return None, [_wrong("", "an object must be a mapping with apiVersion, kind and metadata")]
    causes = [
        _missing(name, "must be set")
        if value.get(name) is None
        else _wrong(name, "must be a string")
        for name in ("apiVersion", "kind")
        if not isinstance(value.get(name), str)
    ]
    if causes:
        return None, causes
    version, name = value["apiVersion"], value["kind"]
    kind = kinds.by_type(version, name)
    return (kind, []) if kind else (None, [_unknown(version, name)])


def _unknown(version: str, name: str) -> Cause:
    told = f'no kind "{name}" in version "{version}"'
    elsewhere = [kind.api_version for kind in kinds.KINDS if kind.name == name]
    if elsewhere:
        return Cause("apiVersion", f'{told}; did you mean apiVersion "{elsewhere[0]}"?')
    near = difflib.get_close_matches(name, [kind.name for kind in kinds.KINDS], 1)
    if not near:
        near = [kind.name for kind in kinds.KINDS if kind.name.lower() == name.lower()]
    advice = (
        f'; did you mean "{near[0]}"?'
        if near
        else f"; there are: {', '.join(kind.name for kind in kinds.KINDS)}"
    )
    return Cause("kind", told + advice)


def _wrong(field: str, told: str) -> Cause:
    return Cause(field, told, "FieldValueTypeInvalid")


def _missing(field: str, told: str) -> Cause:
    return Cause(field, f"Required value: {told}", "FieldValueRequired")
