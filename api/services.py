"""What a Service is, to all who read one: the server, the controller of its EndpointSlices, agents, programs.

https://kubernetes.io/docs/concepts/services-networking/service/
"""

from google.protobuf.struct_pb2 import Value

from proto.v1.network_pb2 import Service, ServicePort, ServiceSpec

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = (
    "ClusterIP",
    "NodePort",
    "LoadBalancer",
    "ExternalName",
)
NO_ADDRESS = "None"  # the clusterIP of a headless service

# Labels of EndpointSlices: whose they are, who keeps them, and that the service is headless.
SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
CONTROLLER = "endpointslice-controller.k8s.io"
HEADLESS = "service.kubernetes.io/headless"

# A Service's label: who leads its packets, and the nodes' proxies do not. They would refuse those of a service without
# endpoints, as kube-dns is: each node has its address.
OTHER_PROXY = "service.kubernetes.io/service-proxy-name"

# Services that every cluster has: the API server (the first address of the range), and the name server (the tenth).
KUBERNETES = ("default", "kubernetes")
KUBE_DNS = ("kube-system", "kube-dns")


def has_address(spec: ServiceSpec) -> bool:
    """Whether it has, or may get, an address of the cluster; "None" is one, too."""
    return spec.type != EXTERNAL_NAME


def is_headless(spec: ServiceSpec) -> bool:
    return has_address(spec) and spec.clusterIP == NO_ADDRESS


def virtual_address(spec: ServiceSpec) -> str:
    """Where clients in the cluster connect to; empty: there is no such address."""
    return "" if not has_address(spec) or spec.clusterIP == NO_ADDRESS else spec.clusterIP


def has_node_ports(spec: ServiceSpec) -> bool:
    """Whether every node offers its ports."""
    if spec.type == LOAD_BALANCER:
        wanted = spec.allocateLoadBalancerNodePorts
        return not spec.HasField("allocateLoadBalancerNodePorts") or wanted
    return spec.type == NODE_PORT


def has_health_check(spec: ServiceSpec) -> bool:
    """Whether a load balancer asks each node if it has pods of its own."""
    return spec.type == LOAD_BALANCER and spec.externalTrafficPolicy == "Local"


def is_reached_from_outside(spec: ServiceSpec) -> bool:
    if spec.type in (NODE_PORT, LOAD_BALANCER):
        return True
    return spec.type == CLUSTER_IP and bool(spec.externalIPs)


def target_port(port: ServicePort) -> int | str:
    """A number, or the name of a container's port. Not set: the port itself."""
    value: Value = port.targetPort
    if value.WhichOneof("kind") == "string_value":
        return value.string_value
    return int(value.number_value) or port.port


def shown_ports(service: Service) -> str:
    """As tables show them: "80/TCP,443:30443/TCP"."""
    return ",".join(
        f"{port.port}:{port.nodePort}/{port.protocol}"
        if port.nodePort
        else f"{port.port}/{port.protocol}"
        for port in service.spec.ports
    )
