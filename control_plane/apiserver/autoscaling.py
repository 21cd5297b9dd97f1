"""The strategies of autoscalers, and of what they go by."""

from api import kinds
from control_plane.apiserver.defaults import default_type
from control_plane.apiserver.defaults_autoscaling import default_autoscaler
from control_plane.apiserver.hooks import (
    changed_object,
    changed_status,
    drop_status,
    keep_all_but_status,
    keep_status,
    metadata_fields,
    new_object,
)
from control_plane.apiserver.printers import autoscaling as printer
from control_plane.apiserver.strategy import Strategy, no_causes
from control_plane.apiserver.validation.autoscaling import validate_autoscaler
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, NodeMetrics, PodMetrics

_HPA = kinds.of(HorizontalPodAutoscaler)

STRATEGIES = (
    Strategy(
        _HPA,
        default=default_autoscaler,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_HPA, validate_autoscaler),
        validate_update=changed_object(_HPA, validate_autoscaler),
        validate_status=changed_status(no_causes),
        selectable=metadata_fields,
        columns=printer.AUTOSCALER_COLUMNS,
        row=printer.autoscaler_row,
    ),
    Strategy(
        kinds.of(PodMetrics),
        default=default_type,
        selectable=metadata_fields,
        columns=printer.METRICS_COLUMNS,
        row=printer.pod_metrics_row,
    ),
    Strategy(
        kinds.of(NodeMetrics),
        default=default_type,
        selectable=metadata_fields,
        columns=printer.METRICS_COLUMNS,
        row=printer.node_metrics_row,
    ),
)
