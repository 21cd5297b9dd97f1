"""What becomes of a Service's addresses and ports when it changes, and what of it may not change (S#81, S#82).

A client that leaves out what the server has chosen keeps it. Whoever changes the type and leaves the rest as it was
means the rest to follow: an address, a node port, a policy that the new type has no use for is let go.
https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types
"""

from collections.abc import Callable

from api import services
from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.network_pb2 import Service, ServiceSpec


def keep_and_let_go(new: Service, old: Service) -> None:
    """Changes the new service into what its client means."""
    _normalise(new.spec, old.spec)
    _keep(new.spec, old.spec)
    _let_go(new.spec, old.spec)
    if new.spec.type != services.LOAD_BALANCER and new.status.HasField("loadBalancer"):
        new.status.ClearField("loadBalancer")


def _normalise(new: ServiceSpec, old: ServiceSpec) -> None:
    """Who changes clusterIP alone means the list as well."""
    if new.clusterIP != old.clusterIP and new.clusterIPs == old.clusterIPs:
        new.ClearField("clusterIPs")
        if new.clusterIP:
            new.clusterIPs.append(new.clusterIP)


def _keep(new: ServiceSpec, old: ServiceSpec) -> None:
    if services.has_address(new) and services.has_address(old):
        new.clusterIP = new.clusterIP or old.clusterIP
        if not new.clusterIPs and new.clusterIP == old.clusterIP:
            new.clusterIPs.extend(old.clusterIPs)
    if services.has_node_ports(new) and services.has_node_ports(old):
        _keep_node_ports(new, old)
    if services.has_health_check(new) and services.has_health_check(old):
        new.healthCheckNodePort = new.healthCheckNodePort or old.healthCheckNodePort


def _keep_node_ports(new: ServiceSpec, old: ServiceSpec) -> None:
    """A port is the same port as long as its protocol and its number are."""
    before = {(port.protocol, port.port): port.nodePort for port in old.ports}
    asked = {(port.protocol, port.nodePort) for port in new.ports if port.nodePort}
    for port in new.ports:
        known = before.get((port.protocol, port.port), 0)
        if not port.nodePort and known and (port.protocol, known) not in asked:
            port.nodePort = known


def _let_go(new: ServiceSpec, old: ServiceSpec) -> None:
    if not services.has_address(new) and services.has_address(old):
        if new.clusterIP == old.clusterIP and new.clusterIPs == old.clusterIPs:
            new.ClearField("clusterIP")
            new.ClearField("clusterIPs")
        _drop(new, old, "ipFamilies", "ipFamilyPolicy", "internalTrafficPolicy")
    if services.has_node_ports(old) and not services.has_node_ports(new):
        _let_node_ports_go(new, old)
    for holds, names in _HOLDERS:
        if holds(old) and not holds(new):
            _drop(new, old, *names)


def _let_node_ports_go(new: ServiceSpec, old: ServiceSpec) -> None:
    if [port.nodePort for port in new.ports] == [port.nodePort for port in old.ports]:
        for port in new.ports:
            port.nodePort = 0


def _drop(new: ServiceSpec, old: ServiceSpec, *names: str) -> None:
    """What was not touched goes; what was, is refused by the rules."""
    for name in names:
        if getattr(new, name) == getattr(old, name):
            new.ClearField(name)


def _is_balancer(spec: ServiceSpec) -> bool:
    return spec.type == services.LOAD_BALANCER


# Who has these fields.
_HOLDERS: tuple[tuple[Callable[[ServiceSpec], bool], tuple[str, ...]], ...] = (
    (services.has_health_check, ("healthCheckNodePort",)),
    (services.is_reached_from_outside, ("externalTrafficPolicy",)),
    (
        _is_balancer,
        ("allocateLoadBalancerNodePorts", "loadBalancerClass", "loadBalancerSourceRanges"),
    ),
    (lambda spec: spec.type == services.EXTERNAL_NAME, ("externalName",)),
    (lambda spec: spec.sessionAffinity == "ClientIP", ("sessionAffinityConfig",)),
)


def validate_service_update(new: Service, old: Service) -> list[Cause]:
    """Of services as `keep_and_let_go` leaves them."""
    ours, theirs = new.spec, old.spec
    found = []
    both = services.has_address(ours) and services.has_address(theirs)
    if both and theirs.clusterIP and ours.clusterIP != theirs.clusterIP:
        told = "may not change once set"
        found.append(causes.invalid("spec.clusterIPs[0]", list(ours.clusterIPs), told))
    both = services.has_health_check(ours) and services.has_health_check(theirs)
    if both and ours.healthCheckNodePort != theirs.healthCheckNodePort:
        told = "field is immutable"
        found.append(causes.invalid("spec.healthCheckNodePort", ours.healthCheckNodePort, told))
    both = _is_balancer(ours) and _is_balancer(theirs)
    if both and ours.loadBalancerClass != theirs.loadBalancerClass:
        told = "may not change once set"
        found.append(causes.invalid("spec.loadBalancerClass", ours.loadBalancerClass, told))
    return found
