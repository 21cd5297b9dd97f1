"""What is particular about a kind, as seen by the generic verbs in registry.py.

The registry knows create, get, update, … once for all kinds. A kind's Strategy answers the questions that
differ: what are its defaults, what is forbidden, which of its fields may be selected by, what does a table of
it look like. The answers are pure functions; the table of all strategies is control_plane/apiserver/kinds.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api.errors import Cause
from api.kinds import Kind


def nothing(obj: Any) -> None:
    """The default of a hook: leaves the object alone."""


def no_causes(*_: Any) -> Sequence[Cause]:
    return ()


Cell = str | int | float | bool | None


@dataclass(frozen=True)
class Column:
    """One column of a table. Its cells come from the strategy's `row`."""

    name: str  # "Ready": programs print it in upper case
    type: str = "string"  # string, integer, date, …
    format: str = ""  # "name" marks the column that identifies the row
    wide: bool = False  # only with `-o wide`
    description: str = ""


@dataclass(frozen=True)
class Strategy:
    kind: Kind
    # Fills in what the user left out. Changes the object. The result is what is stored (S#17).
    default: Callable[[Any], None] = nothing
    # Before a create: drops what a client has no say in (status, generation, …).
    prepare_create: Callable[[Any], None] = nothing
    # Before an update of the object itself: (new, old); copies from old what a client has no say in (the status, …).
    prepare_update: Callable[[Any, Any], None] = lambda new, old: None
    # Before a write through the subresource "status": (new, old); copies all but the status from old.
    prepare_status: Callable[[Any, Any], None] = lambda new, old: None
    # The same for the subresource "finalize", of kinds that have it: copies all but the spec's finalizers.
    prepare_finalize: Callable[[Any, Any], None] | None = None
    # The same for the subresource "approval", of kinds that have it: who may decide decides, and touches nothing else.
    prepare_approval: Callable[[Any, Any], None] | None = None
    # All that is wrong with an object that is to be created, metadata included.
    validate: Callable[[Any], Sequence[Cause]] = no_causes
    # All that is wrong with changing old into new: called with (new, old).
    validate_update: Callable[[Any, Any], Sequence[Cause]] = no_causes
    # The same for a write through the subresource "status".
    validate_status: Callable[[Any, Any], Sequence[Cause]] = no_causes
    # The same for a write through the subresource "approval".
    validate_approval: Callable[[Any, Any], Sequence[Cause]] = no_causes
    # Values for field selectors, metadata.name and metadata.namespace included (S#11). Always the same keys.
    selectable: Callable[[Any], dict[str, str]] = lambda obj: {}
    # Seconds of grace for a delete without a wish of its own. None: there is nothing to wait for, so the object goes at
    # once, whatever grace was asked for (if it has no finalizers).
    grace: Callable[[Any], int | None] = lambda obj: None
    # A table of it: the columns, and what stands in them at a moment (ages count up to it).
    columns: tuple[Column, ...] = ()
    row: Callable[[Any, datetime], Sequence[Cell]] = lambda obj, now: ()

    def fields(self) -> frozenset[str]:
        """The names that field selectors may use."""
        return frozenset(self.selectable(self.kind.message()))
