"""The service proxy of one node: from the objects to the kernel, and who must know that it is there.

A thin loop. Changes of Services and EndpointSlices mark a service as dirty; everything that is dirty is looked at again
and goes to the kernel as one transaction. While the server is away nothing changes, and the kernel leads on.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence

from api import kinds
from api.informer import Informer
from node_agent.network.proxy.chains import base
from node_agent.network.proxy.conntrack import Flow
from node_agent.network.proxy.contents import Share, share
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.model import Frontend, Place
from node_agent.network.proxy.nft import NftRefused
from node_agent.network.proxy.services import SERVICE_NAME, frontends
from node_agent.network.proxy.stale import stale
from node_agent.network.proxy.table import Table, merged
from proto.v1.network_pb2 import EndpointSlice, Service

log = logging.getLogger(__name__)

PRODUCER = "services"
BREATH = (
    0.02  # seconds between two changes of the kernel; the first after a quiet moment goes at once
)
PAUSE = 2.0  # seconds after the kernel refused

Forget = Callable[[Callable[[Flow], bool]], int]


class ServiceProxy:
    """Owner of the services' part of the table. State: `_frontends` and `_shares` belong together, by service."""

    def __init__(
        self,
        services: Informer[Service],
        slices: Informer[EndpointSlice],
        place: Place,
        keeper: TableKeeper,
        forget: Forget,
    ) -> None:
        self._services, self._slices = services, slices
        self._place, self._keeper, self._forget = place, keeper, forget
        self._base = base(place)
        self._frontends: dict[str, list[Frontend]] = {}
        self._shares: dict[str, Share] = {}
        self._dirty: set[str] = set()  # keys of services
        self._wake = asyncio.Event()
        self._busy = False  # with a round
        self.current = Current()

    async def run(self) -> None:
        """Until cancelled; what the kernel was told stays."""
        self._slices.add_index("service", services_of)
        self._services.add_handler(self._service_changed)
        self._slices.add_handler(self._slice_changed)
        await self._services.wait_synced()
        await self._slices.wait_synced()
        self._wake.set()  # also when there are none
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._busy = True
            await self._round()
            self._busy = False
            await asyncio.sleep(BREATH)

    @property
    def idle(self) -> bool:
        """Everything that was heard of is in the kernel."""
        return not self._wake.is_set() and not self._busy

    def _service_changed(self, old: Service | None, new: Service | None) -> None:
        self._mark(kinds.object_key(one) for one in (old, new) if one is not None)

    def _slice_changed(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        self._mark(key for one in (old, new) if one is not None for key in services_of(one))

    def _mark(self, keys: Iterable[str]) -> None:
        self._dirty.update(keys)
        self._wake.set()

    async def _round(self) -> None:
        """Everything that is dirty, as one change."""
        version, keys = self._slices.version, self._dirty
        self._dirty = set()
        before = {key: self._frontends.get(key, []) for key in keys}
        for key in keys:
            self._look(key)
        try:
            await self._keeper.put(PRODUCER, self._contents())
        except NftRefused as error:
            log.warning("services_not_applied services=%d error=%r", len(keys), str(error))
            self._mark(keys)
            await asyncio.sleep(PAUSE)
            return
        await self._clear_up(before)
        self.current.reached(int(version or 0))

    def _look(self, key: str) -> None:
        service = self._services.objects.get(key)
        if service is None:
            self._frontends.pop(key, None)
            self._shares.pop(key, None)
            return
        found = frontends(service, self._slices.by_index("service", key), self._place.node)
        self._frontends[key] = found
        self._shares[key] = share(found, self._place, self._shares.get(key))

    def _contents(self) -> Table:
        """In the order of the keys, so that of two services that want the same it is always the same that has it."""
        shares = (self._shares[key].table for key in sorted(self._shares))
        return merged((self._base, *shares))

    async def _clear_up(self, before: Mapping[str, list[Frontend]]) -> None:
        """Let the kernel forget what leads to backends that are gone."""
        after = [one for key in before for one in self._frontends.get(key, [])]
        is_stale = stale([one for lot in before.values() for one in lot], after)
        if is_stale is None:
            return
        try:
            done = await asyncio.to_thread(self._forget, is_stale)
        except OSError as error:
            log.warning("connections_not_forgotten error=%r", str(error))
            return
        if done:
            log.info("connections_forgotten protocol=udp number=%d", done)


def services_of(one: EndpointSlice) -> tuple[str, ...]:
    """An index function: the key of the service that the slice is of."""
    name = one.metadata.labels.get(SERVICE_NAME)
    return (f"{one.metadata.namespace}/{name}",) if name else ()


class Current:
    """Up to which version of the EndpointSlices the kernel's rules are current; 0: not known yet."""

    def __init__(self) -> None:
        self.version = 0
        self._changed = asyncio.Event()

    def reached(self, version: int) -> None:
        if version != self.version:
            self.version = version
            self._changed.set()
            self._changed = asyncio.Event()

    async def changed(self) -> None:
        """Until it is another version."""
        await self._changed.wait()

    async def known(self) -> None:
        while not self.version:
            await self.changed()


class Slowest(Current):
    """Up to which version all of them are current."""

    def __init__(self, parts: Sequence[Current]) -> None:
        super().__init__()
        self._parts = parts

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for part in self._parts:
                tasks.create_task(self._follow(part))

    async def _follow(self, part: Current) -> None:
        while True:
            self.reached(min(each.version for each in self._parts))
            await part.changed()
