"""The node's lease: renewed every ten seconds (`--lease-period`), it says that the node lives.

One small object, so that a thousand nodes can say so cheaply. Agents that share a process share this loop too: each
node has its second of the period, and those of one second go out in one call.
https://kubernetes.io/docs/concepts/architecture/leases/#node-heart-beats
"""

import asyncio
import logging
import math
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from api import clock
from api.client import Client, Write
from api.errors import ApiError, Conflict, NotFound
from proto.v1.cluster_pb2 import Lease, Node
from proto.v1.meta_pb2 import OwnerReference

log = logging.getLogger(__name__)

NAMESPACE = "kube-node-lease"
PERIOD = 10.0  # seconds between two renewals
LIVES = 4  # periods, before whoever reads the lease may give up its holder
AGAIN = 1.0  # seconds, at most, until a renewal that failed is tried again


class Heartbeats:
    """Renews the leases of the nodes in `nodes`: name → the Node object as it is now."""

    def __init__(
        self, client: Client, nodes: Mapping[str, Callable[[], Node]], *, period: float = PERIOD
    ) -> None:
        self._client, self._nodes = client, nodes
        self._period = period  # seconds
        self._leases: dict[str, Lease] = {}  # as the server last had them
        self._slots = 1 if len(nodes) == 1 else max(1, round(period))

    async def run(self) -> None:
        """Until cancelled; a renewal that fails is tried again a second later."""
        loop = asyncio.get_running_loop()
        slot, due, failed = 0, loop.time(), set[str]()
        while True:
            mine = {name for name in self._nodes if self._slot(name) == slot} | failed
            failed = await self._renew(sorted(mine)) if mine else set()
            slot = (slot + 1) % self._slots
            due = max(due + self._period / self._slots, loop.time())
            if failed and self._slots == 1:
                await asyncio.sleep(min(AGAIN, self._period))
                due, slot = loop.time(), 0
            else:
                await asyncio.sleep(due - loop.time())

    def _slot(self, name: str) -> int:
        return zlib.crc32(name.encode()) % self._slots

    async def _renew(self, names: list[str]) -> set[str]:
        """The names that it did not work for."""
        writes = [self._write(name) for name in names]
        try:
            outcomes = await self._client.batch(writes)
        except ApiError as error:
            log.info("leases_not_renewed nodes=%d error=%r", len(names), error.message)
            return set(names)
        failed = set()
        for name, outcome in zip(names, outcomes, strict=True):
            if isinstance(outcome, ApiError):
                await self._recover(name, outcome)
                failed.add(name)
            else:
                self._leases[name] = outcome
        return failed

    def _write(self, name: str) -> Write[Any]:
        known = self._leases.get(name)
        lease = Lease()
        lease.CopyFrom(known or _new_lease(name))
        node = self._nodes[name]()
        if node.metadata.uid:
            owner = OwnerReference(apiVersion="v1", kind="Node", name=name, uid=node.metadata.uid)
            del lease.metadata.ownerReferences[:]
            lease.metadata.ownerReferences.append(owner)
        lease.spec.leaseDurationSeconds = math.ceil(LIVES * self._period)
        lease.spec.renewTime.CopyFrom(clock.micro_timestamp())
        return Write("update" if known else "create", lease)

    async def _recover(self, name: str, error: ApiError) -> None:
        """Somebody else wrote or removed it, or it was there before we were."""
        log.info("lease_not_renewed node=%s error=%r", name, error.message)
        self._leases.pop(name, None)
        if isinstance(error, NotFound):
            return
        try:
            self._leases[name] = await self._client.get(Lease, name, NAMESPACE)
        except (NotFound, Conflict):
            return
        except ApiError as again:
            log.info("lease_not_read node=%s error=%r", name, again.message)


def _new_lease(name: str) -> Lease:
    lease = Lease(apiVersion="coordination.k8s.io/v1", kind="Lease")
    lease.metadata.name, lease.metadata.namespace = name, NAMESPACE
    lease.spec.holderIdentity = name
    return lease
