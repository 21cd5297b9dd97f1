"""The strategies of ResourceQuotas and LimitRanges: what a namespace, and each of its pods, may have."""

from control_plane.apiserver.defaults import canonical_amounts, default_type
from control_plane.apiserver.hooks import strategy
from control_plane.apiserver.printers import quota as printer
from control_plane.apiserver.validation import limitrange as limit_rules
from control_plane.apiserver.validation import quota as quota_rules
from proto.v1.limits_pb2 import LimitRange, LimitRangeItem, ResourceQuota


def default_quota(quota: ResourceQuota) -> None:
    default_type(quota)
    for amounts in (quota.spec.hard, quota.status.hard, quota.status.used):
        canonical_amounts(amounts)


def default_limits(limits: LimitRange) -> None:
    default_type(limits)
    for item in limits.spec.limits:
        for name in limit_rules.FIELDS:
            canonical_amounts(getattr(item, name))
        if item.type == "Container":
            _default_item(item)


def _default_item(item: LimitRangeItem) -> None:
    """The default limit is the greatest allowed, the default request that limit, or the smallest allowed."""
    for source, target in (
        (item.max, item.default),
        (item.default, item.defaultRequest),
        (item.min, item.defaultRequest),
    ):
        for name, amount in source.items():
            if name not in target:
                target[name] = amount


STRATEGIES = (
    strategy(
        ResourceQuota,
        quota_rules.validate_quota,
        quota_rules.validate_quota_update,
        status=quota_rules.validate_quota_status,
        default=default_quota,
        columns=printer.QUOTA_COLUMNS,
        row=printer.quota_row,
    ),
    strategy(
        LimitRange,
        limit_rules.validate_limits,
        default=default_limits,
        columns=printer.LIMITS_COLUMNS,
        row=printer.limits_row,
    ),
)
