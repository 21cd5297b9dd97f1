"""Services: which fields go with which type, ports, addresses (S#81-S#84, S#87). Sentences as Kubernetes writes them.

What an update may not change is in service_update.py; whether an address is free, in control_plane/apiserver/ranges/.
"""

from api import names, services
from api.errors import Cause
from control_plane.apiserver.validation import causes, formats
from control_plane.apiserver.validation.addresses import validate_address, validate_cidr
from control_plane.apiserver.validation.handlers import validate_port
from control_plane.apiserver.validation.meta import validate_labels
from proto.v1.network_pb2 import Service, ServicePort, ServiceSpec

KUBELET_PORT = 10250
DISTRIBUTIONS = ("PreferClose", "PreferSameZone", "PreferSameNode")


def validate_service(service: Service) -> list[Cause]:
    spec = service.spec
    return [
        *_by_type(spec),
        *_ports(spec),
        *validate_labels(spec.selector, "spec.selector"),
        *_affinity(spec),
        *_cluster_ips(spec),
        *_families(spec),
        *_external_ips(spec),
        *_policies(spec),
        *_balancer(spec),
        *validate_balancer_status(service),
    ]


def _by_type(spec: ServiceSpec) -> list[Cause]:
    found = []
    outside = spec.type in (services.NODE_PORT, services.LOAD_BALANCER)
    if outside and services.is_headless(spec):
        told = f"may not be set to 'None' for {spec.type} services"
        found.append(causes.invalid("spec.clusterIPs[0]", services.NO_ADDRESS, told))
    if spec.type == services.LOAD_BALANCER:
        told = f"may not expose port {KUBELET_PORT} externally since it is used by kubelet"
        found += [
            causes.invalid(f"spec.ports[{index}]", port.port, told)
            for index, port in enumerate(spec.ports)
            if port.port == KUBELET_PORT
        ]
    if spec.type == services.EXTERNAL_NAME:
        found += _external_name(spec)
    elif not spec.ports and not services.is_headless(spec):
        found.append(causes.required("spec.ports"))
    return found


def _external_name(spec: ServiceSpec) -> list[Cause]:
    found = []
    if spec.clusterIP or spec.clusterIPs:
        told = "may not be set when the type is 'ExternalName'"
        found.append(causes.forbidden("spec.clusterIPs", told))
    name = spec.externalName
    if not name:
        return [*found, causes.required("spec.externalName")]
    problems = names.dns_subdomain(name.removesuffix("."))
    return found + [causes.invalid("spec.externalName", name, each) for each in problems]


def _ports(spec: ServiceSpec) -> list[Cause]:
    found: list[Cause] = []
    seen_names: set[str] = set()
    seen_ports: set[tuple[str, int]] = set()
    seen_nodes: set[tuple[str, int]] = set()
    for index, port in enumerate(spec.ports):
        path = f"spec.ports[{index}]"
        found += _port(spec, port, path)
        if port.name and port.name in seen_names:
            found.append(causes.duplicate(f"{path}.name", port.name))
        if (port.protocol, port.port) in seen_ports:
            found.append(
                causes.duplicate(path, ServicePort(protocol=port.protocol, port=port.port))
            )
        if port.nodePort and (port.protocol, port.nodePort) in seen_nodes:
            found.append(causes.duplicate(f"{path}.nodePort", port.nodePort))
        seen_names.add(port.name)
        seen_ports.add((port.protocol, port.port))
        seen_nodes.add((port.protocol, port.nodePort))
    return found


def _port(spec: ServiceSpec, port: ServicePort, path: str) -> list[Cause]:
    found = validate_port(port.targetPort, f"{path}.targetPort") if port.port else []
    if len(spec.ports) > 1 and not port.name:
        found.append(causes.required(f"{path}.name"))
    if port.nodePort and spec.type in (services.CLUSTER_IP, services.EXTERNAL_NAME):
        told = f"may not be used when `type` is '{spec.type}'"
        found.append(causes.forbidden(f"{path}.nodePort", told))
    if port.HasField("appProtocol"):
        place = f"{path}.appProtocol"
        problems = names.qualified_name(port.appProtocol)
        found += [causes.invalid(place, port.appProtocol, each) for each in problems]
    return found


def _affinity(spec: ServiceSpec) -> list[Cause]:
    if spec.sessionAffinity == "None" and spec.HasField("sessionAffinityConfig"):
        told = "must not be set when session affinity is None"
        return [causes.forbidden("spec.sessionAffinityConfig", told)]
    return []


