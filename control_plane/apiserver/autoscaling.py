"""The strategies of autoscalers, and of what they go by."""

from control_plane.apiserver.defaults_autoscaling import default_autoscaler
from control_plane.apiserver.hooks import strategy
from control_plane.apiserver.printers import autoscaling as printer
from control_plane.apiserver.validation.autoscaling import validate_autoscaler
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, NodeMetrics, PodMetrics

STRATEGIES = (
    strategy(
        HorizontalPodAutoscaler,
        validate_autoscaler,
        default=default_autoscaler,
        columns=printer.AUTOSCALER_COLUMNS,
        row=printer.autoscaler_row,
    ),
    strategy(PodMetrics, columns=printer.METRICS_COLUMNS, row=printer.pod_metrics_row),
    strategy(NodeMetrics, columns=printer.METRICS_COLUMNS, row=printer.node_metrics_row),
)
