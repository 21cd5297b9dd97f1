"""The strategy of PodDisruptionBudgets."""

from api import kinds
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
from control_plane.apiserver.printers import budget as printer
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.validation import budget as rules
from proto.v1.policy_pb2 import PodDisruptionBudget

_BUDGET = kinds.of(PodDisruptionBudget)

STRATEGIES = (
    Strategy(
        _BUDGET,
        # Nothing more to fill in: what is left out means something (no selector: no pods), as in Kubernetes.
        default=default_type,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_BUDGET, rules.validate_budget),
        validate_update=changed_object(_BUDGET, rules.validate_budget),
        validate_status=changed_status(rules.validate_budget_status),
        selectable=metadata_fields,
        columns=printer.COLUMNS,
        row=printer.row,
    ),
)