def _cluster_ips(spec: ServiceSpec) -> list[Cause]:
    given, path = list(spec.clusterIPs), "spec.clusterIPs"
    if given and not spec.clusterIP:
        told = "primary clusterIP must be set when clusterIPs is set"
        return [causes.required("spec.clusterIP", told)]
    found = []
    if given and given[0] != spec.clusterIP:
        told = "first value must match `clusterIP`"
        found.append(causes.invalid(path, given, told))
    if len(given) > 1 and services.NO_ADDRESS in given:
        told = "'None' must be the first and only value"
        return [*found, causes.invalid(path, given, told)]
    if len(given) > 1:
        found.append(causes.invalid(path, given, "may only hold one value: only IPv4 is served"))
    if services.is_headless(spec) or not services.has_address(spec):
        return found
    for index, text in enumerate(given):
        place = f"{path}[{index}]"
        found += [causes.invalid(place, text, problem) for problem in formats.ip(text)]
    return found


def _families(spec: ServiceSpec) -> list[Cause]:
    if not services.has_address(spec):
        told = "may not be set for ExternalName services"
        given = (("ipFamilies", bool(spec.ipFamilies)),
                 ("ipFamilyPolicy", spec.HasField("ipFamilyPolicy")))  # fmt: skip
        return [causes.forbidden(f"spec.{name}", told) for name, is_set in given if is_set]
    found = []
    if spec.ipFamilyPolicy == "RequireDualStack":
        told = "this cluster is not configured for dual-stack services"
        found.append(causes.invalid("spec.ipFamilyPolicy", spec.ipFamilyPolicy, told))
    for index, family in enumerate(spec.ipFamilies):
        place = f"spec.ipFamilies[{index}]"
        if family not in ("IPv4", "IPv6"):
            found.append(causes.unsupported(place, family, ("IPv4", "IPv6")))
        elif family != "IPv4":
            found.append(causes.invalid(place, family, "not configured on this cluster"))
    return found


def _external_ips(spec: ServiceSpec) -> list[Cause]:
    return [
        cause
        for index, text in enumerate(spec.externalIPs)
        for cause in validate_address(text, f"spec.externalIPs[{index}]")
    ]


def _policies(spec: ServiceSpec) -> list[Cause]:
    """From where traffic may come, and to which pods it goes."""
    found = []
    if spec.externalTrafficPolicy and not services.is_reached_from_outside(spec):
        told = "may only be set for externally-accessible services"
        found.append(causes.invalid("spec.externalTrafficPolicy", spec.externalTrafficPolicy, told))
    if spec.healthCheckNodePort and not services.has_health_check(spec):
        told = (
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        )
        found.append(causes.invalid("spec.healthCheckNodePort", spec.healthCheckNodePort, told))
    if spec.HasField("internalTrafficPolicy") and not services.has_address(spec):
        told = "may not be set for ExternalName services"
        found.append(causes.forbidden("spec.internalTrafficPolicy", told))
    wish = spec.trafficDistribution
    if spec.HasField("trafficDistribution") and wish not in DISTRIBUTIONS:
        found.append(causes.unsupported("spec.trafficDistribution", wish, DISTRIBUTIONS))
    return found


def _balancer(spec: ServiceSpec) -> list[Cause]:
    """What only services of the type LoadBalancer have."""
    if spec.type == services.LOAD_BALANCER:
        found = []
        for index, text in enumerate(spec.loadBalancerSourceRanges):
            found += validate_cidr(text.strip(), f"spec.loadBalancerSourceRanges[{index}]")
        for problem in names.qualified_name(spec.loadBalancerClass or "a"):
            place = "spec.loadBalancerClass"
            found.append(causes.invalid(place, spec.loadBalancerClass, problem))
        return found
    told = "may only be used when `type` is 'LoadBalancer'"
    given = (
        ("loadBalancerSourceRanges", bool(spec.loadBalancerSourceRanges)),
        ("allocateLoadBalancerNodePorts", spec.HasField("allocateLoadBalancerNodePorts")),
        ("loadBalancerClass", spec.HasField("loadBalancerClass")),
    )
    return [causes.forbidden(f"spec.{name}", told) for name, is_set in given if is_set]


def validate_balancer_status(service: Service) -> list[Cause]:
    """Also on the way through the subresource "status"."""
    path = "status.loadBalancer.ingress"
    if not service.status.loadBalancer.ingress:
        return []
    if service.spec.type != services.LOAD_BALANCER:
        told = 'may only be used when `spec.type` is "LoadBalancer"'
        return [causes.forbidden(path, told)]
    found = []
    for index, ingress in enumerate(service.status.loadBalancer.ingress):
        for problem in names.dns_subdomain(ingress.hostname or "a"):
            place = f"{path}[{index}].hostname"
            found.append(causes.invalid(place, ingress.hostname, problem))
    return found
