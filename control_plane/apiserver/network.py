"""The strategies of Services, EndpointSlices, Ingresses, IngressClasses and NetworkPolicies."""

from api import kinds
from control_plane.apiserver import defaults_network as defaults
from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.hooks import (
    changed_object,
    changed_status,
    drop_status,
    keep_all_but_status,
    keep_status,
    metadata_fields,
    new_object,
)
from control_plane.apiserver.printers import network as printer
from control_plane.apiserver.strategy import Strategy, no_causes
from control_plane.apiserver.validation import endpointslice as slice_rules
from control_plane.apiserver.validation import ingress as ingress_rules
from control_plane.apiserver.validation import networkpolicy as policy_rules
from control_plane.apiserver.validation import service as service_rules
from control_plane.apiserver.validation import service_update
from proto.v1.network_pb2 import EndpointSlice, Ingress, IngressClass, NetworkPolicy, Service

_SERVICE, _SLICE = kinds.of(Service), kinds.of(EndpointSlice)
_INGRESS, _CLASS, _POLICY = kinds.of(Ingress), kinds.of(IngressClass), kinds.of(NetworkPolicy)


def prepare_service_update(new: Service, old: Service) -> None:
    keep_status(new, old)
    service_update.keep_and_let_go(new, old)


def service_fields(service: Service) -> dict[str, str]:
    spec = service.spec
    return {
        **metadata_fields(service),
        "spec.clusterIP": spec.clusterIP,
        "spec.type": spec.type,
    }


STRATEGIES = (
    Strategy(
        _SERVICE,
        default=defaults.default_service,
        prepare_create=drop_status,
        prepare_update=prepare_service_update,
        prepare_status=keep_all_but_status,
        validate=new_object(_SERVICE, service_rules.validate_service),
        validate_update=changed_object(
            _SERVICE, service_rules.validate_service, service_update.validate_service_update
        ),
        validate_status=changed_status(
            lambda new, old: service_rules.validate_balancer_status(new)
        ),
        selectable=service_fields,
        columns=printer.SERVICE_COLUMNS,
        row=printer.service_row,
    ),
    Strategy(
        _SLICE,
        default=defaults.default_slice,
        validate=new_object(_SLICE, slice_rules.validate_slice),
        validate_update=changed_object(
            _SLICE, slice_rules.validate_slice, slice_rules.validate_slice_update
        ),
        selectable=metadata_fields,
        columns=printer.SLICE_COLUMNS,
        row=printer.slice_row,
    ),
    Strategy(
        _INGRESS,
        default=default_type,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_INGRESS, ingress_rules.validate_new_ingress),
        validate_update=changed_object(_INGRESS, ingress_rules.validate_ingress),
        validate_status=changed_status(no_causes),
        selectable=metadata_fields,
        columns=printer.INGRESS_COLUMNS,
        row=printer.ingress_row,
    ),
    Strategy(
        _CLASS,
        default=defaults.default_class,
        validate=new_object(_CLASS, ingress_rules.validate_class),
        validate_update=changed_object(
            _CLASS, ingress_rules.validate_class, ingress_rules.validate_class_update
        ),
        selectable=lambda obj: {"metadata.name": obj.metadata.name},
        columns=printer.CLASS_COLUMNS,
        row=printer.class_row,
    ),
    Strategy(
        _POLICY,
        default=defaults.default_policy,
        validate=new_object(_POLICY, policy_rules.validate_policy),
        validate_update=changed_object(_POLICY, policy_rules.validate_policy),
        selectable=metadata_fields,
        columns=printer.POLICY_COLUMNS,
        row=printer.policy_row,
    ),
)
