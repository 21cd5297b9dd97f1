"""The strategy of PodDisruptionBudgets."""

from control_plane.apiserver.hooks import strategy
from control_plane.apiserver.printers import budget as printer
from control_plane.apiserver.validation import budget as rules
from proto.v1.policy_pb2 import PodDisruptionBudget

STRATEGIES = (
    # Nothing to fill in: what is left out means something (no selector: no pods), as in Kubernetes.
    strategy(
        PodDisruptionBudget,
        rules.validate_budget,
        status=rules.validate_budget_status,
        columns=printer.COLUMNS,
        row=printer.row,
    ),
)
