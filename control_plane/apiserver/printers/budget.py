"""The rows of PodDisruptionBudgets, as kubectl prints them."""

from collections.abc import Sequence
from datetime import datetime

from google.protobuf.struct_pb2 import Value

from control_plane.apiserver.printers.cells import AGE, NAME, age
from control_plane.apiserver.strategy import Cell, Column
from control_plane.apiserver.validation.amounts import shown
from proto.v1.policy_pb2 import PodDisruptionBudget

NOT_SAID = "N/A"
COLUMNS = (
    NAME,
    Column("Min Available", description="So many pods must stay healthy."),
    Column("Max Unavailable", description="So many pods may be missing."),
    Column(
        "Allowed Disruptions", "integer", description="How many more evictions are granted now."
    ),
    AGE,
)


def row(budget: PodDisruptionBudget, now: datetime) -> Sequence[Cell]:
    spec = budget.spec
    return (
        budget.metadata.name,
        _told(spec.minAvailable) if spec.HasField("minAvailable") else NOT_SAID,
        _told(spec.maxUnavailable) if spec.HasField("maxUnavailable") else NOT_SAID,
        budget.status.disruptionsAllowed,
        age(budget.metadata.creationTimestamp, now),
    )


def _told(value: Value) -> str:
    return str(shown(value))
