"""The strategies of StatefulSets, and of the revisions that remember their templates (and those of DaemonSets)."""

from control_plane.apiserver.defaults import default_fields, default_template, default_type
from control_plane.apiserver.defaults_workloads import REVISIONS_KEPT
from control_plane.apiserver.hooks import strategy
from control_plane.apiserver.printers import stateful as printer
from control_plane.apiserver.validation import statefulset as rules
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet, StatefulSetUpdateStrategy


def default_statefulset(statefulset: StatefulSet) -> None:
    default_type(statefulset)
    spec = statefulset.spec
    default_fields(spec, replicas=1, revisionHistoryLimit=REVISIONS_KEPT)
    spec.podManagementPolicy = spec.podManagementPolicy or "OrderedReady"
    default_template(spec)
    _default_strategy(spec.updateStrategy)


def _default_strategy(strategy: StatefulSetUpdateStrategy) -> None:
    """A type without bounds stays without them, as in Kubernetes."""
    if not strategy.type:
        strategy.type = "RollingUpdate"
        strategy.rollingUpdate.SetInParent()
    if strategy.type == "RollingUpdate" and strategy.HasField("rollingUpdate"):
        strategy.rollingUpdate.partition = strategy.rollingUpdate.partition


STRATEGIES = (
    strategy(
        StatefulSet,
        rules.validate_statefulset,
        rules.validate_statefulset_update,
        status=rules.validate_statefulset_status,
        default=default_statefulset,
        columns=printer.STATEFULSET_COLUMNS,
        row=printer.statefulset_row,
    ),
    strategy(
        ControllerRevision,
        rules.validate_revision,
        rules.validate_revision_update,
        columns=printer.REVISION_COLUMNS,
        row=printer.revision_row,
    ),
)
