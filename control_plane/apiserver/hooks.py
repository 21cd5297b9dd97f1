"""Hooks that many kinds share: whose the status is, what of an object is judged when, what it is selected by.

`strategy` puts them together, so that the row of a kind says only what is particular about it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Generic, TypedDict, TypeVar, Unpack

from api import kinds
from api.errors import Cause
from api.kinds import Kind
from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.strategy import Cell, Column, Strategy, no_causes
from control_plane.apiserver.validation import meta, schema

M = TypeVar("M")  # the protobuf class of a kind: its hooks must be written for it


def drop_status(new: Any) -> None:
    """A new object has been seen by no controller yet, whatever its client says."""
    new.ClearField("status")


def keep_status(new: Any, old: Any) -> None:
    """An update of the object does not touch its status (S#12)."""
    new.ClearField("status")
    if old.HasField("status"):
        new.status.CopyFrom(old.status)


def keep_all_but_status(new: Any, old: Any) -> None:
    """A write through the subresource "status" touches nothing else; uid and version stay, as preconditions."""
    status, had_status = type(new.status)(), new.HasField("status")
    status.CopyFrom(new.status)
    keep_all(new, old)
    new.ClearField("status")
    if had_status:
        new.status.CopyFrom(status)


def keep_all(new: Any, old: Any) -> None:
    """Nothing changes; uid and version stay, as preconditions."""
    uid, version = new.metadata.uid, new.metadata.resourceVersion
    new.CopyFrom(old)
    new.metadata.uid, new.metadata.resourceVersion = uid or old.metadata.uid, version


def metadata_fields(obj: Any) -> dict[str, str]:
    meta = obj.metadata
    return {"metadata.name": meta.name, "metadata.namespace": meta.namespace}


def new_object(kind: Kind, own: Callable[[Any], Sequence[Cause]]) -> Callable[[Any], list[Cause]]:
    """Checks an object as a whole: rules of fields, metadata, and the rules of its kind."""

    def validate(obj: Any) -> list[Cause]:
        return [*schema.check(obj), *meta.validate_metadata(obj, kind), *own(obj)]

    return validate


def changed_object(
    kind: Kind,
    own: Callable[[Any], Sequence[Cause]],
    change: Callable[[Any, Any], Sequence[Cause]] = no_causes,
) -> Callable[[Any, Any], list[Cause]]:
    """Checks the new object as a whole, and the change."""
    validate = new_object(kind, own)

    def validate_update(new: Any, old: Any) -> list[Cause]:
        return [*meta.validate_metadata_update(new, old), *validate(new), *change(new, old)]

    return validate_update


def changed_status(
    change: Callable[[Any, Any], Sequence[Cause]],
) -> Callable[[Any, Any], list[Cause]]:
    def validate_status(new: Any, old: Any) -> list[Cause]:
        return [*schema.check(new.status, "status"), *change(new, old)]

    return validate_status


class Hooks(TypedDict, Generic[M], total=False):
    """The fields of a Strategy; what each is for is said there."""

    default: Callable[[M], None]
    prepare_create: Callable[[M], None]
    prepare_update: Callable[[M, M], None]
    prepare_status: Callable[[M, M], None]
    prepare_finalize: Callable[[M, M], None]
    prepare_approval: Callable[[M, M], None]
    validate: Callable[[M], Sequence[Cause]]
    validate_update: Callable[[M, M], Sequence[Cause]]
    validate_status: Callable[[M, M], Sequence[Cause]]
    validate_approval: Callable[[M, M], Sequence[Cause]]
    selectable: Callable[[M], dict[str, str]]
    grace: Callable[[M], int | None]
    columns: tuple[Column, ...]
    row: Callable[[M, datetime], Sequence[Cell]]


def strategy(
    message: type[M],
    own: Callable[[M], Sequence[Cause]] = no_causes,
    change: Callable[[M, M], Sequence[Cause]] = no_causes,
    *,
    status: Callable[[M, M], Sequence[Cause]] = no_causes,
    **particular: Unpack[Hooks[M]],
) -> Strategy:
    """The strategy of a kind: what is usual, and what is `particular` about it, which goes before what is usual.

    Usual for all: apiVersion and kind are filled in; a new and a changed object are judged as a whole by the rules of
    fields, by those of metadata and by its `own`, a `change` by its own rules besides; it is selected by its name and
    its namespace. Usual for kinds with the subresource "status", and for no others: a client's status is dropped at
    creation and kept from the old object in an update, and a write of the status, which touches nothing else, is
    judged by the rules for `status`. Raises ValueError: such rules for a kind without it.
    """
    kind = kinds.of(message)
    usual = Strategy(
        kind,
        default=default_type,
        validate=new_object(kind, own),
        validate_update=changed_object(kind, own, change),
        selectable=metadata_fields,
    )
    if kind.status:
        usual = replace(
            usual,
            prepare_create=drop_status,
            prepare_update=keep_status,
            prepare_status=keep_all_but_status,
            validate_status=changed_status(status),
        )
    elif status is not no_causes:
        raise ValueError(f'{kind.name} has no subresource "status", so no rules can hold for it')
    return replace(usual, **particular)
