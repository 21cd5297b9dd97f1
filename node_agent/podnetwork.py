"""The pod network as the agent uses it: really wired, or, on hollow nodes, only counted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from node_agent.network.commands import NetworkFailure
from node_agent.network.interface import Network
from node_agent.network.ipam import AddressesExhausted, AddressPool
from node_agent.network.rules import HostPort
from node_agent.runtime.errors import RuntimeFailure

log = logging.getLogger(__name__)

CHECK = 30.0  # seconds between looks at bridge and rules: somebody may have flushed them
PAUSE = 2.0  # seconds after the bridge could not be made


class NetworkUnavailable(RuntimeFailure):
    """The pod cannot be connected now; the message says why."""

    reason = "NetworkUnavailable"


class ImaginedNetwork:
    """Implements `seams.PodNetwork` for hollow nodes: gives out addresses and wires nothing."""

    def __init__(self, pod_cidr: str) -> None:
        self.pool = AddressPool(pod_cidr)

    def adopt(self, addresses: Mapping[str, str], ports: Iterable[HostPort]) -> None:
        for problem in self.pool.adopt(addresses.items()):
            log.warning("address_not_adopted because=%r", problem)

    def reserve(self, pod_uid: str) -> str:
        try:
            return self.pool.allocate(pod_uid)
        except AddressesExhausted as error:
            raise NetworkUnavailable(str(error)) from error

    async def attach(
        self, pod_uid: str, netns: Callable[[], Awaitable[str]], ports: Iterable[HostPort]
    ) -> None:
        """Nothing to wire."""

    async def run(self) -> None:
        """Nothing to keep."""

    async def detach(self, pod_uid: str) -> None:
        self.pool.release(pod_uid)


class WiredNetwork(ImaginedNetwork):
    """Implements `seams.PodNetwork` over a bridge of this machine. `run` must be running."""

    def __init__(self, network: Network, pod_cidr: str) -> None:
        super().__init__(pod_cidr)
        self._ports: set[HostPort] = set()  # those that lead to pods
        self._network = network
        self._there = asyncio.Event()  # the bridge
        self._adopted = asyncio.Event()  # we know which pods are here

    def adopt(self, addresses: Mapping[str, str], ports: Iterable[HostPort]) -> None:
        super().adopt(addresses, ports)
        self._ports.update(ports)
        self._adopted.set()

    async def attach(
        self, pod_uid: str, netns: Callable[[], Awaitable[str]], ports: Iterable[HostPort]
    ) -> None:
        await self._there.wait()
        try:
            await self._network.attach(await netns(), pod_uid, self.reserve(pod_uid))
            await self._publish(self._ports | set(ports))
        except NetworkFailure as error:
            raise NetworkUnavailable(str(error)) from error

    async def detach(self, pod_uid: str) -> None:
        address = self.pool.owned().get(pod_uid, "")
        try:
            await self._network.detach(pod_uid)
            await self._publish({port for port in self._ports if port.pod_address != address})
        except NetworkFailure as error:
            raise NetworkUnavailable(str(error)) from error
        await super().detach(pod_uid)

    async def _publish(self, ports: set[HostPort]) -> None:
        if ports != self._ports:
            self._ports = ports
            await self._network.set_host_ports(ports)

    async def run(self) -> None:
        """Keep the bridge and its rules there until cancelled; they stay when we go."""
        swept = False
        while True:
            try:
                for deed in await self._network.ensure():
                    log.info("network_mended did=%r", deed)
                self._there.set()
                if self._adopted.is_set() and not swept:
                    await self._network.set_host_ports(self._ports)
                    await self._network.garbage_collect(self.pool.owned())
                    swept = True
            except NetworkFailure as error:
                log.warning("network_not_made error=%r", str(error))
                await asyncio.sleep(PAUSE)
                continue
            await asyncio.sleep(CHECK)

    async def remove(self) -> None:
        """Take down bridge, links and rules. Raises RuntimeFailure."""
        try:
            await self._network.down()
        except NetworkFailure as error:
            raise NetworkUnavailable(str(error)) from error
