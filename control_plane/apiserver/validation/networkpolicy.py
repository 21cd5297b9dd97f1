"""NetworkPolicies: peers that are pods or addresses, ports and ranges of them (S#91)."""

import ipaddress
from collections.abc import Iterable

from google.protobuf.struct_pb2 import Value

from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.handlers import validate_port
from control_plane.apiserver.validation.selector import validate_selector
from proto.v1.network_pb2 import (
    IPBlock,
    NetworkPolicy,
    NetworkPolicyEgressRule,
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    PeerSlice,
)

MOST = 100  # addresses in a slice


def validate_policy(policy: NetworkPolicy) -> list[Cause]:
    spec = policy.spec
    found = validate_selector(spec.podSelector, "spec.podSelector")
    for index, rule in enumerate(spec.ingress):
        found += _rule(rule, getattr(rule, "from"), f"spec.ingress[{index}]", "from")
    for index, out in enumerate(spec.egress):
        found += _rule(out, out.to, f"spec.egress[{index}]", "to")
    if len(spec.policyTypes) > 2:
        told = "may not specify more than two policyTypes"
        found.append(causes.invalid("spec.policyTypes", list(spec.policyTypes), told))
    return found


def validate_peers(slice: PeerSlice) -> list[Cause]:
    """Either one namespace or a selector of namespaces; and no more than a slice holds."""
    found = validate_selector(slice.peers.podSelector, "peers.podSelector")
    if slice.peers.HasField("namespaceSelector"):
        found += validate_selector(slice.peers.namespaceSelector, "peers.namespaceSelector")
        if slice.peers.namespace:
            told = "may not be specified together with `namespaceSelector`"
            found.append(causes.forbidden("peers.namespace", told))
    if len(slice.addresses) > MOST:
        found.append(causes.too_many("addresses", len(slice.addresses), MOST))
    return found


def _rule(
    rule: NetworkPolicyIngressRule | NetworkPolicyEgressRule,
    peers: Iterable[NetworkPolicyPeer],
    path: str,
    name: str,
) -> list[Cause]:
    found = []
    for index, port in enumerate(rule.ports):
        found += _port(port, f"{path}.ports[{index}]")
    for index, peer in enumerate(peers):
        found += _peer(peer, f"{path}.{name}[{index}]")
    return found


def _port(port: NetworkPolicyPort, path: str) -> list[Cause]:
    given: Value = port.port
    found = validate_port(given, f"{path}.port") if port.HasField("port") else []
    if not port.HasField("endPort") or found:
        return found
    place, end = f"{path}.endPort", port.endPort
    if not port.HasField("port"):
        told = "may not be specified when `port` is not specified"
        return [causes.invalid(place, end, told)]
    if given.WhichOneof("kind") == "string_value":
        told = "may not be specified when `port` is non-numeric"
        return [causes.invalid(place, end, told)]
    if end < given.number_value:
        return [causes.invalid(place, end, "must be greater than or equal to `port`")]
    return []


def _peer(peer: NetworkPolicyPeer, path: str) -> list[Cause]:
    found = []
    given = 0
    for name in ("podSelector", "namespaceSelector"):
        if peer.HasField(name):
            found += validate_selector(getattr(peer, name), f"{path}.{name}")
            given += 1
    if peer.HasField("ipBlock"):
        if given:
            told = "may not specify both ipBlock and another peer"
            return [*found, causes.forbidden(path, told)]
        return _block(peer.ipBlock, f"{path}.ipBlock")
    return found if given else [causes.required(path, "must specify a peer")]


def _block(block: IPBlock, path: str) -> list[Cause]:
    """Its own form is a rule of the field."""
    whole = _network(block.cidr)
    if whole is None:
        return []
    found = []
    for index, text in enumerate(getattr(block, "except")):
        place, part = f"{path}.except[{index}]", _network(text)
        if part is None:
            told = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
            found.append(causes.invalid(place, text, told))
        elif part.version != whole.version or not _within(part, whole):
            told = f'must be a strict subset of `cidr`: "{block.cidr}"'
            found.append(causes.invalid(place, text, told))
    return found


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(text: str) -> Network | None:
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def _within(part: Network, whole: Network) -> bool:
    inside = part.network_address in whole
    return inside and part.prefixlen > whole.prefixlen
