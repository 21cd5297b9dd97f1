"""The kernel's routes to other nodes' pods, made what they should be.

Routes of ours carry a protocol number of their own, and a metric that follows from the node's name, as several
nodes may share a machine: nobody else's route is ever touched. The tunnel's device is there only while somebody is
at its other end.
"""

import json
import zlib
from collections.abc import Iterable
from ipaddress import IPv4Interface

from api.podranges import PodRange
from node_agent.network.commands import run, succeeds
from node_agent.network.links import mtu_towards, show
from node_agent.network.routes import Route, Tunnel, Ways, hardware_address, inner
from node_agent.options import OVERLAY_BYTES
from node_agent.runtime.names import instance

PROTOCOL = 104  # of our routes: `ip route show proto 104`
PORT = 8472  # where Linux has VXLAN by tradition; 4789 may be Docker Swarm's
_METRICS = 1 << 16


class RouteTable:
    """Of one node, in the network namespace that this process is in. `address` is the machine's for others."""

    def __init__(self, *, cluster: str, node: str, address: str) -> None:
        identity = instance(cluster, node)
        self.bridge, self.device = f"hl-{identity}", f"hlv-{identity}"
        self.metric = _METRICS + int(identity, 16) % _METRICS
        self._address = address

    async def here(self) -> list[IPv4Interface]:
        """The machine's addresses, without those that we gave it, and those that only itself can reach."""
        found = []
        for link in await show("-4", "address", "show", "up"):
            if link["ifname"] in (self.bridge, self.device) or "LOOPBACK" in link["flags"]:
                continue
            found += [
                IPv4Interface(f"{info['local']}/{info['prefixlen']}") for info in link["addr_info"]
            ]
        return found

    async def ensure(self, ways: Ways, own: PodRange) -> list[str]:
        """Make the kernel's routes what they should be; returns what had to be done, in words."""
        done = await self._ensure_tunnels(ways.tunnels, own)
        have = await self._routes()
        stale, missing = have - ways.routes, ways.routes - have
        batch = [f"route delete {self._words(route)}\n" for route in sorted(stale)]
        batch += [f"route replace {self._words(route)}\n" for route in sorted(missing)]
        if batch:
            await run("ip", "-batch", "-", stdin="".join(batch))
        done += [f"removed the route to {route.to}" for route in sorted(stale)]
        return done + [f"made the route to {route.to} via {route.via}" for route in sorted(missing)]

    async def remove(self) -> None:
        """All that is ours. No-op when there is nothing."""
        for route in await self._routes():
            await succeeds("ip", "route", "delete", *self._words(route).split())
        await self._remove_device()

    def _words(self, route: Route) -> str:
        through = f" dev {self.device} onlink" if route.tunnel else ""
        return f"{route.to} via {route.via}{through} proto {PROTOCOL} metric {self.metric}"

    async def _routes(self) -> set[Route]:
        shown = await show("-4", "route", "show", "proto", str(PROTOCOL))
        return {
            Route(_range(each["dst"]), each.get("gateway", ""), each.get("dev") == self.device)
            for each in shown
            if each.get("metric") == self.metric
        }

    async def _ensure_tunnels(self, tunnels: frozenset[Tunnel], own: PodRange) -> list[str]:
        if not tunnels:
            return ["removed the tunnel"] if await self._remove_device() else []
        done = [f"made the tunnel {self.device}"] if await self._ensure_device(own) else []
        known, neighbours = await self._forwarding(), await self._neighbours()
        wanted = {(each.mac, each.outer) for each in tunnels}
        inside = {(each.inner, each.mac) for each in tunnels}
        await self._batch(
            "bridge",
            [f"fdb del {mac} dev {self.device} dst {to} self" for mac, to in known - wanted]
            + [
                f"fdb replace {mac} dev {self.device} dst {to} self permanent"
                for mac, to in wanted - known
            ],
        )
        await self._batch(
            "ip",
            [
                f"neighbour delete {ip} lladdr {mac} dev {self.device}"
                for ip, mac in neighbours - inside
            ]
            + [
                f"neighbour replace {ip} lladdr {mac} dev {self.device} nud permanent"
                for ip, mac in inside - neighbours
            ],
        )
        if known != wanted or neighbours != inside:
            done.append(f"told the tunnel of {len(tunnels)} node(s) at its other end")
        return done

    async def _batch(self, program: str, lines: Iterable[str]) -> None:
        text = "".join(f"{line}\n" for line in lines)
        if text:
            await run(program, "-batch", "-", stdin=text)

    async def _ensure_device(self, own: PodRange) -> bool:
        number, mac = network_number(own.cluster), hardware_address(self._address)
        mtu = await mtu_towards(self._address) - OVERLAY_BYTES
        for link in await show("-details", "address", "show", "dev", self.device):
            data = link["linkinfo"]["info_data"]
            told = (data["id"], data.get("local"), link["address"], link["mtu"])
            addresses = [info["local"] for info in link["addr_info"] if info["family"] == "inet"]
            same = told == (number, self._address, mac, mtu) and "UP" in link["flags"]
            if same and addresses == [inner(own.pods)]:
                return False
        await self._remove_device()
        options = f"id {number} dstport {PORT} local {self._address} nolearning"
        await run(
            *("ip", "-batch", "-"),
            stdin=f"link add {self.device} address {mac} mtu {mtu} type vxlan {options}\n"
            f"address add {inner(own.pods)}/32 dev {self.device}\n"
            f"link set {self.device} up\n",
        )
        return True

    async def _remove_device(self) -> bool:
        return await succeeds("ip", "link", "delete", self.device)

    async def _forwarding(self) -> set[tuple[str, str]]:
        shown = json.loads(await run("bridge", "-json", "fdb", "show", "dev", self.device) or "[]")
        return {(each["mac"], each.get("dst", "")) for each in shown}

    async def _neighbours(self) -> set[tuple[str, str]]:
        shown = await show("-4", "neighbour", "show", "dev", self.device, "nud", "permanent")
        return {(each["dst"], each["lladdr"]) for each in shown}


def network_number(cluster_cidr: str) -> int:
    """The overlay's: 24 bits, the same on all nodes of a cluster."""
    return 1 + zlib.crc32(cluster_cidr.encode()) % ((1 << 24) - 1)


def _range(destination: str) -> str:
    """`ip` leaves out the prefix length of a single address."""
    return destination if "/" in destination else f"{destination}/32"
