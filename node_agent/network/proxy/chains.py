"""The rules: few, and the same few whatever the number of services. What changes with services are elements of maps.

The first packet of a connection meets these rules; conntrack remembers what they decided and treats all others alike,
so what they cost is paid once per connection. Its way:

    lead_in, lead_out   packets that come in, and packets that the node's own programs send
      lead              is it a service? One lookup: address, protocol, port → a chain
        tcp-spread-3    three backends: draw a number, look up address, port, number → backend
        tcp-near-2      the same among the backends of this node
        split-…         one of the above for those inside of the cluster, another for those outside
        tcp-sticky-…    where this client was led before, if it is still there; else draw, and remember it
        checked-…       only for clients of some networks
        refuse          nobody is there: say so at once
    translated          the answers must come back through here: see `_ANSWERS`

A port of every address of this node (NodePort) has no address in its key, so its chains and maps are the same again,
with another key.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from node_agent.network.proxy.model import Frontend, Place
from node_agent.network.proxy.table import Chain, Set, Table

# The mark that a connection's first packet has, on its way through the kernel, if it comes from outside and is to go on
# under the node's address. The same bit as Kubernetes'.
FROM_OUTSIDE = 0x4000
NEAR = 1 << 16  # the numbers of backends on this node begin here; those of all at 0
FEWEST_CHAINS = 8  # for each protocol there is a chain for each number of backends up to this one, and a power of two
REMEMBERED = 65535  # clients at once, for sticky services

DROP = "drop"  # there are backends, and the client may not have them
REFUSE = "goto refuse"


@dataclass(frozen=True)
class Scope:
    """Frontends with an address of their own, or ports of all addresses of the node."""

    prefix: str  # of the names of chains and maps
    address: str  # what of a packet belongs to the key beside the port

    @property
    def key(self) -> str:
        """What of a packet says which frontend it is for."""
        return f"{self.address}meta l4proto . th dport"

    @property
    def services(self) -> str:
        """The map: frontend → chain."""
        return f"{self.prefix}services"

    @property
    def allowed(self) -> str:
        """frontend, client's network, of services that only some networks may use."""
        return f"{self.prefix}allowed"


ADDRESSES = Scope("", "ip daddr . ")
PORTS = Scope("port-", "")
LOOPBACK = "port-loopback"  # as the services of PORTS, for packets to 127.0.0.1


@dataclass(frozen=True)
class Lane:
    """Where backends are looked up: one for each protocol, because nft must know a protocol to translate ports."""

    scope: Scope
    protocol: str

    @property
    def prefix(self) -> str:
        return f"{self.scope.prefix}{self.protocol}-"

    @property
    def key(self) -> str:
        """As the scope's, without the protocol."""
        return f"{self.scope.address}{self.protocol} dport"

    @property
    def endpoints(self) -> str:
        """frontend, number → address and port of the backend."""
        return f"{self.prefix}endpoints"

    @property
    def draws(self) -> str:
        """Of sticky services: frontend, number → the backend's address as the connection's mark."""
        return f"{self.prefix}draws"

    @property
    def marked(self) -> str:
        """Of sticky services: frontend, mark → address and port of the backend."""
        return f"{self.prefix}marked"

    @property
    def clients(self) -> str:
        """Of sticky services: client, frontend → the mark of the backend it had last."""
        return f"{self.prefix}clients"


def lane_of(frontend: Frontend) -> Lane:
    return Lane(ADDRESSES if frontend.address else PORTS, frontend.protocol)


def base(place: Place) -> Table:
    """What is there without any service."""
    sets = {
        "addresses": Set("type ipv4_addr;"),  # of services alone: no port there is anybody else's
        "loops": Set(
            "type ipv4_addr . ipv4_addr;"
        ),  # pods of this node that may be led to themselves
    }
    for scope in (ADDRESSES, PORTS):
        sets[scope.services] = Set(f"typeof {scope.key} : verdict;", is_map=True)
    sets[LOOPBACK] = Set(f"typeof {PORTS.key} : verdict;", is_map=True)
    return Table(sets, _fixed(place))


