"""What controllers count in a status: what must hold for the numbers whatever they count."""

from collections.abc import Iterable
from typing import Any

from api.errors import Cause
from control_plane.apiserver.validation import causes


def validate_counts(status: Any, names: Iterable[str]) -> list[Cause]:
    told = "must be greater than or equal to 0"
    values = ((name, getattr(status, name)) for name in names)
    return [causes.invalid(f"status.{name}", number, told) for name, number in values if number < 0]


def validate_collisions(new: Any, old: Any) -> list[Cause]:
    """A name that was taken once stays taken."""
    if new.collisionCount >= old.collisionCount:
        return []
    told = "cannot be decremented"
    return [causes.invalid("status.collisionCount", new.collisionCount, told)]


def validate_parts(status: Any, names: Iterable[str]) -> list[Cause]:
    """None can be more than there are, nor more available than are ready."""
    told = "cannot be greater than status.replicas"
    values = ((name, getattr(status, name)) for name in names)
    found = [
        causes.invalid(f"status.{name}", number, told)
        for name, number in values
        if number > status.replicas
    ]
    if status.availableReplicas > status.readyReplicas:
        place, told = "status.availableReplicas", "cannot be greater than readyReplicas"
        found.append(causes.invalid(place, status.availableReplicas, told))
    return found
