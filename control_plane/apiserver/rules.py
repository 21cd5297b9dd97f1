"""What the server remembers of each namespace: the namespace itself, its LimitRanges and its ResourceQuotas.

Nothing of this may be out of date when it counts, and nothing of it is read again for each request. Both is had with
one trick: the namespace's own version stands for all its rules. Whoever makes, changes or removes a LimitRange or a
quota writes the namespace, too, unchanged, in the same transaction; and whoever writes anything else into the
namespace demands the namespace's version that he has judged by. A quota's status changes all the time, so it is
demanded by its own version, and only by those that are charged to it.
"""

from dataclasses import dataclass, field
from functools import cached_property

from api import kinds
from control_plane.apiserver.policies.podsecurity import Policy, policy_of
from control_plane.apiserver.unreadable import opened
from control_plane.store.contract import Item, Store
from proto.v1.cluster_pb2 import Namespace
from proto.v1.limits_pb2 import LimitRange, ResourceQuota

NAMESPACES, QUOTAS, LIMITS = kinds.of(Namespace), kinds.of(ResourceQuota), kinds.of(LimitRange)


@dataclass
class Rules:
    """Of one namespace, as read from the store."""

    item: Item  # the namespace, as it is stored
    namespace: Namespace
    limits: list[LimitRange] = field(default_factory=list)
    quotas: dict[str, tuple[ResourceQuota, int]] = field(
        default_factory=dict
    )  # by key, with revisions

    @cached_property
    def security(self) -> Policy:
        """What pods may do to their nodes."""
        return policy_of(self.namespace.metadata.labels)

    @property
    def terminating(self) -> bool:
        return self.namespace.metadata.HasField("deletionTimestamp")


def key_of(namespace: str) -> str:
    return kinds.key(NAMESPACES, "", namespace)


def namespace_of(key: str) -> str:
    """Of a namespace's own key, or of that of something in it."""
    if key.startswith(NAMESPACES.prefix):
        return key.removeprefix(NAMESPACES.prefix)
    return key.rsplit("/", 2)[1]


async def read(store: Store, namespace: str) -> Rules | None:
    """None: there is no such namespace. It is read first: what changes after that, its version tells.

    Raises Internal: no key opens one of them.
    """
    item = await store.get(key_of(namespace))
    if item is None:
        return None
    limits = await store.list(f"{LIMITS.prefix}{namespace}/")
    quotas = await store.list(f"{QUOTAS.prefix}{namespace}/")
    return Rules(
        item,
        Namespace.FromString(opened(item)),
        [LimitRange.FromString(opened(each)) for each in limits.items],
        {q.key: (ResourceQuota.FromString(opened(q)), q.revision) for q in quotas.items},
    )
