"""A pod as an endpoint of a Service: its address, on which ports, and whether connections may go there. Pure.

A pod is an endpoint from the moment it has an address until its containers have ended for good. Ready is what decides
about new connections; a pod that is being deleted is not ready any more, whatever its probe says, and may still be
serving: who has nobody better may use it (4g).
https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#conditions
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from api import services
from control_plane.controllers import pods
from proto.v1.meta_pb2 import ObjectReference
from proto.v1.network_pb2 import Endpoint, EndpointPort, Service, ServicePort
from proto.v1.pod_pb2 import Pod

# The ports of a slice, so that pods whose named ports differ come into different slices.
PortSet = tuple[tuple[str, str, int, str], ...]  # name, protocol, number, appProtocol
NO_PORTS: PortSet = ()


@dataclass(frozen=True)
class Member:
    """A pod that belongs behind the service."""

    identity: str  # the pod's uid
    ports: PortSet
    endpoint: Endpoint


def members(service: Service, chosen: Iterable[Pod], zones: Mapping[str, str]) -> Iterator[Member]:
    """`chosen`: the pods that the selector fits. `zones`: of nodes, by name."""
    for pod in sorted(chosen, key=_age):
        if pod.status.podIP and not pods.is_over(pod):
            yield Member(pod.metadata.uid, _ports(service, pod), _endpoint(service, pod, zones))


def _age(pod: Pod) -> tuple[int, int, str]:
    created = pod.metadata.creationTimestamp
    return created.seconds, created.nanos, pod.metadata.name


def _endpoint(service: Service, pod: Pod, zones: Mapping[str, str]) -> Endpoint:
    meta = pod.metadata
    made = Endpoint(addresses=[pod.status.podIP])
    serving, terminating = pods.is_ready(pod), pods.is_ending(pod)
    conditions = made.conditions
    conditions.ready = service.spec.publishNotReadyAddresses or (serving and not terminating)
    conditions.serving, conditions.terminating = serving, terminating
    made.targetRef.CopyFrom(
        ObjectReference(kind="Pod", namespace=meta.namespace, name=meta.name, uid=meta.uid)
    )
    if node := pod.spec.nodeName:
        made.nodeName = node
        if zone := zones.get(node, ""):
            made.zone = zone
    if pod.spec.hostname and pod.spec.subdomain == service.metadata.name:
        made.hostname = pod.spec.hostname
    return made


def _ports(service: Service, pod: Pod) -> PortSet:
    """What the pod has no port for is left out."""
    found = ((port, number_of(port, pod)) for port in service.spec.ports)
    return tuple(
        (port.name, port.protocol, number, port.appProtocol) for port, number in found if number
    )


def number_of(port: ServicePort, pod: Pod) -> int:
    """Of a port of the service in this pod; 0: the pod has none of that name."""
    target = services.target_port(port)
    if isinstance(target, int):
        return target
    for container in pods.lasting_containers(pod):
        for each in container.ports:
            if each.name == target and (each.protocol or "TCP") == port.protocol:
                return each.containerPort
    return 0


def written(ports: PortSet) -> list[EndpointPort]:
    made = []
    for name, protocol, number, app in ports:
        port = EndpointPort(name=name, protocol=protocol, port=number)
        if app:
            port.appProtocol = app
        made.append(port)
    return made


def read(ports: Iterable[EndpointPort]) -> PortSet:
    return tuple((port.name, port.protocol, port.port, port.appProtocol) for port in ports)


def concerns(old: Pod, new: Pod) -> bool:
    """Whether the change shows in any slice; most reports of a node do not."""
    return _face(old) != _face(new) or dict(old.metadata.labels) != dict(new.metadata.labels)


def _face(pod: Pod) -> tuple[object, ...]:
    return (
        pod.metadata.uid,
        pod.status.podIP,
        pod.spec.nodeName,
        pods.is_ready(pod),
        pods.is_ending(pod),
        pods.is_over(pod),
    )
