"""From the policies that select a pod to rules of nft. Pure; what is allowed, in one direction (S#91).

As soon as a policy selects a pod for a direction, only what some policy allows goes through, so what is written down is
what is allowed, one line per peer and protocol, in no particular order. A line looks at the packet after the address of
a service has become that of a pod: policies are about pods, whichever way one comes to them.

Peers that are pods are a set that the line looks up; who is in it may change without a change of any rule. The name of
a port is resolved where the port is: for what comes in that is this pod, so the line has its number; for what goes out
each peer has its own, so the set has pairs of address and port.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError, collapse_addresses

from api import policies
from api.policies import INGRESS, Direction
from proto.v1.network_pb2 import IPBlock, NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort

ALLOW = "return"  # from the chain of the pod: what else there is to be asked, is

Port = tuple[str, str, int]  # name, protocol (TCP, UDP, SCTP), number


@dataclass(frozen=True)
class Lookup:
    """A set of peers; with a port's name, of peers and their ports of that name."""

    key: str  # of a PeerSelector
    protocol: str = ""  # tcp | udp | sctp
    port: str = ""

    @property
    def name(self) -> str:
        return f"peers-{self.key}" + (f"-{self.protocol}-{self.port}" if self.port else "")


@dataclass(frozen=True)
class Line:
    """What a packet must look like to be allowed, and the set that says so, if there is one."""

    match: str
    lookup: Lookup | None = None

    @property
    def rule(self) -> str:
        return f"{self.match} {ALLOW}".strip()


@dataclass(frozen=True)
class _Side:
    """The other side of the connection, and what names of ports mean there."""

    address: str  # "ip saddr" or "ip daddr"
    own: frozenset[Port] | None  # of the pod itself; None: each peer has its own


def allowed(policy: NetworkPolicy, direction: Direction, ports: frozenset[Port]) -> Iterator[Line]:
    """What the policy lets through, to or from a pod that it selects and that has these named ports."""
    incoming = direction == INGRESS
    side = _Side("ip saddr" if incoming else "ip daddr", ports if incoming else None)
    for peers, on in policies.rules(policy.spec, direction):
        yield from _rule(side, list(peers), list(on), policy.metadata.namespace)


def _rule(
    side: _Side, peers: list[NetworkPolicyPeer], on: list[NetworkPolicyPort], namespace: str
) -> Iterator[Line]:
    numbers = _numbers(on, side.own) if on else [""]
    names = [(_protocol(port), port.port.string_value) for port in on if policies.is_named(port)]
    if side.own is not None:
        names = []  # they are among the numbers
    if not peers:
        yield from (Line(ports) for ports in numbers)
        everybody = policies.key(policies.everybody())
        yield from (_pairs(Lookup(everybody, *name)) for name in names)
    for peer in peers:
        meant = policies.selector(peer, namespace)
        if meant is None:
            for block in _block(side.address, peer.ipBlock):
                yield from (Line(f"{block} {ports}".strip()) for ports in numbers)
            continue
        key = policies.key(meant)
        who = Lookup(key)
        yield from (Line(f"{side.address} @{who.name} {p}".strip(), who) for p in numbers)
        yield from (_pairs(Lookup(key, *name)) for name in names)


def _pairs(lookup: Lookup) -> Line:
    return Line(f"ip daddr . {lookup.protocol} dport @{lookup.name}", lookup)


def _protocol(port: NetworkPolicyPort) -> str:
    return (port.protocol or "TCP").lower()


def _numbers(on: Iterable[NetworkPolicyPort], own: frozenset[Port] | None) -> list[str]:
    """One match per protocol, for ports that are numbers, or names of ports of this pod."""
    found: dict[str, list[range]] = {}
    for port in on:
        protocol = _protocol(port)
        if not port.HasField("port"):
            found.setdefault(protocol, []).append(range(65536))
        elif not policies.is_named(port):
            first = int(port.port.number_value)
            found.setdefault(protocol, []).append(range(first, max(first, port.endPort) + 1))
        else:
            for name, theirs, number in own or ():
                if (name, theirs.lower()) == (port.port.string_value, protocol):
                    found.setdefault(protocol, []).append(range(number, number + 1))
    return [_match(protocol, _apart(ranges)) for protocol, ranges in sorted(found.items())]


def _match(protocol: str, ranges: list[range]) -> str:
    if ranges == [range(65536)]:
        return f"meta l4proto {protocol}"
    shown = (f"{r[0]}-{r[-1]}" if len(r) > 1 else f"{r[0]}" for r in ranges)
    return f"{protocol} dport {{ {', '.join(shown)} }}"


def _apart(ranges: Iterable[range]) -> list[range]:
    """The same numbers in ranges that do not touch: nft wants them so."""
    found: list[range] = []
    for one in sorted(ranges, key=lambda each: each.start):
        if found and one.start <= found[-1].stop:
            found[-1] = range(found[-1].start, max(found[-1].stop, one.stop))
        else:
            found.append(one)
    return found


def _block(side: str, block: IPBlock) -> list[str]:
    """A match for the addresses; none if they are not IPv4."""
    whole = _network(block.cidr)
    if whole is None:
        return []
    within = f"{side} {whole}" if whole.prefixlen else ""
    parts = [_network(text) for text in getattr(block, "except")]
    without = [str(one) for one in collapse_addresses(part for part in parts if part is not None)]
    but = f"{side} != {{ {', '.join(without)} }}" if without else ""
    return [f"{within} {but}".strip()]


def _network(cidr: str) -> IPv4Network | None:
    try:
        return IPv4Network(cidr, strict=False)
    except (AddressValueError, NetmaskValueError, ValueError):
        return None
