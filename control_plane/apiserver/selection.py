"""Which objects of a kind a list or a watch is about: a namespace, labels, fields, compiled once (S#11)."""

from dataclasses import dataclass

from api import selectors
from api.kinds import key
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Chosen:
    """Two requests that choose the same are equal, and get the same bytes."""

    prefix: str  # of keys in the store
    labels: selectors.LabelSelector
    fields: selectors.FieldSelector

    @property
    def everything(self) -> bool:
        """Nothing below the prefix is left out."""
        return self.labels.everything and self.fields.everything

    @property
    def one(self) -> bool:
        """Somebody means one object, by its name."""
        return self.fields.exact("metadata.name") is not None

    @property
    def trigger(self) -> tuple[str, str] | None:
        """A field that must have a certain value: only events about that value concern this watcher."""
        for name in ("spec.nodeName", "metadata.name", "involvedObject.uid"):
            value = self.fields.exact(name)
            if value is not None:
                return name, value
        return None

    def takes(self, stored: Stored) -> bool:
        return (
            stored.key.startswith(self.prefix)
            and (self.labels.everything or self.labels.matches(stored.labels))
            and (self.fields.everything or self.fields.matches(stored.fields))
        )


def choose(strategy: Strategy, namespace: str, labels: str, fields: str) -> Chosen:
    """Raises BadRequest: a selector that cannot be read, or a field that this kind cannot be selected by."""
    kind = strategy.kind
    prefix = key(kind, namespace, "") if namespace and kind.namespaced else kind.prefix
    return Chosen(
        prefix, selectors.labels(labels), selectors.fields(fields, supported=strategy.fields())
    )
