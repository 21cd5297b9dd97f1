"""A pod network in which no pod gets its cable before its policies are in the kernel.

So there is no moment at which a new pod can be reached, or can reach anybody, that policies forbid; also not on a node
that has just come back and does not know the policies yet. A pod that was wired by an agent before us has its rules in
the kernel: it is looked after while no server answers.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from node_agent.network.rules import HostPort
from node_agent.podnetwork import NetworkUnavailable
from node_agent.pods.seams import PodNetwork

LONGEST = 30.0  # seconds until the pod's event says what it waits for


class Guard(Protocol):
    """Who sees to it: `network.policy.firewall.PolicyFirewall`."""

    @property
    def is_ready(self) -> bool: ...

    def adopt(self, addresses: Mapping[str, str]) -> None: ...

    async def secure(self, uid: str, address: str) -> None: ...

    def release(self, uid: str) -> None: ...


class Wires(PodNetwork, Protocol):
    async def is_attached(self, pod_uid: str) -> bool:
        """Whether the pod has its cable. Raises RuntimeFailure."""


class GuardedNetwork:
    """Implements `seams.PodNetwork` over another."""

    def __init__(self, network: Wires, guard: Guard) -> None:
        self._network, self._guard = network, guard

    @property
    def trouble(self) -> str:
        return self._network.trouble

    def adopt(self, addresses: Mapping[str, str], ports: Iterable[HostPort]) -> None:
        self._network.adopt(addresses, ports)
        self._guard.adopt(addresses)

    def reserve(self, pod_uid: str) -> str:
        return self._network.reserve(pod_uid)

    async def attach(
        self, pod_uid: str, netns: Callable[[], Awaitable[str]], ports: Iterable[HostPort]
    ) -> None:
        if self._guard.is_ready or not await self._network.is_attached(pod_uid):
            await self._secure(pod_uid)
        await self._network.attach(pod_uid, netns, ports)

    async def _secure(self, pod_uid: str) -> None:
        try:
            async with asyncio.timeout(LONGEST):
                await self._guard.secure(pod_uid, self.reserve(pod_uid))
        except TimeoutError as error:
            told = f"its network policies are not in force after {LONGEST:g} s, so it is not connected yet"
            raise NetworkUnavailable(told) from error
        except LookupError as error:
            raise NetworkUnavailable(str(error)) from error

    async def detach(self, pod_uid: str) -> None:
        await self._network.detach(pod_uid)
        self._guard.release(pod_uid)

    async def run(self) -> None:
        await self._network.run()
