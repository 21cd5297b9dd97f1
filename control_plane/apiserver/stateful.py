"""The strategies of StatefulSets, and of the revisions that remember their templates (and those of DaemonSets)."""

from api import kinds
from control_plane.apiserver.defaults import default_pod_spec, default_type
from control_plane.apiserver.defaults_workloads import REVISIONS_KEPT
from control_plane.apiserver.hooks import (
    changed_object,
    changed_status,
    drop_status,
    keep_all_but_status,
    keep_status,
    metadata_fields,
    new_object,
)
from control_plane.apiserver.printers import stateful as printer
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.validation import statefulset as rules
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet, StatefulSetUpdateStrategy

_STATEFULSET, _REVISION = kinds.of(StatefulSet), kinds.of(ControllerRevision)


def default_statefulset(statefulset: StatefulSet) -> None:
    default_type(statefulset)
    spec = statefulset.spec
    for name, number in (("replicas", 1), ("revisionHistoryLimit", REVISIONS_KEPT)):
        if not spec.HasField(name):
            setattr(spec, name, number)
    spec.podManagementPolicy = spec.podManagementPolicy or "OrderedReady"
    if spec.HasField("template"):
        default_pod_spec(spec.template.spec)
    _default_strategy(spec.updateStrategy)


def _default_strategy(strategy: StatefulSetUpdateStrategy) -> None:
    """A type without bounds stays without them, as in Kubernetes."""
    if not strategy.type:
        strategy.type = "RollingUpdate"
        strategy.rollingUpdate.SetInParent()
    if strategy.type == "RollingUpdate" and strategy.HasField("rollingUpdate"):
        strategy.rollingUpdate.partition = strategy.rollingUpdate.partition


STRATEGIES = (
    Strategy(
        _STATEFULSET,
        default=default_statefulset,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_STATEFULSET, rules.validate_statefulset),
        validate_update=changed_object(
            _STATEFULSET, rules.validate_statefulset, rules.validate_statefulset_update
        ),
        validate_status=changed_status(rules.validate_statefulset_status),
        selectable=metadata_fields,
        columns=printer.STATEFULSET_COLUMNS,
        row=printer.statefulset_row,
    ),
    Strategy(
        _REVISION,
        default=default_type,
        validate=new_object(_REVISION, rules.validate_revision),
        validate_update=changed_object(
            _REVISION, rules.validate_revision, rules.validate_revision_update
        ),
        selectable=metadata_fields,
        columns=printer.REVISION_COLUMNS,
        row=printer.revision_row,
    ),
)
