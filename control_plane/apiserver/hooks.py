"""Hooks that many kinds share: whose the status is, what of an object is judged when, what it is selected by."""

from collections.abc import Callable, Sequence
from typing import Any

from api.errors import Cause
from api.kinds import Kind
from control_plane.apiserver.strategy import no_causes
from control_plane.apiserver.validation import meta, schema


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
