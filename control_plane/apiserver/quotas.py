"""The strategies of ResourceQuotas and LimitRanges: what a namespace, and each of its pods, may have."""

from collections.abc import MutableMapping

from api import kinds, quantity
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
from control_plane.apiserver.printers import quota as printer
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.validation import limitrange as limit_rules
from control_plane.apiserver.validation import quota as quota_rules
from proto.v1.limits_pb2 import LimitRange, LimitRangeItem, ResourceQuota

_QUOTA, _LIMITS = kinds.of(ResourceQuota), kinds.of(LimitRange)


def default_quota(quota: ResourceQuota) -> None:
    default_type(quota)
    for amounts in (quota.spec.hard, quota.status.hard, quota.status.used):
        _canonical(amounts)


def default_limits(limits: LimitRange) -> None:
    default_type(limits)
    for item in limits.spec.limits:
        for name in limit_rules.FIELDS:
            _canonical(getattr(item, name))
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


def _canonical(amounts: MutableMapping[str, str]) -> None:
    for name, amount in list(amounts.items()):
        amounts[name] = quantity.canonical(amount)


STRATEGIES = (
    Strategy(
        _QUOTA,
        default=default_quota,
        prepare_create=drop_status,
        prepare_update=keep_status,
        prepare_status=keep_all_but_status,
        validate=new_object(_QUOTA, quota_rules.validate_quota),
        validate_update=changed_object(
            _QUOTA, quota_rules.validate_quota, quota_rules.validate_quota_update
        ),
        validate_status=changed_status(quota_rules.validate_quota_status),
        selectable=metadata_fields,
        columns=printer.QUOTA_COLUMNS,
        row=printer.quota_row,
    ),
    Strategy(
        _LIMITS,
        default=default_limits,
        validate=new_object(_LIMITS, limit_rules.validate_limits),
        validate_update=changed_object(_LIMITS, limit_rules.validate_limits),
        selectable=metadata_fields,
        columns=printer.LIMITS_COLUMNS,
        row=printer.limits_row,
    ),
)
