"""The rows of autoscalers, and of what they go by, as kubectl prints them."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from api import quantity
from control_plane.apiserver.printers.cells import AGE, NAME, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.policy_pb2 import (
    HorizontalPodAutoscaler,
    MetricStatus,
    MetricTarget,
    MetricValueStatus,
    NodeMetrics,
    PodMetrics,
)

UNKNOWN = "<unknown>"
SHOWN = 2  # metrics that fit into a row
AUTOSCALER_COLUMNS = (
    NAME,
    Column("Reference", description="What is scaled."),
    Column("Targets", description="What is used, and what should be."),
    Column("MinPods", "integer", description="Never fewer pods than this."),
    Column("MaxPods", "integer", description="Never more pods than this."),
    Column("Replicas", "integer", description="How many there are."),
    AGE,
)
METRICS_COLUMNS = (
    NAME,
    Column("Cpu", description="Cores in use, on the average of the window."),
    Column("Memory", description="Bytes that cannot be dropped when memory is short."),
    Column("Window", description="How long was measured."),
)


def autoscaler_row(hpa: HorizontalPodAutoscaler, now: datetime) -> Sequence[Cell]:
    spec = hpa.spec
    return (
        hpa.metadata.name,
        f"{spec.scaleTargetRef.kind}/{spec.scaleTargetRef.name}",
        targets(hpa),
        spec.minReplicas,
        spec.maxReplicas,
        hpa.status.currentReplicas,
        age(hpa.metadata.creationTimestamp, now),
    )


def targets(hpa: HorizontalPodAutoscaler) -> str:
    """`cpu: 48%/80%, memory: <unknown>/200Mi`."""
    found = list(hpa.status.currentMetrics)
    told = []
    for index, metric in enumerate(hpa.spec.metrics):
        source = metric.resource if metric.HasField("resource") else metric.containerResource
        current = _current(found[index]) if index < len(found) else MetricValueStatus()
        told.append(f"{source.name}: {_shown(current, source.target)}/{_wanted(source.target)}")
    more = [f"{len(told) - SHOWN} more..."] if len(told) > SHOWN else []
    return " + ".join([", ".join(told[:SHOWN]), *more])


def _current(status: MetricStatus) -> MetricValueStatus:
    one = status.resource if status.HasField("resource") else status.containerResource
    return one.current


def _shown(current: MetricValueStatus, target: MetricTarget) -> str:
    if target.averageValue:
        return current.averageValue or UNKNOWN
    percent = current.HasField("averageUtilization")
    return f"{current.averageUtilization}%" if percent else UNKNOWN


def _wanted(target: MetricTarget) -> str:
    return target.averageValue or f"{target.averageUtilization}%"


def pod_metrics_row(metrics: PodMetrics, now: datetime) -> Sequence[Cell]:
    every = [container.usage for container in metrics.containers]
    return (
        metrics.metadata.name,
        _sum(usage.get("cpu", "0") for usage in every),
        _sum(usage.get("memory", "0") for usage in every),
        metrics.window,
    )


def node_metrics_row(metrics: NodeMetrics, now: datetime) -> Sequence[Cell]:
    usage = metrics.usage
    return (metrics.metadata.name, usage.get("cpu", "0"), usage.get("memory", "0"), metrics.window)


def _sum(amounts: Iterable[str]) -> str:
    return str(quantity.total(amounts))
