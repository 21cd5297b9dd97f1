"""A pod network without packets, for hollow nodes: it remembers what it was told."""

from collections.abc import Collection

from node_agent.network.rules import HostPort


class HollowNetwork:
    """Implements `Network`. What it holds may be read by tests."""

    def __init__(self) -> None:
        self.addresses: dict[str, str] = {}  # pod uid → address, of wired pods
        self.host_ports: frozenset[HostPort] = frozenset()

    async def ensure(self) -> list[str]:
        return []

    async def set_host_ports(self, host_ports: Collection[HostPort]) -> None:
        self.host_ports = frozenset(host_ports)

    async def attach(self, netns: str, pod_uid: str, address: str) -> None:
        self.addresses[pod_uid] = address

    async def detach(self, pod_uid: str) -> None:
        self.addresses.pop(pod_uid, None)

    async def garbage_collect(self, keep: Collection[str]) -> list[str]:
        gone = sorted(self.addresses.keys() - set(keep))
        for uid in gone:
            del self.addresses[uid]
        return gone

    async def attached(self, pod_uids: Collection[str]) -> set[str]:
        return self.addresses.keys() & set(pod_uids)

    async def down(self) -> None:
        self.addresses.clear()
        self.host_ports = frozenset()
