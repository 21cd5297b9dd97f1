"""The VXLAN device of a node, and what it knows of the other ends: one forwarding and one neighbour entry for each.

It is there only while somebody is at its other end.
"""

import json
import zlib

from api.podranges import PodRange
from node_agent.network.commands import run, succeeds
from node_agent.network.links import mtu_towards, show
from node_agent.network.routes import Tunnel, hardware_address, inner
from node_agent.options import OVERLAY_BYTES

PORT = 8472  # where Linux has VXLAN by tradition; 4789 may be Docker Swarm's

Pairs = set[tuple[str, str]]


class TunnelDevice:
    """In the network namespace that this process is in. `address` is the machine's for others."""

    def __init__(self, name: str, address: str) -> None:
        self.name, self._address = name, address

    async def ensure(self, ends: frozenset[Tunnel], own: PodRange) -> list[str]:
        """Make it what it should be; returns what had to be done, in words."""
        if not ends:
            return [f"removed the tunnel {self.name}"] if await self.remove() else []
        done = [f"made the tunnel {self.name}"] if await self._ensure_device(own) else []
        forward = await self._ensure_forwarding({(end.mac, end.outer) for end in ends})
        neighbour = await self._ensure_neighbours({(end.inner, end.mac) for end in ends})
        if forward or neighbour:
            done.append(f"told the tunnel of {len(ends)} node(s) at its other end")
        return done

    async def remove(self) -> bool:
        """Whether it was there."""
        return await succeeds("ip", "link", "delete", self.name)

    async def _ensure_device(self, own: PodRange) -> bool:
        mtu = await mtu_towards(self._address) - OVERLAY_BYTES
        if await self._is_as_wanted(own, mtu):
            return False
        await self.remove()
        kind = f"vxlan id {network_number(own.cluster)} dstport {PORT} local {self._address}"
        await run(
            *("ip", "-batch", "-"),
            stdin=f"link add {self.name} address {hardware_address(self._address)} mtu {mtu} type {kind} nolearning\n"
            f"address add {inner(own.pods)}/32 dev {self.name}\n"
            f"link set {self.name} up\n",
        )
        return True

    async def _is_as_wanted(self, own: PodRange, mtu: int) -> bool:
        wanted = (network_number(own.cluster), self._address, hardware_address(self._address), mtu)
        for link in await show("-details", "address", "show", "dev", self.name):
            data = link["linkinfo"]["info_data"]
            told = (data["id"], data.get("local"), link["address"], link["mtu"])
            inside = [info["local"] for info in link["addr_info"] if info["family"] == "inet"]
            return told == wanted and "UP" in link["flags"] and inside == [inner(own.pods)]
        return False

    async def _ensure_forwarding(self, wanted: Pairs) -> bool:
        """Which hardware address is at which machine."""
        shown = json.loads(await run("bridge", "-json", "fdb", "show", "dev", self.name) or "[]")
        known = {(each["mac"], each.get("dst", "")) for each in shown}
        return await _batch(
            "bridge",
            [f"fdb del {mac} dev {self.name} dst {to} self" for mac, to in known - wanted],
            [f"fdb replace {mac} dev {self.name} dst {to} self permanent" for mac, to in wanted - known],
        )  # fmt: skip

    async def _ensure_neighbours(self, wanted: Pairs) -> bool:
        """Which inner address has which hardware address."""
        shown = await show("-4", "neighbour", "show", "dev", self.name, "nud", "permanent")
        known = {(each["dst"], each["lladdr"]) for each in shown}
        return await _batch(
            "ip",
            [f"neighbour delete {ip} lladdr {mac} dev {self.name}" for ip, mac in known - wanted],
            [f"neighbour replace {ip} lladdr {mac} dev {self.name} nud permanent" for ip, mac in wanted - known],
        )  # fmt: skip


async def _batch(program: str, gone: list[str], new: list[str]) -> bool:
    """Whether there was anything to do."""
    if gone or new:
        lines = "".join(f"{line}\n" for line in (*gone, *new))
        await run(program, "-force", "-batch", "-", stdin=lines)
    return bool(gone or new)


def network_number(cluster_cidr: str) -> int:
    """The overlay's: 24 bits, the same on all nodes of a cluster."""
    return 1 + zlib.crc32(cluster_cidr.encode()) % ((1 << 24) - 1)
