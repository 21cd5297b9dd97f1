"""What the cluster has a say in about a new object: what it adds, and whether there is a place for it.

It adds to pods how long they stay on a node that fails, and a priority. It demands that the namespace is there to
stay. That check is exact, not merely likely. It answers with the version of the namespace that it looked at, and the
transaction that writes the object demands that version: when the namespace begins to go in between, the write is
refused and everything is looked at again. So a namespace that is deleted can be emptied once, and is empty then.
"""

import random
from dataclasses import dataclass
from typing import Any

from api import kinds
from api.kinds import Kind
from api.names import SUFFIX_LENGTH, SUFFIX_LETTERS
from control_plane.apiserver import defaults, podaccount, refusals
from control_plane.apiserver.defaults import KUBERNETES, Tolerance
from control_plane.apiserver.unreadable import refusal
from control_plane.store.contract import Item, Store, Unreadable
from proto.v1.authentication_pb2 import ServiceAccount
from proto.v1.cluster_pb2 import Namespace
from proto.v1.pod_pb2 import Pod

NAMESPACES, ACCOUNTS = kinds.of(Namespace), kinds.of(ServiceAccount)
# Made at the first start; whoever could delete them would break the cluster.
SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


def amend(obj: Any, tolerance: Tolerance = KUBERNETES) -> None:
    """What every new object of its kind gets here, unless it says otherwise."""
    if isinstance(obj, Pod):
        defaults.default_tolerations(obj, tolerance)
        defaults.default_priority(obj)


def _letters() -> str:
    return "".join(random.choices(SUFFIX_LETTERS, k=SUFFIX_LENGTH))


Expected = dict[str, int]  # keys in the store, and the revisions that they must still have


@dataclass(frozen=True, slots=True)
class _Seen:
    revision: int
    terminating: bool


class Admission:
    """Remembers what it has read of each namespace, by its revision."""

    def __init__(
        self, store: Store, tolerance: Tolerance = KUBERNETES, *, mount_tokens: bool = False
    ) -> None:
        """`mount_tokens`: there is somebody who makes them (control_plane/pki/serviceaccounts.py)."""
        self._store, self._tolerance = store, tolerance
        self._mount_tokens = mount_tokens
        self._seen: dict[str, _Seen] = {}  # by key

    def amend(self, obj: Any) -> None:
        """See `amend`."""
        amend(obj, self._tolerance)

    async def create(self, kind: Kind, obj: Any) -> Expected:
        """What must still hold when the object is written. Raises NotFound, Forbidden."""
        if not kind.namespaced:
            return {}
        namespace = obj.metadata.namespace
        if isinstance(obj, Pod):
            await self._account(obj)
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

    async def _account(self, pod: Pod) -> None:
        """The pod gets what its ServiceAccount gives. Raises Forbidden: there is none.

        `default` may still be on its way into a new namespace; nobody waits for it, since nothing is in it yet.
        """
        podaccount.name_account(pod)
        namespace, name = pod.metadata.namespace, pod.spec.serviceAccountName
        item = await self._store.get(kinds.key(ACCOUNTS, namespace, name))
        if item is None and name != podaccount.DEFAULT:
            told = (
                f"error looking up service account {namespace}/{name}: "
                f'serviceaccount "{name}" not found'
            )
            raise refusals.forbidden(kinds.of(Pod), pod.metadata.name, told)
        account = ServiceAccount() if item is None else ServiceAccount.FromString(item.value)
        if self._mount_tokens:
            podaccount.complete(pod, account, _letters)

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
