"""The ways to the pods of other nodes, as a pure function: nodes in, wanted routes and tunnels out.

A node on one of our own segments is its pods' next hop: nothing is put around the packet, and nothing is slower
than the wire. To a node behind a router that would not work, as the router knows nothing of pods: there the packet
travels inside another one, from node to node (VXLAN). Nothing is learned or asked for on that tunnel: each node's
hardware address in it follows from its address outside, so all entries are written down beforehand.

A node writes its own object, and one that was broken into might claim addresses of others to be sent their packets.
So a range counts only within the cluster's, and if two claim the same, the older node has it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from api.podranges import PodRange, within
from node_agent.options import Overlay
from proto.v1.cluster_pb2 import Node


@dataclass(frozen=True, slots=True, order=True)
class Peer:
    """Another node."""

    node: str
    address: str  # of the machine
    pods: str  # its pods' range


@dataclass(frozen=True, slots=True, order=True)
class Route:
    to: str  # a range
    via: str
    tunnel: bool = False  # through the tunnel's device


@dataclass(frozen=True, slots=True, order=True)
class Tunnel:
    """One end of the overlay: packets to `inner` are for the hardware address `mac`, which is at `outer`."""

    inner: str
    mac: str
    outer: str


@dataclass(frozen=True, slots=True)
class Ways:
    routes: frozenset[Route] = frozenset()
    tunnels: frozenset[Tunnel] = frozenset()
    out_of_reach: tuple[str, ...] = ()  # nodes to whose pods there is no way


def peers(nodes: Iterable[Node], me: str, own: PodRange) -> list[Peer]:
    """The other nodes whose pods can be told apart from everybody else's, by name."""
    found, claimed = [], [IPv4Network(own.pods)]
    for node in sorted(nodes, key=_age):
        peer = Peer(node.metadata.name, internal_address(node), node.spec.podCIDR)
        if peer.node == me or not peer.address or not within(peer.pods, own.cluster):
            continue
        pods = IPv4Network(peer.pods)
        if not any(pods.overlaps(other) for other in claimed):
            claimed.append(pods)
            found.append(peer)
    return sorted(found)


def _age(node: Node) -> tuple[int, int, str]:
    created = node.metadata.creationTimestamp
    return created.seconds, created.nanos, node.metadata.name


def internal_address(node: Node) -> str:
    """The machine's IPv4 address for others; "": it has none that others could use."""
    for each in node.status.addresses:
        if each.type == "InternalIP" and _usable(each.address):
            return each.address
    return ""


def _usable(text: str) -> bool:
    try:
        address = IPv4Address(text)
    except ValueError:
        return False
    return not (address.is_loopback or address.is_unspecified or address.is_multicast)


def ways(peers: Iterable[Peer], here: Iterable[IPv4Interface], overlay: Overlay) -> Ways:
    """How to reach each peer's pods. `here`: the machine's own addresses, with their segments."""
    here = list(here)
    routes, tunnels, lost = set(), set(), []
    for peer in peers:
        address = IPv4Address(peer.address)
        if any(address == own.ip for own in here):
            continue  # it is on this very machine, and so is its bridge
        near = any(address in own.network for own in here)
        if overlay == "vxlan" or (overlay == "auto" and not near):
            tunnels.add(end_of(peer))
            routes.add(Route(peer.pods, inner(peer.pods), tunnel=True))
        elif near:
            routes.add(Route(peer.pods, peer.address))
        else:
            lost.append(peer.node)
    return Ways(frozenset(routes), frozenset(tunnels), tuple(lost))


def inner(pods: str) -> str:
    """A node's own address in the overlay: the first of its pods' range, which no pod ever has."""
    return str(IPv4Network(pods).network_address)


def end_of(peer: Peer) -> Tunnel:
    return Tunnel(inner(peer.pods), hardware_address(peer.address), peer.address)


def hardware_address(address: str) -> str:
    """Of the tunnel's device on the node with this address: 02:76 ("v") and the four bytes of the address."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x76, *IPv4Address(address).packed))
