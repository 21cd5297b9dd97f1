"""What a NetworkPolicy says, to all who read one: the controller that looks for peers, agents who enforce it (S#91).

Peers that are pods are selected by labels of pods and of namespaces. Who they are is the same question for all
policies that select alike, so it has a key, made from the selectors: the controller answers under the key, and agents
look there. A policy that is changed asks under another key, so an answer to what it said before is never taken for one
to what it says.

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, Literal

from proto.v1.meta_pb2 import LabelSelector
from proto.v1.network_pb2 import (
    NetworkPolicy,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
    PeerSelector,
)

PEERS = "helmling.dev/peers"  # the label of a PeerSlice: the key of who is meant

Direction = Literal["Ingress", "Egress"]
INGRESS: Direction = "Ingress"
EGRESS: Direction = "Egress"

# A rule: to or from whom, on which ports.
Rule = tuple[Iterable[NetworkPolicyPeer], Iterable[NetworkPolicyPort]]


def isolates(spec: NetworkPolicySpec, direction: Direction) -> bool:
    """Whether the pods that it selects may talk, in this direction, only as some policy allows."""
    if spec.policyTypes:
        return direction in spec.policyTypes
    return direction == INGRESS or bool(spec.egress)


def rules(spec: NetworkPolicySpec, direction: Direction) -> list[Rule]:
    """Those that count: rules for a direction that the policy is not about do not."""
    if not isolates(spec, direction):
        return []
    if direction == INGRESS:
        return [(getattr(rule, "from"), rule.ports) for rule in spec.ingress]
    return [(rule.to, rule.ports) for rule in spec.egress]


def is_named(port: NetworkPolicyPort) -> bool:
    """Whether it is the name of a container's port, which is another number in each pod."""
    kind: str | None = port.port.WhichOneof("kind") if port.HasField("port") else None
    return kind == "string_value"


def selector(peer: NetworkPolicyPeer, namespace: str) -> PeerSelector | None:
    """Whom the peer of a policy in this namespace means; None: it means addresses."""
    if peer.HasField("ipBlock"):
        return None
    made = PeerSelector()
    made.podSelector.CopyFrom(peer.podSelector)
    if peer.HasField("namespaceSelector"):
        made.namespaceSelector.CopyFrom(peer.namespaceSelector)
    else:
        made.namespace = namespace
    return made


def everybody() -> PeerSelector:
    """All pods of all namespaces."""
    made = PeerSelector()
    made.namespaceSelector.SetInParent()
    made.podSelector.SetInParent()
    return made


def asked(policy: NetworkPolicy) -> Iterator[PeerSelector]:
    """About whom the policy needs to know. A name of a port means something only where one knows whose port it is."""
    namespace = policy.metadata.namespace
    for direction in (INGRESS, EGRESS):
        for peers, ports in rules(policy.spec, direction):
            peers = list(peers)
            for peer in peers:
                meant = selector(peer, namespace)
                if meant is not None:
                    yield meant
            if not peers and direction == EGRESS and any(map(is_named, ports)):
                yield everybody()


def key(peers: PeerSelector) -> str:
    """The same for selectors that say the same, in whatever order."""
    namespaces = _canonical(peers.namespaceSelector) if not peers.namespace else None
    said = json.dumps([peers.namespace, namespaces, _canonical(peers.podSelector)], sort_keys=True)
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _canonical(selector: LabelSelector) -> list[Any]:
    expressions = sorted(
        [each.key, each.operator, sorted(each.values)] for each in selector.matchExpressions
    )
    return [dict(selector.matchLabels), expressions]
