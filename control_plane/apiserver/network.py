"""The strategies of Services, EndpointSlices, Ingresses, IngressClasses, NetworkPolicies and their PeerSlices."""

from api import kinds
from control_plane.apiserver import defaults_network as defaults
from control_plane.apiserver.hooks import keep_status, metadata_fields, new_object, strategy
from control_plane.apiserver.printers import network as printer
from control_plane.apiserver.validation import endpointslice as slice_rules
from control_plane.apiserver.validation import ingress as ingress_rules
from control_plane.apiserver.validation import networkpolicy as policy_rules
from control_plane.apiserver.validation import service as service_rules
from control_plane.apiserver.validation import service_update
from proto.v1.network_pb2 import (
    EndpointSlice,
    Ingress,
    IngressClass,
    NetworkPolicy,
    PeerSlice,
    Service,
)


def prepare_service_update(new: Service, old: Service) -> None:
    keep_status(new, old)
    service_update.keep_and_let_go(new, old)


def service_fields(service: Service) -> dict[str, str]:
    spec = service.spec
    return {**metadata_fields(service), "spec.clusterIP": spec.clusterIP, "spec.type": spec.type}


STRATEGIES = (
    strategy(
        Service,
        service_rules.validate_service,
        service_update.validate_service_update,
        status=lambda new, old: service_rules.validate_balancer_status(new),
        default=defaults.default_service,
        prepare_update=prepare_service_update,
        selectable=service_fields,
        columns=printer.SERVICE_COLUMNS,
        row=printer.service_row,
    ),
    strategy(
        EndpointSlice,
        slice_rules.validate_slice,
        slice_rules.validate_slice_update,
        default=defaults.default_slice,
        columns=printer.SLICE_COLUMNS,
        row=printer.slice_row,
    ),
    strategy(
        Ingress,
        ingress_rules.validate_ingress,
        validate=new_object(kinds.of(Ingress), ingress_rules.validate_new_ingress),
        columns=printer.INGRESS_COLUMNS,
        row=printer.ingress_row,
    ),
    strategy(
        IngressClass,
        ingress_rules.validate_class,
        ingress_rules.validate_class_update,
        default=defaults.default_class,
        columns=printer.CLASS_COLUMNS,
        row=printer.class_row,
    ),
    strategy(
        NetworkPolicy,
        policy_rules.validate_policy,
        default=defaults.default_policy,
        columns=printer.POLICY_COLUMNS,
        row=printer.policy_row,
    ),
    strategy(
        PeerSlice,
        policy_rules.validate_peers,
        columns=printer.PEERS_COLUMNS,
        row=printer.peers_row,
    ),
)
