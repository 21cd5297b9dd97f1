"""From Service and EndpointSlices to frontends and backends. Pure; which addresses and ports, and who answers there.

https://kubernetes.io/docs/reference/networking/virtual-ips/ (S#81, S#82, S#84, S#85, S#87)
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv4Network

from node_agent.network.proxy.model import Backend, Frontend, Policy
from proto.v1.network_pb2 import Endpoint, EndpointSlice, Service, ServicePort

AFFINITY = 10800  # seconds that clients stay with their pod when the service does not say
SERVICE_NAME = "kubernetes.io/service-name"  # the label of a slice that says whose it is
OTHER_PROXY = (
    "service.kubernetes.io/service-proxy-name"  # the label of services that somebody else leads
)


@dataclass(frozen=True)
class _Candidate:
    """A backend and its state."""

    backend: Backend
    ready: bool
    leaving: bool  # terminating, but it still answers


def has_address(service: Service) -> bool:
    """Neither headless nor a mere name, and ours to lead."""
    spec = service.spec
    if spec.type == "ExternalName" or OTHER_PROXY in service.metadata.labels:
        return False
    return _is_ipv4(spec.clusterIP)


def frontends(service: Service, slices: Iterable[EndpointSlice], node: str) -> list[Frontend]:
    """All frontends of the service, on the node of this name."""
    if not has_address(service):
        return []
    slices = [one for one in slices if one.addressType in ("", "IPv4")]
    found = []
    for port in service.spec.ports:
        candidates = list(_candidates(port, slices, node))
        everyone = _chosen(candidates, lambda backend: True)
        near = _chosen(candidates, lambda backend: backend.here)
        found += [_frontend(service, port, way, everyone, near) for way in _ways(service, port)]
    return found


@dataclass(frozen=True)
class _Way:
    """One address and port under which a port of a service is reached."""

    address: str
    port: int
    external: bool
    sources: tuple[str, ...] = ()


def _ways(service: Service, port: ServicePort) -> Iterator[_Way]:
    spec = service.spec
    yield _Way(spec.clusterIP, port.port, external=False)
    for address in spec.externalIPs:
        if _is_ipv4(address):
            yield _Way(address, port.port, external=True)
    if spec.type == "LoadBalancer":
        sources = tuple(sorted(filter(_is_ipv4_network, spec.loadBalancerSourceRanges)))
        for ingress in service.status.loadBalancer.ingress:
            if _is_ipv4(ingress.ip) and ingress.ipMode != "Proxy":
                yield _Way(ingress.ip, port.port, external=True, sources=sources)
    if spec.type in ("NodePort", "LoadBalancer") and port.nodePort:
        yield _Way("", port.nodePort, external=True)


def _frontend(
    service: Service,
    port: ServicePort,
    way: _Way,
    everyone: frozenset[Backend],
    near: frozenset[Backend],
) -> Frontend:
    spec = service.spec
    policy: Policy = "all"
    if way.external and spec.externalTrafficPolicy == "Local":
        policy = "split"
    elif not way.external and spec.internalTrafficPolicy == "Local":
        policy = "near"
    protocol = (port.protocol or "TCP").lower()
    return Frontend(
        *(way.address, protocol, way.port, everyone, near, policy, _sticky(service), way.sources),
        alone=not way.external,
    )


def _sticky(service: Service) -> int:
    if service.spec.sessionAffinity != "ClientIP":
        return 0
    return service.spec.sessionAffinityConfig.clientIP.timeoutSeconds or AFFINITY


def _candidates(
    port: ServicePort, slices: Iterable[EndpointSlice], node: str
) -> Iterator[_Candidate]:
    for one in slices:
        for theirs in one.ports:
            same = (theirs.protocol or "TCP") == (port.protocol or "TCP")
            if same and theirs.name == port.name and theirs.port:
                for endpoint in one.endpoints:
                    if endpoint.addresses and _is_ipv4(endpoint.addresses[0]):
                        yield _candidate(endpoint, theirs.port, node)


def _candidate(endpoint: Endpoint, port: int, node: str) -> _Candidate:
    ready, serving, terminating = conditions(endpoint)
    backend = Backend(endpoint.addresses[0], port, endpoint.nodeName == node)
    return _Candidate(backend, ready, serving and terminating)


def conditions(endpoint: Endpoint) -> tuple[bool, bool, bool]:
    """ready, serving, terminating; with what holds where nothing is said."""
    said = endpoint.conditions
    ready = said.ready if said.HasField("ready") else True
    return ready, said.serving if said.HasField("serving") else ready, said.terminating


def _chosen(candidates: list[_Candidate], counts: Callable[[Backend], bool]) -> frozenset[Backend]:
    """Those that are ready; if none is, those that are about to go and still answer: better than nobody."""
    those = [one for one in candidates if counts(one.backend)]
    ready = frozenset(one.backend for one in those if one.ready)
    return ready or frozenset(one.backend for one in those if one.leaving)


def _is_ipv4(address: str) -> bool:
    try:
        IPv4Address(address)
    except AddressValueError:
        return False
    return True


def _is_ipv4_network(network: str) -> bool:
    try:
        IPv4Network(network, strict=False)
    except ValueError:
        return False
    return True
