"""From EndpointSlices to the addresses that a backend's requests go to. Pure.

Requests go straight to the pods and not through the service's own address: a connection through that is led to a pod
once, and the proxy would keep using it for new requests after the pod has been told to end. So each request is given
to a pod that is ready now (docs/adr/0015-ingress.md).
"""

from collections.abc import Iterable, Iterator

from node_agent.network.ingress.model import Address, Backend
from proto.v1.network_pb2 import Endpoint, EndpointSlice


def addresses(backend: Backend, slices: Iterable[EndpointSlice]) -> frozenset[Address]:
    """The pods that are ready; if none is, those that are about to go and still answer: better than nobody."""
    candidates = list(_candidates(backend, slices))
    ready = frozenset(address for address, endpoint in candidates if is_ready(endpoint))
    return ready or frozenset(address for address, endpoint in candidates if _lingers(endpoint))


def _candidates(
    backend: Backend, slices: Iterable[EndpointSlice]
) -> Iterator[tuple[Address, Endpoint]]:
    for each in slices:
        if each.addressType not in ("", "IPv4"):
            continue
        for port in each.ports:
            if port.name == backend.port and port.protocol in ("", "TCP") and port.port:
                for endpoint in each.endpoints:
                    if endpoint.addresses:
                        yield Address(endpoint.addresses[0], port.port), endpoint


def is_ready(endpoint: Endpoint) -> bool:
    """Where nothing is said, it is."""
    return endpoint.conditions.ready or not endpoint.conditions.HasField("ready")


def _lingers(endpoint: Endpoint) -> bool:
    said = endpoint.conditions
    serving = said.serving if said.HasField("serving") else is_ready(endpoint)
    return serving and said.terminating
