"""The strategies of the kinds that make pods."""

from api import kinds
from control_plane.apiserver import defaults_workloads as defaults
from control_plane.apiserver.hooks import (
    changed_object,
    changed_status,
    drop_status,
    keep_all_but_status,
    keep_status,
    metadata_fields,
    new_object,
)
from control_plane.apiserver.printers import workloads as printer
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.validation import daemonset as daemonset_rules
from control_plane.apiserver.validation import workloads as rules
from proto.v1.apps_pb2 import DaemonSet, Deployment, ReplicaSet

_REPLICASET, _DEPLOYMENT = kinds.of(ReplicaSet), kinds.of(Deployment)
_DAEMONSET = kinds.of(DaemonSet)


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
    Strategy(
        _REPLICASET,
        default=defaults.default_replicaset,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_REPLICASET, rules.validate_replicaset),
        validate_update=changed_object(
            _REPLICASET, rules.validate_replicaset, rules.validate_workload_update
        ),
        validate_status=changed_status(rules.validate_replicaset_status),
        selectable=replicaset_fields,
        columns=printer.REPLICASET_COLUMNS,
        row=printer.replicaset_row,
    ),
    Strategy(
        _DEPLOYMENT,
        default=defaults.default_deployment,
        prepare_create=drop_status,
        prepare_update=prepare_deployment_update,
        prepare_status=keep_all_but_status,
        validate=new_object(_DEPLOYMENT, rules.validate_deployment),
        validate_update=changed_object(
            _DEPLOYMENT, rules.validate_deployment, rules.validate_workload_update
        ),
        validate_status=changed_status(rules.validate_deployment_status),
        selectable=metadata_fields,
        columns=printer.DEPLOYMENT_COLUMNS,
        row=printer.deployment_row,
    ),
    Strategy(
        _DAEMONSET,
        default=defaults.default_daemonset,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_DAEMONSET, daemonset_rules.validate_daemonset),
        validate_update=changed_object(
            _DAEMONSET, daemonset_rules.validate_daemonset, rules.validate_workload_update
        ),
        validate_status=changed_status(daemonset_rules.validate_daemonset_status),
        selectable=metadata_fields,
        columns=printer.DAEMONSET_COLUMNS,
        row=printer.daemonset_row,
    ),
)
