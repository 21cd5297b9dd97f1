"""What is to be said about a request besides its answer: warnings for the user, annotations for the audit log.

Whoever lets a request in opens the notes; whoever decides writes into them, however deep below; nobody has to pass
them on. Inside of the control plane, where nobody reads them, they lead nowhere.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from api.rbac import Attributes

# Annotations of Kubernetes: whether it was allowed, and by what.
DECISION, REASON = "authorization.k8s.io/decision", "authorization.k8s.io/reason"


@dataclass
class Notes:
    warnings: list[str] = field(default_factory=list)  # sentences for the user; the request goes on
    annotations: dict[str, str] = field(default_factory=dict)  # for the audit log
    on_decided: "Callable[[Notes, Attributes], None] | None" = None


_NOTES: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def taken(on_decided: Callable[[Notes, Attributes], None] | None = None) -> Iterator[Notes]:
    """The notes of everything that happens in this block. `on_decided` is told what was asked, and that it may be."""
    notes = Notes(on_decided=on_decided)
    token = _NOTES.set(notes)
    try:
        yield notes
    finally:
        _NOTES.reset(token)


def warn(sentence: str) -> None:
    """Once, however often it is said."""
    notes = _NOTES.get()
    if notes is not None and sentence not in notes.warnings:
        notes.warnings.append(sentence)


def annotate(key: str, value: str) -> None:
    notes = _NOTES.get()
    if notes is not None:
        notes.annotations[key] = value


def decided(asked: Attributes, *, allowed: bool, why: str) -> None:
    """Told by the gate."""
    notes = _NOTES.get()
    if notes is None:
        return
    notes.annotations[DECISION] = "allow" if allowed else "forbid"
    notes.annotations[REASON] = why
    if notes.on_decided is not None:
        notes.on_decided(notes, asked)
