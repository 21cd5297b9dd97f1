"""What the cluster has a say in about a new object: what it adds, and whether there is a place for it.

It adds to pods how long they stay on a node that fails, and a priority. It demands that the namespace is there to
stay. That check is exact, not merely likely. It answers with the version of the namespace that it looked at, and the
transaction that writes the object demands that version: when the namespace begins to go in between, the write is
refused and everything is looked at again. So a namespace that is deleted can be emptied once, and is empty then.
"""

from dataclasses import dataclass
from typing import Any

from api import kinds
from api.kinds import Kind
from control_plane.apiserver import defaults, refusals
from control_plane.apiserver.defaults import KUBERNETES, Tolerance
from control_plane.apiserver.unreadable import refusal
from control_plane.store.contract import Item, Store, Unreadable
from proto.v1.cluster_pb2 import Namespace
from proto.v1.pod_pb2 import Pod

NAMESPACES = kinds.of(Namespace)
# Made at the first start; whoever could delete them would break the cluster.
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def amend(obj: Any, tolerance: Tolerance = KUBERNETES) -> None:
    """What every new object of its kind gets here, unless it says otherwise."""
    if isinstance(obj, Pod):
        defaults.default_tolerations(obj, tolerance)
        defaults.default_priority(obj)


Expected = dict[str, int]  # keys in the store, and the revisions that they must still have


@dataclass(frozen=True, slots=True)
class _Seen:
    revision: int
    terminating: bool


class Admission:
    """Remembers what it has read of each namespace, by its revision."""

    def __init__(self, store: Store, tolerance: Tolerance = KUBERNETES) -> None:
        self._store, self._tolerance = store, tolerance
        self._seen: dict[str, _Seen] = {}  # by key

    def amend(self, obj: Any) -> None:
        """See `amend`."""
        amend(obj, self._tolerance)

    async def create(self, kind: Kind, obj: Any) -> Expected:
        """What must still hold when the object is written. Raises NotFound, Forbidden."""
        if not kind.namespaced:
            return {}
        namespace = obj.metadata.namespace
        key = kinds.key(NAMESPACES, "", namespace)
        seen = self._seen.get(key) or await self._look(key)
        if seen is None or seen.terminating:  # it may be back, under the same name
            seen = await self._look(key)
        if seen is None:
            raise refusals.not_found(NAMESPACES, namespace)
        if seen.terminating:
            name = obj.metadata.name or obj.metadata.generateName
            raise refusals.namespace_terminating(kind, name, namespace)
        return {key: seen.revision}

    async def _look(self, key: str) -> _Seen | None:
        return self.learn(key, await self._store.get(key))

    def learn(self, key: str, item: Item | None) -> _Seen | None:
        """What the store holds under a namespace's key, told by a refused transaction or a read."""
        if item is None:
            self._seen.pop(key, None)
            return None
        if isinstance(item.value, Unreadable):
            raise refusal(item.value.why)
        namespace = Namespace.FromString(item.value)
        seen = _Seen(item.revision, namespace.metadata.HasField("deletionTimestamp"))
        self._seen[key] = seen
        return seen
