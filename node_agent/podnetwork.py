"""The pod network as the agent uses it: really wired, or, on hollow nodes, only counted."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping

from api.podranges import PodRange
from node_agent.network.commands import NetworkFailure
from node_agent.network.interface import Network
from node_agent.network.ipam import AddressesExhausted, AddressPool
from node_agent.network.kernelnews import About, listening, news
from node_agent.network.rules import HostPort
from node_agent.podrange import RangeKeeper
from node_agent.runtime.errors import RuntimeFailure

log = logging.getLogger(__name__)

CHECK = 30.0  # seconds between looks that nobody asked for
SETTLE = 1.0  # seconds: a change seldom comes alone, and most are not about us
PAUSE = 2.0  # seconds after the bridge could not be made
NO_RANGE = "the cluster has given this node no addresses for pods yet (helmling describe node)"


class NetworkUnavailable(RuntimeFailure):
    """The pod cannot be connected now; the message says why."""

    reason = "NetworkUnavailable"


class ImaginedNetwork:
    """Implements `seams.PodNetwork` for hollow nodes: gives out addresses and wires nothing."""

    trouble = ""

    def __init__(self, pod_cidr: str) -> None:
        self.pool = AddressPool(pod_cidr)

    def adopt(self, addresses: Mapping[str, str], ports: Iterable[HostPort]) -> None:
        _adopt(self.pool, addresses)

    def reserve(self, pod_uid: str) -> str:
        return _reserve(self.pool, pod_uid)

    async def attach(
        self, pod_uid: str, netns: Callable[[], Awaitable[str]], ports: Iterable[HostPort]
    ) -> None:
        """Nothing to wire."""

    async def run(self) -> None:
        """Nothing to keep."""

    async def detach(self, pod_uid: str) -> None:
        self.pool.release(pod_uid)


def _adopt(pool: AddressPool, addresses: Mapping[str, str]) -> None:
    for problem in pool.adopt(addresses.items()):
        log.warning("address_not_adopted because=%r", problem)


def _reserve(pool: AddressPool, pod_uid: str) -> str:
    try:
        return pool.allocate(pod_uid)
    except AddressesExhausted as error:
        raise NetworkUnavailable(str(error)) from error


class WiredNetwork:
    """Implements `seams.PodNetwork` over a bridge of this machine. `run` must be running.

    Begins when the node's range is known. When the node is given another one, as happens to a machine whose Node was
    deleted, it moves as soon as no pod is there: pods that run keep their addresses as long as they live.
    """

    def __init__(self, make: Callable[[PodRange], Network], ranges: RangeKeeper) -> None:
        self._make, self._ranges = make, ranges
        self._network: Network | None = None  # None: the range is not known yet
        self._pool: AddressPool | None = None  # the same
        self._range: PodRange | None = None  # that both are for
        self._ports: set[HostPort] = set()  # those that lead to pods
        self._found: dict[str, str] = {}  # addresses by pod uid, told before the range was known
        self._there = asyncio.Event()  # the bridge
        self._adopted = asyncio.Event()  # we know which pods are here
        self._swept = False  # links of pods that are no more are gone
        self._look = asyncio.Event()  # do not wait for the next time
        ranges.on_change(self._on_range)
        self._on_range()

    @property
    def trouble(self) -> str:
        """Why no pod can be connected; "": they can."""
        return "" if self._ranges.current is not None else NO_RANGE

    def _on_range(self) -> None:
        given = self._ranges.current
        if self._network is None and given is not None:
            self._use(given)
        self._look.set()

    def _use(self, given: PodRange) -> Network:
        self._range, self._pool = given, AddressPool(given.pods)
        self._network = self._make(given)
        _adopt(self._pool, self._found)
        self._found = {}
        return self._network

    def adopt(self, addresses: Mapping[str, str], ports: Iterable[HostPort]) -> None:
        if self._pool is None:
            self._found.update(addresses)
        else:
            _adopt(self._pool, addresses)
        self._ports.update(ports)
        self._adopted.set()

    def reserve(self, pod_uid: str) -> str:
        if self._pool is None:
            raise NetworkUnavailable(NO_RANGE)
        return _reserve(self._pool, pod_uid)

    async def attach(
        self, pod_uid: str, netns: Callable[[], Awaitable[str]], ports: Iterable[HostPort]
    ) -> None:
        address = self.reserve(pod_uid)
        await self._there.wait()
        assert self._network is not None
        try:
            await self._network.attach(await netns(), pod_uid, address)
            await self._publish(self._network, self._ports | set(ports))
        except NetworkFailure as error:
            raise NetworkUnavailable(str(error)) from error

    async def is_attached(self, pod_uid: str) -> bool:
        """Whether the pod has its cable, perhaps from an agent before us."""
        try:
            return self._network is not None and bool(await self._network.attached((pod_uid,)))
        except NetworkFailure as error:
            raise NetworkUnavailable(str(error)) from error

    async def detach(self, pod_uid: str) -> None:
        if self._network is None or self._pool is None:
            return
        address = self._pool.owned().get(pod_uid, "")
        try:
            await self._network.detach(pod_uid)
            kept = {port for port in self._ports if port.pod_address != address}
            await self._publish(self._network, kept)
        except NetworkFailure as error:
            raise NetworkUnavailable(str(error)) from error
        self._pool.release(pod_uid)
        if self._range != self._ranges.current:
            self._look.set()

    async def _publish(self, network: Network, ports: set[HostPort]) -> None:
        if ports != self._ports:
            self._ports = ports
            await network.set_host_ports(ports)

    async def run(self) -> None:
        """Keep the bridge and its rules there until cancelled; they stay when we go."""
        await self._ranges.known()
        look = self._look.set
        async with listening(About.RULES, look), listening(About.ROUTES, look):
            while True:
                self._look.clear()
                try:
                    await self._ensure()
                except NetworkFailure as error:
                    log.warning("network_not_made error=%r", str(error))
                    await asyncio.sleep(PAUSE)
                    continue
                await news(self._look, CHECK, SETTLE)

    async def _ensure(self) -> None:
        network = await self._settle()
        for deed in await network.ensure():
            log.info("network_mended did=%r", deed)
        self._there.set()
        if self._adopted.is_set() and not self._swept:
            assert self._pool is not None
            await network.set_host_ports(self._ports)
            await network.garbage_collect(self._pool.owned())
            self._swept = True

    async def _settle(self) -> Network:
        """The network of the range that is ours, or that was ours as long as pods have addresses of it."""
        given = await self._ranges.known()
        assert self._network is not None
        assert self._pool is not None
        if self._range == given:
            return self._network
        if pods := len(self._pool.owned()):
            told = "pod_range_kept because=%r"
            log.warning(
                told, f"{pods} pod(s) have addresses of the old one; drain the node to move it"
            )
            return self._network
        self._there.clear()
        await self._network.down()
        return self._use(given)
