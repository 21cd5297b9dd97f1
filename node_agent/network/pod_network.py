"""The pods' network on one node: a bridge, and a cable from it into each pod.

A pod's network namespace gets one end of a veth pair as eth0; the other end is a port of the node's
bridge, whose address is the pods' gateway. Links have names that follow from the pod's uid, and each
verb may be repeated, so a crash in the middle is healed by doing it again.

A pod's address is a /32 with a route to the gateway: even to its neighbour on the bridge a pod sends
through the node. One might let the bridge deliver directly, but then an answer could bypass the
address translation its question went through (a service's, a host port's), and whether it does would
hang on a kernel module's switch (br_netfilter). This way every packet meets every rule, once.

The address also makes the pod's hardware address, so when another pod gets it later, nobody's
ARP table is wrong.
"""

import asyncio
import hashlib
from collections.abc import Collection
from ipaddress import IPv4Network
from pathlib import Path

from node_agent.network import forwarding
from node_agent.network.commands import NetworkFailure, run, succeeds
from node_agent.network.links import exists, mtu_towards, show
from node_agent.network.rules import FAMILIES, HostPort, Wiring, hardware_address, nothing, rules
from node_agent.runtime.names import instance

_SYSCTL = Path("/proc/sys/net/ipv4")


class PodNetwork:
    """One node's pod network, in the network namespace this process is in.

    `cluster_cidr` is the range of all pods of all nodes. Packets are as large as `mtu` says; else as the link that has
    the machine's `address` takes, less `headroom` bytes. Several objects for different nodes may work on one machine.
    """

    def __init__(
        self,
        *,
        cluster: str,
        node: str,
        pod_cidr: str,
        cluster_cidr: str,
        address: str = "",
        headroom: int = 0,
        mtu: int | None = None,
    ) -> None:
        self._id = instance(cluster, node)
        self.bridge = f"hl-{self._id}"
        self.name = f"helmling-{self._id}"  # of the nft table, and in comments
        self._network = IPv4Network(pod_cidr)
        self.gateway = str(self._network[1])
        self._wiring = Wiring(self.name, self.bridge, pod_cidr, cluster_cidr)
        self._address, self._headroom = address, headroom
        self._mtu = mtu  # None: not looked up yet
        self._host_ports: frozenset[HostPort] = frozenset()
        self._applied = ("", "")  # the script last applied, and how nft shows the outcome
        self._changing = asyncio.Lock()  # one change of bridge and rules at a time

    def link(self, pod_uid: str) -> str:
        """The name of the pod's link on the node: at most 15 characters, as the kernel wants."""
        return f"hl{hashlib.sha256(f'{self._id}/{pod_uid}'.encode()).hexdigest()[:13]}"

    async def ensure(self) -> list[str]:
        """Make bridge, settings and rules what they should be; call it again now and then.

        Costs three short commands when all is well. Returns what had to be done, in words.
        """
        async with self._changing:
            done = []
            if await self._ensure_bridge():
                done.append(f"made bridge {self.bridge} with {self.gateway}")
            done += self._ensure_settings()
            if await self._ensure_rules():
                done.append(f"loaded nft table {self.name}")
            if await forwarding.ensure(self.bridge, self.name):
                done.append(f"let {self.bridge} through iptables' FORWARD chain")
            return done

    async def set_host_ports(self, host_ports: Collection[HostPort]) -> None:
        """All host ports of the node's pods, replacing those before."""
        async with self._changing:
            self._host_ports = frozenset(host_ports)
            await self._ensure_rules()

    async def attach(self, netns: str, pod_uid: str, address: str) -> None:
        """Wire the namespace at path `netns` and give it the address. Again is harmless."""
        link = self.link(pod_uid)
        configure = self._pod_batch(address)
        if not await self._plug(netns, link, address):
            try:
                return await _batch_in(netns, configure)
            except NetworkFailure:
                await self._unplug(link)  # a cable into a sandbox that was before
            if not await self._plug(netns, link, address):
                raise NetworkFailure(f"link {link} of pod {pod_uid} cannot be made anew")
        return await _batch_in(netns, configure)

    async def detach(self, pod_uid: str) -> None:
        """Unplug the pod. No-op when it is not wired, or its namespace took the link along."""
        await self._unplug(self.link(pod_uid))

    async def garbage_collect(self, keep: Collection[str]) -> list[str]:
        """Remove the links of all pods but these (uids); returns their names."""
        kept = {self.link(uid) for uid in keep}
        gone = [link for link in await self._links() if link not in kept]
        for link in gone:
            await self._unplug(link)
        return gone

    async def attached(self, pod_uids: Collection[str]) -> set[str]:
        """Which of these pods have a link on the bridge."""
        links = set(await self._links())
        return {uid for uid in pod_uids if self.link(uid) in links}

    async def down(self) -> None:
        """Remove all that is ours: links, bridge, rules. `ip_forward` stays; others may need it."""
        async with self._changing:
            for link in await self._links():
                await self._unplug(link)
            await self._unplug(self.bridge)
            await forwarding.remove(self.name)
            await run("nft", "-f", "-", stdin=nothing(self.name))
            self._applied = ("", "")

    async def _ensure_bridge(self) -> bool:
        shown = await show("-4", "address", "show", "dev", self.bridge)
        addresses = {
            (info["local"], info["prefixlen"]) for link in shown for info in link["addr_info"]
        }
        if (self.gateway, self._network.prefixlen) in addresses and "UP" in shown[0]["flags"]:
            return False
        mtu = await self._packet_size()
        if not shown and not await exists(self.bridge):
            # A bridge without an address of its own takes that of a port, and changes with it.
            own = hardware_address(self.gateway)
            options = ("address", own, "mtu", str(mtu), "type", "bridge")
            await run("ip", "link", "add", self.bridge, *options)
        await run(
            *("ip", "-batch", "-"),
            stdin=f"address replace {self.gateway}/{self._network.prefixlen} dev {self.bridge}\n"
            f"link set {self.bridge} up\n",
        )
        return True

    def _ensure_settings(self) -> list[str]:
        wanted = {
            "ip_forward": "1",
            f"conf/{self.bridge}/route_localnet": "1",  # for host ports on 127.0.0.1
            f"conf/{self.bridge}/send_redirects": "0",
            f"conf/{self.bridge}/rp_filter": "2",  # answers may take another way than questions
        }
        done = []
        for name, value in wanted.items():
            if (_SYSCTL / name).read_text().strip() != value:
                (_SYSCTL / name).write_text(value)
                done.append(f"set net/ipv4/{name} to {value}")
        return done

    async def _ensure_rules(self) -> bool:
        """Compare with nft's own rendering of what we loaded: it shows a flush or a foreign edit."""
        script = rules(self._wiring, self._host_ports)
        if self._applied[0] == script and self._applied[1] == await self._shown_rules():
            return False
        await run("nft", "-f", "-", stdin=script)
        self._applied = (script, await self._shown_rules())
        return True

    async def _shown_rules(self) -> str:
        try:
            tables = [await run("nft", "list", "table", one, self.name) for one in FAMILIES]
        except NetworkFailure:
            return ""  # one of them is not there
        return "".join(tables)

    async def _plug(self, netns: str, link: str, address: str) -> bool:
        """Make the pair, one end in the bridge and one in the pod. False when there is one."""
        mtu = await self._packet_size()
        command = f"link add {link} mtu {mtu} master {self.bridge} up type veth "
        peer = f"peer name eth0 address {hardware_address(address)} mtu {mtu} netns {netns}"
        hairpin = f"link set {link} type bridge_slave hairpin on"
        try:
            await run("ip", "-batch", "-", stdin=f"{command}{peer}\n{hairpin}\n")
        except NetworkFailure:
            if not await exists(link):
                raise
            await run("ip", "link", "set", link, "master", self.bridge, "up")
            return False
        return True

    async def _packet_size(self) -> int:
        if self._mtu is None:
            self._mtu = await mtu_towards(self._address) - self._headroom
        return self._mtu

    def _pod_batch(self, address: str) -> str:
        return (
            "link set lo up\n"
            f"address replace {address}/32 dev eth0\n"
            "link set eth0 up\n"
            f"route replace {self.gateway} dev eth0 scope link\n"
            f"route replace default via {self.gateway} dev eth0\n"
        )

    async def _links(self) -> list[str]:
        """The ports of our bridge."""
        return [link["ifname"] for link in await show("link", "show", "master", self.bridge)]

    async def _unplug(self, link: str) -> None:
        """Delete a link. It may vanish meanwhile, with the namespace of its other end."""
        if not await succeeds("ip", "link", "delete", link) and await exists(link):
            await run("ip", "link", "delete", link)


async def _batch_in(netns: str, batch: str) -> None:
    await run("nsenter", f"--net={netns}", "ip", "-batch", "-", stdin=batch)
