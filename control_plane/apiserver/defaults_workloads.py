"""What the makers of pods mean when they do not say (S#17): Kubernetes' numbers, stored, so that all can see them.

A template is defaulted like the pods that will be made from it, so that comparing two templates compares what they
mean and not how they were written.
"""

from typing import Any

from google.protobuf.struct_pb2 import Value

from control_plane.apiserver.defaults import default_fields, default_template, default_type
from proto.v1.apps_pb2 import (
    DaemonSet,
    DaemonSetUpdateStrategy,
    Deployment,
    DeploymentStrategy,
    ReplicaSet,
)

QUARTER = Value(string_value="25%")
REVISIONS_KEPT = 10
PROGRESS_DEADLINE = 600  # seconds


def default_replicaset(replicaset: ReplicaSet) -> None:
    default_type(replicaset)
    spec = replicaset.spec
    default_fields(spec, replicas=1)
    default_template(spec)


def default_deployment(deployment: Deployment) -> None:
    default_type(deployment)
    spec = deployment.spec
    default_fields(
        spec,
        replicas=1,
        revisionHistoryLimit=REVISIONS_KEPT,
        progressDeadlineSeconds=PROGRESS_DEADLINE,
    )
    default_template(spec)
    _default_strategy(spec.strategy)


def _default_strategy(strategy: DeploymentStrategy) -> None:
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type != "RollingUpdate":
        return
    _default_bounds(strategy.rollingUpdate, maxUnavailable=QUARTER, maxSurge=QUARTER)


def default_daemonset(daemonset: DaemonSet) -> None:
    default_type(daemonset)
    spec = daemonset.spec
    default_fields(spec, revisionHistoryLimit=REVISIONS_KEPT)
    default_template(spec)
    _default_update_strategy(spec.updateStrategy)


def _default_update_strategy(strategy: DaemonSetUpdateStrategy) -> None:
    """One node at a time, and no pods side by side: most daemons could not share a node with a second one."""
    strategy.type = strategy.type or "RollingUpdate"
    if strategy.type == "RollingUpdate":
        one, none = Value(number_value=1), Value(number_value=0)
        _default_bounds(strategy.rollingUpdate, maxUnavailable=one, maxSurge=none)


def _default_bounds(rolling: Any, **bounds: Value) -> None:
    rolling.SetInParent()
    for name, value in bounds.items():
        if not rolling.HasField(name):
            getattr(rolling, name).CopyFrom(value)
