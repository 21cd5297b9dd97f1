"""The name server of one node, kept running: its address, its sockets, what it knows.

What it knows comes from two informers; until they have heard everything, it is what the last agent of this node knew.
While no server answers, what is known stays known: a name server that forgets its names when the control plane stops
would stop everything else.
"""

import asyncio
import logging
import random
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from api.informer import Informers
from node_agent.network.commands import NetworkFailure
from node_agent.network.dns import snapshot
from node_agent.network.dns.address import Address
from node_agent.network.dns.index import Index
from node_agent.network.dns.resolvconf import Followed
from node_agent.network.dns.resolver import Resolver
from node_agent.network.dns.server import listening
from node_agent.network.dns.upstream import Upstream
from node_agent.network.dns.zone import Domain, Zone
from proto.v1.network_pb2 import EndpointSlice, Service

log = logging.getLogger(__name__)

LOOK = 5.0  # seconds between looks at address and bridge
WAIT = 0.5  # seconds between looks for a bridge that is not there
SAVE = 10.0  # seconds between two writes of what is known, when it changes
LOOPBACK = "lo"


@dataclass(frozen=True)
class Place:
    """Whose name server it is."""

    cluster: str
    node: str
    address: str
    domain: str
    ranges: tuple[IPv4Network, ...]  # services' and pods' addresses
    folder: Path  # where it keeps what it knows
    resolv_conf: Path  # whom to ask about everybody else


class NameServer:
    """`informers` must be running, or begin to."""

    def __init__(self, place: Place, informers: Informers) -> None:
        self._place, self._informers = place, informers
        self._address = Address(place.address, cluster=place.cluster, node=place.node)
        self._domain = Domain(place.address, place.domain, place.ranges)
        servers = Followed(place.resolv_conf, ours=[place.address])
        self._ensuring = asyncio.Lock()
        self._ensured = 0  # the bridge that has the address
        self._resolver = Resolver(self._domain, Upstream(servers.servers))

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._learn())
            for device in (self._address.bridge, LOOPBACK):
                tasks.create_task(self._listen(device))

    # What is known

    async def _learn(self) -> None:
        remembered = await asyncio.to_thread(snapshot.load, self._place.folder)
        if remembered is not None:
            self._tell(remembered)
        index = Index()
        services = self._informers.of(Service)
        slices = self._informers.of(EndpointSlice)
        services.add_handler(index.service_changed)
        slices.add_handler(index.slice_changed)
        await services.wait_synced()
        await slices.wait_synced()
        self._tell(index)
        await self._remember(index)

    def _tell(self, index: Index) -> None:
        self._resolver.know(Zone(self._domain, index, random.shuffle))

    async def _remember(self, index: Index) -> None:
        saved = 0
        while True:
            try:
                if saved != index.serial:
                    saved = index.serial
                    known = index.services(), index.slices()
                    await asyncio.to_thread(snapshot.save, self._place.folder, *known)
                await asyncio.sleep(SAVE)
            except OSError as error:
                log.warning("names_not_kept because=%r", str(error))
                await asyncio.sleep(SAVE)

    # Where it is heard

    async def _listen(self, device: str) -> None:
        """Be there again whenever address or bridge have gone; say what is wrong once."""
        trouble = ""
        while True:
            try:
                await self._ensure()
                async with listening(self._resolver, self._place.address, device):
                    log.info("names_served address=%s device=%s", self._place.address, device)
                    trouble = ""
                    await self._until_moved()
            except (OSError, NetworkFailure) as error:
                if str(error) != trouble:
                    trouble = str(error)
                    log.warning("names_not_served device=%s because=%r", device, trouble)
                await asyncio.sleep(LOOK)

    async def _ensure(self) -> None:
        async with self._ensuring:
            while not (index := self._address.index()):  # noqa: ASYNC110 - links have no event that is worth its cost
                await asyncio.sleep(WAIT)
            if index != self._ensured or not self._address.is_there():
                await self._address.ensure()
                self._ensured = index

    async def _until_moved(self) -> None:
        index = self._address.index()
        while index and self._address.index() == index and self._address.is_there():  # noqa: ASYNC110 - as above
            await asyncio.sleep(LOOK)
