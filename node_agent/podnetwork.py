"""The pod network as the agent uses it: really wired, or, on hollow nodes, only counted."""

import ipaddress
from collections.abc import Awaitable, Callable, Mapping

from node_agent.runtime.errors import RuntimeFailure


class ImaginedNetwork:
    """Implements `PodNetwork` for hollow nodes: gives out addresses and wires nothing."""

    def __init__(self, pod_cidr: str) -> None:
        self._range = ipaddress.ip_network(pod_cidr)
        self._given: dict[str, str] = {}  # by pod uid
        self._taken: set[str] = set()  # the values of _given
        self._next = 2  # the network's own address and its gateway come before

    def adopt(self, addresses: Mapping[str, str]) -> None:
        self._given.update(addresses)
        self._taken.update(addresses.values())

    def reserve(self, pod_uid: str) -> str:
        if pod_uid not in self._given:
            address = self._free()
            self._given[pod_uid] = address
            self._taken.add(address)
        return self._given[pod_uid]

    def _free(self) -> str:
        """The next one after the last, so that an address is not used again at once."""
        usable = self._range.num_addresses - 3
        for _ in range(usable):
            address = str(self._range[self._next])
            self._next = self._next + 1 if self._next < usable + 1 else 2
            if address not in self._taken:
                return address
        raise RuntimeFailure(f"all addresses of the node's pod range {self._range} are taken")

    async def attach(self, pod_uid: str, netns: Callable[[], Awaitable[str]]) -> None:
        """Nothing to wire."""

    async def detach(self, pod_uid: str) -> None:
        self._taken.discard(self._given.pop(pod_uid, ""))
