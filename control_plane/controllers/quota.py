"""Counts what ResourceQuotas limit (S#26).

What is added, the API server charges in the same transaction in which the object is made. Nobody tells it what has
gone: a deletion, a pod that has ended. So this controller counts anew when something has become less, when a quota is
new or says something else, and now and then anyway.

It never writes a number that is too small. It reads the quota first and the objects after that, both from the server
and not from a cache, and writes on the condition that the quota is still the same. Whatever was charged before is
among the objects; whatever is charged meanwhile changes the quota, and the count is made again.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Any

from api import clock, controller, kinds, quotas
from api.client import Client, Selection
from api.errors import NotFound
from api.informer import Informers, by_namespace
from api.kinds import Kind
from api.podresources import written
from api.workqueue import WorkQueue
from control_plane.controllers import owners
from proto.v1.limits_pb2 import ResourceQuota

RESYNC = 300.0  # seconds: every quota is counted anew
COUNTED = tuple(kind for kind in kinds.KINDS if quotas.counted(kind))


def counted(quota: ResourceQuota, objects: list[Any]) -> ResourceQuota:
    """The quota with the status that it should have."""
    copy = ResourceQuota()
    copy.CopyFrom(quota)
    copy.ClearField("status")
    copy.status.hard.update(quota.spec.hard)
    copy.status.used.update(written(quotas.total(quota, objects, clock.now())))
    return copy


@dataclass
class Counter:
    client: Client
    informers: Informers
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self._quotas = self.informers.of(ResourceQuota)
        self._quotas.add_index(owners.NAMESPACE, by_namespace)
        self._objects = {kind: self.informers.of(kind.message) for kind in COUNTED}

    async def wait_synced(self) -> None:
        await self._quotas.wait_synced()

    def listen(self) -> None:
        self._quotas.add_handler(self._on_quota)
        for kind, informer in self._objects.items():
            informer.add_handler(partial(self._on_object, kind))

    def _on_quota(self, old: ResourceQuota | None, new: ResourceQuota | None) -> None:
        if new is not None and (old is None or old.spec != new.spec):
            self.queue.add(kinds.object_key(new))

    def _on_object(self, kind: Kind, old: Any, new: Any) -> None:
        """Only what has become less."""
        if old is None:
            return
        now = clock.now()
        for quota in self._quotas.by_index(owners.NAMESPACE, old.metadata.namespace):
            before = quotas.charged(quota, kind, old, now)
            after = quotas.charged(quota, kind, new, now) if new is not None else {}
            if before != after:
                self.queue.add(kinds.object_key(quota))

    async def reconcile(self, key: str) -> float | None:
        namespace, name = key.split("/")
        try:
            quota = await self.client.get(ResourceQuota, name, namespace)
        except NotFound:
            return None
        objects: list[Any] = []
        for kind in COUNTED:
            if quotas.about(quota, kind):
                listing = await self.client.list(kind.message, Selection(namespace=namespace))
                objects += listing.items
        after = counted(quota, objects)
        if after != quota:
            await self.client.update(after, subresource="status")
        return RESYNC


async def run(client: Client, informers: Informers) -> None:
    """Until cancelled."""
    counter = Counter(client, informers)
    await counter.wait_synced()
    counter.listen()
    await controller.run(counter.queue, counter.reconcile, name="resource-quota")
