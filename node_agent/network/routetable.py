"""The kernel's routes to other nodes' pods, made what they should be.

Routes of ours carry a protocol number of their own, and a metric that follows from the node's name, as several
nodes may share a machine: nobody else's route is ever touched.
"""

from ipaddress import IPv4Interface

from api.podranges import PodRange
from node_agent.network.commands import run, succeeds
from node_agent.network.links import show
from node_agent.network.routes import Route, Ways
from node_agent.network.tunnel import TunnelDevice
from node_agent.runtime.names import instance

PROTOCOL = 104  # of our routes: `ip route show proto 104`
_METRICS = 1 << 16


class RouteTable:
    """Of one node, in the network namespace that this process is in. `address` is the machine's for others."""

    def __init__(self, *, cluster: str, node: str, address: str) -> None:
        identity = instance(cluster, node)
        self.bridge, self.device = f"hl-{identity}", f"hlv-{identity}"
        self.metric = _METRICS + int(identity, 16) % _METRICS
        self._tunnel = TunnelDevice(self.device, address)

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
        done = await self._tunnel.ensure(ways.tunnels, own)
        have = await self._routes()
        stale, missing = have - ways.routes, ways.routes - have
        batch = [f"route delete {self._words(route)}\n" for route in sorted(stale)]
        batch += [f"route replace {self._words(route)}\n" for route in sorted(missing)]
        if batch:
            # -force: one way that cannot be made is no reason to leave out the others.
            await run("ip", "-force", "-batch", "-", stdin="".join(batch))
        done += [f"removed the route to {route.to}" for route in sorted(stale)]
        return done + [f"made the route to {route.to} via {route.via}" for route in sorted(missing)]

    async def remove(self) -> None:
        """All that is ours. No-op when there is nothing."""
        for route in await self._routes():
            await succeeds("ip", "route", "delete", *self._words(route).split())
        await self._tunnel.remove()

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


def _range(destination: str) -> str:
    """`ip` leaves out the prefix length of a single address."""
    return destination if "/" in destination else f"{destination}/32"