def sets_of(lane: Lane) -> dict[str, Set]:
    """What the backends of a lane may need, beside the base."""
    number = "numgen random mod 2"  # only its type matters here
    backend = f"ip daddr . {lane.protocol} dport"
    remembers = f"flags dynamic,timeout; size {REMEMBERED};"
    return {
        lane.endpoints: Set(f"typeof {lane.key} . {number} : {backend};", is_map=True),
        lane.draws: Set(f"typeof {lane.key} . {number} : ct mark;", is_map=True),
        lane.marked: Set(f"typeof {lane.key} . ct mark : {backend};", is_map=True),
        lane.clients: Set(
            f"typeof ip saddr . {lane.key} : ct mark; {remembers}", is_map=True, dynamic=True
        ),
        lane.scope.allowed: Set(f"typeof {lane.scope.key} . ip saddr; flags interval;"),
    }


def _fixed(place: Place) -> dict[str, Chain]:
    """Where the kernel calls, and what every first packet meets."""
    nat = "type nat hook {} priority {}; policy accept;"
    return {
        "lead_in": Chain(("jump lead",), nat.format("prerouting", "dstnat")),
        "lead_out": Chain(("jump lead",), nat.format("output", "-100")),
        **_leading(place),
        "answers": Chain(("ct status dnat jump translated",), nat.format("postrouting", "srcnat")),
        "translated": Chain(_answers(place)),
    }


def _leading(place: Place) -> dict[str, Chain]:
    lead = (
        f"{ADDRESSES.key} vmap @{ADDRESSES.services}",
        "ip daddr @addresses goto refuse",
        f"ip daddr 127.0.0.0/8 {PORTS.key} vmap @{LOOPBACK}",
        f"fib daddr type local {PORTS.key} vmap @{PORTS.services}",
    )
    refuse = (
        "fib daddr type local return",  # an address of a service that this node answers itself, as that of DNS
        "meta l4proto tcp reject with tcp reset",
        "reject",
    )
    outside = (
        f"ip saddr {place.pod_cidr} return",
        "fib saddr type local return",
        f"meta mark set meta mark or {FROM_OUTSIDE:#x}",
    )
    return {"lead": Chain(lead), "refuse": Chain(refuse), "outside": Chain(outside)}


def _answers(place: Place) -> tuple[str, ...]:
    """Who must go on under the node's address, so that the answer comes back through here and is translated back.

    A client outside of this node, unless the backend is here and must see the client (`near`). A pod that is led to
    itself, which would answer itself directly. And a program of the node that called 127.0.0.1.
    """
    return (
        f"meta mark and {FROM_OUTSIDE:#x} == {FROM_OUTSIDE:#x} "
        f"meta mark set meta mark xor {FROM_OUTSIDE:#x} masquerade fully-random",
        "ip saddr . ip daddr @loops masquerade fully-random",
        f"ip saddr 127.0.0.0/8 ip daddr {place.cluster_cidr} masquerade fully-random",
    )


@dataclass(frozen=True)
class Way:
    """Where a frontend leads: the verdict in the map, and the chains that this needs."""

    verdict: str
    chains: Mapping[str, Chain]


def way(frontend: Frontend, place: Place) -> Way:
    """Pure choice of the chain for this frontend."""
    chains: dict[str, Chain] = {}
    verdict = _lead(frontend, place, chains)
    if frontend.sources:
        verdict = _checked(lane_of(frontend).scope, verdict, chains)
    return Way(verdict, chains)


def loopback_way(frontend: Frontend) -> Way:
    """From 127.0.0.1 to a port of the node: to backends on the node only.

    An answer from elsewhere would come in for 127.0.0.1, which the kernel takes from no cable unless it is told to.
    """
    near = len(frontend.near)
    return _spread(frontend, near, NEAR) if near else Way(REFUSE, {})


