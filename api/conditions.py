"""Conditions of objects: one of each type, and a time that moves only when the status does."""

from typing import Any


def find(conditions: Any, kind: str) -> Any | None:
    """The condition of that type, if it is there."""
    return next((each for each in conditions if each.type == kind), None)


def holds(conditions: Any, kind: str) -> bool:
    found = find(conditions, kind)
    return found is not None and found.status == "True"


def put(conditions: Any, wanted: Any) -> bool:
    """Make `wanted` the condition of its type; whether that changes anything.

    Its transition time is used only if the status is another than before.
    """
    known = find(conditions, wanted.type)
    if known is None:
        conditions.append(wanted)
        return True
    before = type(known)()
    before.CopyFrom(known)
    known.CopyFrom(wanted)
    if wanted.status == before.status and before.HasField("lastTransitionTime"):
        known.lastTransitionTime.CopyFrom(before.lastTransitionTime)
    return bool(known != before)
