"""The strategies of the kinds that make pods."""

from control_plane.apiserver import defaults_workloads as defaults
from control_plane.apiserver.hooks import keep_status, metadata_fields, strategy
from control_plane.apiserver.printers import workloads as printer
from control_plane.apiserver.validation import daemonset as daemonset_rules
from control_plane.apiserver.validation import workloads as rules
from proto.v1.apps_pb2 import DaemonSet, Deployment, ReplicaSet


def prepare_deployment_update(new: Deployment, old: Deployment) -> None:
    """Its annotations are copied to its ReplicaSets, so a change of them is work for the controller as well.

    The generation says so, as it does for a change of the spec (which the registry counts, once for both).
    """
    keep_status(new, old)
    if new.metadata.annotations != old.metadata.annotations and new.spec == old.spec:
        new.metadata.generation += 1


def replicaset_fields(replicaset: ReplicaSet) -> dict[str, str]:
    return {**metadata_fields(replicaset), "status.replicas": str(replicaset.status.replicas)}


STRATEGIES = (
    strategy(
        ReplicaSet,
        rules.validate_replicaset,
        rules.validate_workload_update,
        status=rules.validate_replicaset_status,
        default=defaults.default_replicaset,
        selectable=replicaset_fields,
        columns=printer.REPLICASET_COLUMNS,
        row=printer.replicaset_row,
    ),
    strategy(
        Deployment,
        rules.validate_deployment,
        rules.validate_workload_update,
        status=rules.validate_deployment_status,
        default=defaults.default_deployment,
        prepare_update=prepare_deployment_update,
        columns=printer.DEPLOYMENT_COLUMNS,
        row=printer.deployment_row,
    ),
    strategy(
        DaemonSet,
        daemonset_rules.validate_daemonset,
        rules.validate_workload_update,
        status=daemonset_rules.validate_daemonset_status,
        default=defaults.default_daemonset,
        columns=printer.DAEMONSET_COLUMNS,
        row=printer.daemonset_row,
    ),
)
