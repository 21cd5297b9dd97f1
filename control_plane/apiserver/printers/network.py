"""The rows of Services, EndpointSlices, Ingresses, IngressClasses and NetworkPolicies, as kubectl prints them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from api import services
from control_plane.apiserver.printers.cells import AGE, NAME, NONE, age
from control_plane.apiserver.printers.workloads import label_text, selector_text
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.network_pb2 import (
    EndpointSlice,
    Ingress,
    IngressClass,
    NetworkPolicy,
    PeerSlice,
    Service,
)

UNSET, PENDING = "<unset>", "<pending>"
SHOWN = 3  # ports, addresses, hosts of one object
NARROW = 16  # characters of an address that is not asked for with `-o wide`

SERVICE_COLUMNS = (
    NAME,
    Column("Type", description="From where it can be reached."),
    Column("Cluster-IP", description="Its address in the cluster."),
    Column("External-IP", description="Under which addresses or name it is reached from outside."),
    Column("Port(s)", description="Its ports, and after a colon those of the nodes."),
    AGE,
    Column("Selector", wide=True, description="The labels of the pods behind it."),
)
SLICE_COLUMNS = (
    NAME,
    Column("AddressType", description="IPv4, IPv6 or FQDN."),
    Column("Ports", description="The ports of every endpoint."),
    Column("Endpoints", description="The addresses of those who stand behind the service."),
    AGE,
)
INGRESS_COLUMNS = (
    NAME,
    Column("Class", description="Who serves it."),
    Column("Hosts", description="The hosts that it has rules for."),
    Column("Address", description="Where it is reached."),
    Column("Ports", description="With a certificate 443, too."),
    AGE,
)
CLASS_COLUMNS = (
    NAME,
    Column("Controller", description="Who serves ingresses of this class."),
    Column("Parameters", description="What that one is told besides."),
    AGE,
)
POLICY_COLUMNS = (NAME, Column("Pod-Selector", description="The pods that it is about."), AGE)

PEERS_COLUMNS = (
    NAME,
    Column(
        "Namespaces",
        description="The namespace, or the selector of namespaces, of those that are meant.",
    ),
    Column("Pod-Selector", description="Which pods of these are meant."),
    Column("Addresses", description="Where they are."),
    AGE,
)


def service_row(service: Service, now: datetime) -> Sequence[Cell]:
    spec, meta = service.spec, service.metadata
    return (
        meta.name,
        spec.type,
        spec.clusterIP or NONE,
        external_address(service),
        services.shown_ports(service) or NONE,
        age(meta.creationTimestamp, now),
        label_text(spec.selector),
    )


def external_address(service: Service) -> str:
    spec = service.spec
    if spec.type == services.EXTERNAL_NAME:
        return spec.externalName
    balancer = [each.ip or each.hostname for each in service.status.loadBalancer.ingress]
    if spec.type == services.LOAD_BALANCER:
        shown = _narrow(",".join(balancer))
        return ",".join(part for part in (shown, *spec.externalIPs) if part) or PENDING
    return ",".join(spec.externalIPs) or NONE


def slice_row(slice: EndpointSlice, now: datetime) -> Sequence[Cell]:
    meta = slice.metadata
    ports = [str(port.port) if port.HasField("port") else "*" for port in slice.ports]
    addresses = [address for each in slice.endpoints for address in each.addresses]
    return (
        meta.name,
        slice.addressType,
        _some(ports) or UNSET,
        _some(addresses) or UNSET,
        age(meta.creationTimestamp, now),
    )


def ingress_row(ingress: Ingress, now: datetime) -> Sequence[Cell]:
    spec, meta = ingress.spec, ingress.metadata
    addresses = [each.ip or each.hostname for each in ingress.status.loadBalancer.ingress]
    return (
        meta.name,
        spec.ingressClassName or NONE,
        _some([rule.host for rule in spec.rules if rule.host]) or "*",
        _narrow(",".join(addresses)),
        "80, 443" if spec.tls else "80",
        age(meta.creationTimestamp, now),
    )


def class_row(ingress_class: IngressClass, now: datetime) -> Sequence[Cell]:
    spec, meta = ingress_class.spec, ingress_class.metadata
    return meta.name, spec.controller, _parameters(ingress_class), age(meta.creationTimestamp, now)


def _parameters(ingress_class: IngressClass) -> str:
    if not ingress_class.spec.HasField("parameters"):
        return NONE
    given = ingress_class.spec.parameters
    kind = f"{given.kind}.{given.apiGroup}" if given.HasField("apiGroup") else given.kind
    return f"{kind}/{given.name}"


def policy_row(policy: NetworkPolicy, now: datetime) -> Sequence[Cell]:
    meta = policy.metadata
    return meta.name, selector_text(policy.spec.podSelector), age(meta.creationTimestamp, now)


def peers_row(slice: PeerSlice, now: datetime) -> Sequence[Cell]:
    meta, peers = slice.metadata, slice.peers
    return (
        meta.name,
        peers.namespace or selector_text(peers.namespaceSelector),
        selector_text(peers.podSelector),
        _some([each.ip for each in slice.addresses]) or UNSET,
        age(meta.creationTimestamp, now),
    )


def _some(texts: Iterable[str]) -> str:
    every = list(texts)
    shown = ",".join(every[:SHOWN])
    return f"{shown} + {len(every) - SHOWN} more..." if len(every) > SHOWN else shown


def _narrow(text: str) -> str:
    return text if len(text) <= NARROW else f"{text[:NARROW]}..."
