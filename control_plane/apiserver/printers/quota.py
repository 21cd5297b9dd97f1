"""The rows of ResourceQuotas and LimitRanges, as kubectl prints them."""

from collections.abc import Sequence
from datetime import datetime

from control_plane.apiserver.printers.cells import AGE, NAME, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.limits_pb2 import LimitRange, ResourceQuota

QUOTA_COLUMNS = (
    NAME,
    Column("Request", description="What requests and numbers add up to, and may add up to."),
    Column("Limit", description="What limits add up to, and may add up to."),
    AGE,
)
LIMITS_COLUMNS = (NAME, Column("Created At", "date", description="When it was made."))


def quota_row(quota: ResourceQuota, now: datetime) -> Sequence[Cell]:
    requests: list[str] = []
    limits: list[str] = []
    status = quota.status
    for name in sorted(status.hard):
        told = f"{name}: {status.used.get(name, '0')}/{status.hard[name]}"
        (limits if name.startswith("limits.") else requests).append(told)
    created = age(quota.metadata.creationTimestamp, now)
    return quota.metadata.name, ", ".join(requests), ", ".join(limits), created


def limits_row(limits: LimitRange, _now: datetime) -> Sequence[Cell]:
    return limits.metadata.name, limits.metadata.creationTimestamp.ToJsonString()
