"""What Services, EndpointSlices, Ingresses and NetworkPolicies mean when they do not say (S#81, S#84, S#91)."""

from api import services
from control_plane.apiserver.defaults import default_type
from proto.v1.network_pb2 import (
    EndpointSlice,
    IngressClass,
    NetworkPolicy,
    Service,
    ServiceSpec,
)

AFFINITY_SECONDS = 10800  # three hours


def default_service(service: Service) -> None:
    default_type(service)
    spec = service.spec
    spec.type = spec.type or services.CLUSTER_IP
    _default_affinity(spec)
    for port in spec.ports:
        port.protocol = port.protocol or "TCP"
        if not services.target_port(port) or port.targetPort.WhichOneof("kind") is None:
            port.targetPort.number_value = port.port
    if spec.clusterIP and not spec.clusterIPs:
        spec.clusterIPs.append(spec.clusterIP)
    _default_policies(spec)
    for ingress in service.status.loadBalancer.ingress:
        if ingress.ip and not ingress.HasField("ipMode"):
            ingress.ipMode = "VIP"


def _default_affinity(spec: ServiceSpec) -> None:
    spec.sessionAffinity = spec.sessionAffinity or "None"
    if spec.sessionAffinity != "ClientIP":
        return
    config = spec.sessionAffinityConfig.clientIP
    if not config.HasField("timeoutSeconds"):
        config.timeoutSeconds = AFFINITY_SECONDS


def _default_policies(spec: ServiceSpec) -> None:
    if services.is_reached_from_outside(spec):
        spec.externalTrafficPolicy = spec.externalTrafficPolicy or "Cluster"
    if services.has_address(spec):
        if not spec.HasField("internalTrafficPolicy"):
            spec.internalTrafficPolicy = "Cluster"
        if not spec.HasField("ipFamilyPolicy"):
            spec.ipFamilyPolicy = "SingleStack"
        if not spec.ipFamilies:
            spec.ipFamilies.append("IPv4")
    asks = spec.HasField("allocateLoadBalancerNodePorts")
    if spec.type == services.LOAD_BALANCER and not asks:
        spec.allocateLoadBalancerNodePorts = True


def default_slice(slice: EndpointSlice) -> None:
    default_type(slice)
    for port in slice.ports:
        if not port.HasField("name"):
            port.name = ""
        if not port.HasField("protocol"):
            port.protocol = "TCP"


def default_class(ingress_class: IngressClass) -> None:
    default_type(ingress_class)
    spec = ingress_class.spec
    if spec.HasField("parameters") and not spec.parameters.HasField("scope"):
        spec.parameters.scope = "Cluster"


def default_policy(policy: NetworkPolicy) -> None:
    """Rules for a direction mean that the policy is about it; for what comes in, it always is."""
    default_type(policy)
    spec = policy.spec
    if not spec.policyTypes:
        spec.policyTypes.extend(("Ingress", "Egress") if spec.egress else ("Ingress",))
    incoming = [port for rule in spec.ingress for port in rule.ports]
    outgoing = [port for rule in spec.egress for port in rule.ports]
    for port in (*incoming, *outgoing):
        if not port.HasField("protocol"):
            port.protocol = "TCP"
