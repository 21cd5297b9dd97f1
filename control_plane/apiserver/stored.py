"""One version of one object, as the server handles it: bytes, a revision, and what can be asked about them."""

from typing import Any

from control_plane.apiserver import unreadable, wire
from control_plane.apiserver.strategy import Strategy
from control_plane.store.contract import Unreadable


class Stored:
    """Immutable. Labels and selectable fields are read from the bytes when first asked for, and kept."""

    __slots__ = ("_fields", "_labels", "key", "lost", "revision", "strategy", "value")

    def __init__(self, strategy: Strategy, key: str, value: bytes, revision: int) -> None:
        self.lost = ""  # why nobody can read it; `value` is a stand-in then
        if isinstance(value, Unreadable):
            self.lost = value.why
            value = unreadable.stand_in(strategy.kind, key, value)
        self.strategy = strategy
        self.key = key  # in the store: "/registry/pods/default/web"
        self.value = value  # the serialised object, without its resourceVersion
        self.revision = revision  # 0: it was not stored (a dry run)
        self._labels: dict[str, str] | None = None
        self._fields: dict[str, str] | None = None

    def envelope(self) -> bytes:
        """A serialised google.protobuf.Any."""
        return wire.envelope(self.strategy.kind.type_url, self.value, self.revision)

    def decode(self) -> Any:
        """A message of its own for whoever asks."""
        obj = self.strategy.kind.message.FromString(self.value)
        if self.revision:
            obj.metadata.resourceVersion = str(self.revision)
        return obj

    def at(self, revision: int) -> "Stored":
        """The same content under another version: how a deletion shows what was deleted."""
        return Stored(self.strategy, self.key, self.value, revision)

    @property
    def labels(self) -> dict[str, str]:
        if self._labels is None:
            self._look()
        return self._labels or {}

    @property
    def fields(self) -> dict[str, str]:
        """What field selectors may ask for."""
        if self._fields is None:
            self._look()
        return self._fields or {}

    def _look(self) -> None:
        obj = self.strategy.kind.message.FromString(self.value)
        self._labels = dict(obj.metadata.labels)
        self._fields = self.strategy.selectable(obj)