def _lead(frontend: Frontend, place: Place, chains: dict[str, Chain]) -> str:
    everyone, near = len(frontend.backends), len(frontend.near)
    if not everyone:
        return REFUSE
    to_all, to_near = (
        _spread(frontend, everyone, 0),
        _spread(frontend, near, NEAR) if near else None,
    )
    local = to_near.verdict if to_near else DROP
    if frontend.policy != "near":
        chains |= to_all.chains
    if frontend.policy != "all" and to_near:
        chains |= to_near.chains
    if frontend.policy == "split":
        return _split(lane_of(frontend).scope, place, (to_all.verdict, local), chains)
    return to_all.verdict if frontend.policy == "all" else local


def _split(scope: Scope, place: Place, ways: tuple[str, str], chains: dict[str, Chain]) -> str:
    inside, outside = ways
    name = f"{scope.prefix}split-{_tail(inside)}-{_tail(outside)}"
    chains[name] = Chain(
        (
            f"ip saddr {place.cluster_cidr} {inside}",
            f"fib saddr type local {inside}",
            outside,
        )
    )
    return f"goto {name}"


def _checked(scope: Scope, verdict: str, chains: dict[str, Chain]) -> str:
    name = f"{scope.prefix}checked-{_tail(verdict)}"
    chains[name] = Chain((f"{scope.key} . ip saddr @{scope.allowed} {verdict}", DROP))
    return f"goto {name}"


def _tail(verdict: str) -> str:
    """The chain's name without what it inherits: "goto port-spread-3" → "spread-3"."""
    return verdict.removeprefix("goto ").removeprefix(PORTS.prefix)


def _spread(frontend: Frontend, count: int, first: int) -> Way:
    """The chain for so many backends, and those for other numbers, at hand for when a backend comes or goes."""
    lane = lane_of(frontend)
    chains = {
        _name(lane, number, first, frontend.sticky): Chain(
            _draw(lane, number, first, frontend.sticky)
        )
        for number in range(1, _at_hand(count) + 1)
    }
    return Way(f"goto {_name(lane, count, first, frontend.sticky)}", chains)


def _at_hand(count: int) -> int:
    """A chain that is made or removed takes the kernel ten times as long as an element, so it should be seldom."""
    return max(FEWEST_CHAINS, 1 << (count - 1).bit_length())


def _name(lane: Lane, count: int, first: int, sticky: int) -> str:
    kind = "near" if first else "spread"
    return (
        f"{lane.prefix}sticky-{kind}-{count}-{sticky}" if sticky else f"{lane.prefix}{kind}-{count}"
    )


def _draw(lane: Lane, count: int, first: int, sticky: int) -> tuple[str, ...]:
    number = f"numgen random mod {count}" + (f" offset {first}" if first else "")
    before = () if first else ("jump outside",)
    if sticky:
        return (*before, *_sticky(lane, number, sticky))
    return (*before, f"dnat ip to {lane.key} . {number} map @{lane.endpoints}")


def _sticky(lane: Lane, number: str, seconds: int) -> tuple[str, ...]:
    """The connection's mark is the backend's address, so that one lookup can go on where another ended.

    A rule whose lookup finds nothing ends there, and the next is tried: that of a client who comes for the first time,
    and that of one whose backend is gone.
    """
    client = f"ip saddr . {lane.key}"
    there = f"dnat ip to {lane.key} . ct mark map @{lane.marked}"
    return (
        f"ct mark set {client} map @{lane.clients}",
        f"ct mark != 0 update @{lane.clients} {{ {client} timeout {seconds}s : ct mark }}",
        there,
        f"ct mark != 0 delete @{lane.clients} {{ {client} : ct mark }}",
        f"ct mark set {lane.key} . {number} map @{lane.draws}",
        f"update @{lane.clients} {{ {client} timeout {seconds}s : ct mark }}",
        there,
    )
