"""What is to be said about a request besides its answer: warnings for the user, annotations for the audit log.

Whoever lets a request in opens the notes; whoever decides writes into them, however deep below; nobody has to pass
them on. Inside of the control plane, where nobody reads them, they lead nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field


@dataclass
class Notes:
    warnings: list[str] = field(default_factory=list)  # sentences for the user; the request goes on
    annotations: dict[str, str] = field(default_factory=dict)  # for the audit log


_NOTES: ContextVar[Notes | None] = ContextVar("notes", default=None)


@contextmanager
def taken() -> Iterator[Notes]:
    """The notes of everything that happens in this block."""
    notes = Notes()
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
