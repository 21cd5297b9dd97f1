"""The variables by which a container finds Services without asking DNS (S#89). Pure.

Those of its own namespace, unless the pod says `enableServiceLinks: false`; and always those of the service
`kubernetes`, by which programs find the API server. Only services with an address of their own are told.
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

from collections.abc import Iterable, Iterator

from api import services
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod


def variables(known: Iterable[Service], pod: Pod) -> dict[str, str]:
    """Of the services that are known when the container starts."""
    chosen = {each.metadata.name: each for each in _chosen(known, pod)}
    return {key: value for name in sorted(chosen) for key, value in _of(chosen[name])}


def _chosen(known: Iterable[Service], pod: Pod) -> Iterator[Service]:
    """The pod's own namespace comes last: it may have a service `kubernetes` of its own."""
    there = {(each.metadata.namespace, each.metadata.name): each for each in known}
    if services.KUBERNETES in there:
        yield there[services.KUBERNETES]
    spec = pod.spec
    if spec.enableServiceLinks or not spec.HasField("enableServiceLinks"):
        namespace = pod.metadata.namespace
        yield from (each for (home, _), each in there.items() if home == namespace)


def _of(service: Service) -> Iterator[tuple[str, str]]:
    address = services.virtual_address(service.spec)
    if not address or not service.spec.ports:
        return
    prefix, ports = _name(service.metadata.name), service.spec.ports
    yield f"{prefix}_SERVICE_HOST", address
    yield f"{prefix}_SERVICE_PORT", str(ports[0].port)
    for port in ports:
        if port.name:
            yield f"{prefix}_SERVICE_PORT_{_name(port.name)}", str(port.port)
    for index, port in enumerate(ports):
        protocol = port.protocol.lower()
        url, one = (
            f"{protocol}://{address}:{port.port}",
            f"{prefix}_PORT_{port.port}_{protocol.upper()}",
        )
        if index == 0:
            yield f"{prefix}_PORT", url
        yield one, url
        yield f"{one}_PROTO", protocol
        yield f"{one}_PORT", str(port.port)
        yield f"{one}_ADDR", address


def _name(text: str) -> str:
    return text.upper().replace("-", "_")
