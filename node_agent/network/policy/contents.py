"""All that NetworkPolicies put into the node's table: a lookup per direction, from a pod's address to its chain. Pure.

    policies           packets on their way to or from pods; the first of each connection is asked about
      egress_of        the sender's address → out-…, if policies select it for what goes out
      ingress_of       the receiver's address → in-…, if policies select it for what comes in
    policies_at_node   packets for the node itself: it is always within reach, but its name server counts as a pod

A chain is named after its rules. Pods that are allowed the same share one; and a policy that is changed makes another
chain, to which the pods are led within one transaction, so no packet meets a part of a policy.

What the node itself sends passes neither of the two: probes and the node's own programs always reach its pods. What is
not allowed is refused, with the ICMP message that says so, and not merely lost: programs hear of it at once.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from api import selectors
from api.policies import EGRESS, INGRESS, Direction, isolates
from node_agent.network.policy.rules import Line, Lookup, Port, allowed
from node_agent.network.proxy.table import Chain, Set, Table
from proto.v1.network_pb2 import NetworkPolicy, PeerAddress

# What is left of a packet after the policies: the answer to whom it is not allowed.
REFUSE = "reject with icmp type admin-prohibited"
KNOWN = "ct state established,related accept"  # answers, and all but the first packet
MAPS: Mapping[Direction, str] = {EGRESS: "egress_of", INGRESS: "ingress_of"}

# Whose addresses are under this key.
Answers = Callable[[str], Iterable[PeerAddress]]


@dataclass(frozen=True)
class Subject:
    """A pod of this node, as policies see it."""

    address: str
    namespace: str = ""
    labels: Mapping[str, str] | None = (
        None  # None: nobody knows it any more, and nobody may talk to it
    )
    ports: frozenset[Port] = frozenset()


class Reading:
    """A policy that is read once for all pods whose ports are called alike."""

    def __init__(self, policy: NetworkPolicy) -> None:
        self._policy = policy
        self._chosen = selectors.labels_from(policy.spec.podSelector)
        self._lines: dict[tuple[Direction, frozenset[Port]], frozenset[Line]] = {}

    def is_about(self, labels: Mapping[str, str], direction: Direction) -> bool:
        return isolates(self._policy.spec, direction) and self._chosen.matches(labels)

    def lines(self, direction: Direction, ports: frozenset[Port]) -> frozenset[Line]:
        which = direction, ports
        if which not in self._lines:
            self._lines[which] = frozenset(allowed(self._policy, direction, ports))
        return self._lines[which]


def contents(
    subjects: Iterable[Subject],
    policies: Iterable[NetworkPolicy],
    answers: Answers,
    name_servers: Iterable[str] = (),
) -> Table:
    """What the kernel must know so that these pods talk as the policies say."""
    by_namespace: dict[str, list[Reading]] = defaultdict(list)
    for policy in policies:
        by_namespace[policy.metadata.namespace].append(Reading(policy))
    led: dict[Direction, dict[str, str]] = {EGRESS: {}, INGRESS: {}}
    chains, lookups = _fixed(), set[Lookup]()
    for subject in subjects:
        for direction, leads in led.items():
            lines = restricted(subject, by_namespace.get(subject.namespace, []), direction)
            if lines is not None:
                name, chain = _chain(direction, lines)
                chains[name], leads[subject.address] = chain, f"jump {name}"
                lookups.update(line.lookup for line in lines if line.lookup is not None)
    sets = {MAPS[way]: Set("type ipv4_addr : verdict;", leads, True) for way, leads in led.items()}
    alone = {f"{one} . {one}": "" for one in sorted({*led[EGRESS], *led[INGRESS]})}
    sets["selves"] = Set("type ipv4_addr . ipv4_addr;", alone)
    sets["name_servers"] = Set("type ipv4_addr;", dict.fromkeys(name_servers, ""))
    for lookup in sorted(lookups, key=lambda each: each.name):
        sets[lookup.name] = _peers(lookup, answers(lookup.key))
    return Table(sets, chains)


def restricted(
    subject: Subject, policies: Iterable[Reading], direction: Direction
) -> set[Line] | None:
    """All that the pod may do in this direction; None: no policy is about it, it may do anything."""
    if subject.labels is None:
        return set()
    found: set[Line] | None = None
    for policy in policies:
        if policy.is_about(subject.labels, direction):
            found = (found or set()).union(policy.lines(direction, subject.ports))
    return found


def _chain(direction: Direction, lines: set[Line]) -> tuple[str, Chain]:
    rules = sorted(line.rule for line in lines)
    digest = hashlib.sha256("\n".join(rules).encode()).hexdigest()[:16]
    return f"{'in' if direction == INGRESS else 'out'}-{digest}", Chain((*rules, REFUSE))


def _peers(lookup: Lookup, answer: Iterable[PeerAddress]) -> Set:
    if not lookup.port:
        return Set("type ipv4_addr;", {each.ip: "" for each in answer})
    pairs = {
        f"{each.ip} . {port.port}": ""
        for each in answer
        for port in each.ports
        if (port.name, port.protocol.lower()) == (lookup.port, lookup.protocol)
    }
    return Set("type ipv4_addr . inet_service;", pairs)


def _fixed() -> dict[str, Chain]:
    """A pod may always talk to itself, also when a service leads it there."""
    passing = (
        KNOWN,
        "ip saddr . ip daddr @selves accept",
        f"ip saddr vmap @{MAPS[EGRESS]}",
        f"ip daddr vmap @{MAPS[INGRESS]}",
    )
    at_node = (KNOWN, f"ip daddr @name_servers ip saddr vmap @{MAPS[EGRESS]}")
    return {
        "policies": Chain(passing, "type filter hook forward priority filter; policy accept;"),
        "policies_at_node": Chain(
            at_node, "type filter hook input priority filter; policy accept;"
        ),
    }
