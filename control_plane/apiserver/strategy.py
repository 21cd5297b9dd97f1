"""What is particular about a kind, as seen by the generic verbs in registry.py.

The registry knows create, get, update, … once for all kinds. A kind's Strategy answers the questions that
differ: what are its defaults, what is forbidden, which of its fields may be selected by, what does a table of
it look like. The answers are pure functions; the table of all strategies is control_plane/apiserver/kinds.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.errors import Cause
from api.kinds import Kind


def nothing(obj: Any) -> None:
    """The default of a hook: leaves the object alone."""


def no_causes(*_: Any) -> Sequence[Cause]:
    return ()


@dataclass(frozen=True)
class Column:
    """One column of a table."""

    name: str  # "READY" is printed as the upper case of this
    type: str  # string, integer, date, …
    cell: Callable[[Any], str | int | float | bool | None]
    wide: bool = False  # only with `-o wide`
    description: str = ""


@dataclass(frozen=True)
class Strategy:
    kind: Kind
    # Fills in what the user left out. Changes the object. The result is what is stored (S#17).
    default: Callable[[Any], None] = nothing
    # Before a create: drops what a client has no say in (status, generation, …).
    prepare_create: Callable[[Any], None] = nothing
    # Before an update: (new, old); copies from old what a client has no say in.
    prepare_update: Callable[[Any, Any], None] = lambda new, old: None
    # All that is wrong with an object that is to be created (metadata is checked for all kinds alike, elsewhere).
    validate: Callable[[Any], Sequence[Cause]] = no_causes
    # All that is wrong with changing old into new: called with (new, old).
    validate_update: Callable[[Any, Any], Sequence[Cause]] = no_causes
    # The same for a write through the subresource "status".
    validate_status: Callable[[Any, Any], Sequence[Cause]] = no_causes
    # Values for field selectors, beyond metadata.name and metadata.namespace (S#11).
    selectable: Callable[[Any], dict[str, str]] = lambda obj: {}
    # Seconds of grace for a delete without a wish of its own; None: the object goes at once (if it has no finalizers).
    grace: Callable[[Any], int | None] = lambda obj: None
    columns: tuple[Column, ...] = field(default=())
