"""ResourceQuotas at work: whether there is room for an object, and what the quota says afterwards (S#26)."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from api import podresources, quotas
from api.kinds import Kind
from api.podresources import Amounts
from proto.v1.limits_pb2 import ResourceQuota
from proto.v1.pod_pb2 import Pod

# With a quota for one of these, every container must say how much of it it needs.
MUST_BE_SAID = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


class Exceeded(Exception):
    """There is no room; the message is Kubernetes' own."""


def concerns(quota: ResourceQuota, kind: Kind, new: Any, old: Any = None) -> bool:
    """Whether the write may have to be charged to this quota."""
    if not quotas.about(quota, kind):
        return False
    return any(obj is not None and quotas.in_scope(quota, obj) for obj in (new, old))


def is_counted(quota: ResourceQuota) -> bool:
    """Whether somebody has counted what there is, since the limits are what they are."""
    spec, status = quota.spec, quota.status
    return dict(status.hard) == dict(spec.hard) and status.used.keys() >= spec.hard.keys()


def charge(quota: ResourceQuota, kind: Kind, new: Any, old: Any, now: datetime) -> ResourceQuota:
    """The quota with what the write adds. Raises Exceeded: it would add too much, or nobody knows how much."""
    before = quotas.charged(quota, kind, old, now) if old is not None else {}
    _check_said(quota, kind, new, old)
    added = {
        name: amount
        for name, amount in podresources.minus(
            quotas.charged(quota, kind, new, now), before
        ).items()
        if amount.nanos > 0
    }
    if not added:
        return quota
    uncounted = [name for name in sorted(added) if name not in quota.status.used]
    if uncounted or not is_counted(quota):
        names = ",".join(uncounted or sorted(added))
        raise Exceeded(f"status unknown for quota: {quota.metadata.name}, resources: {names}")
    return _added(quota, added)


def _added(quota: ResourceQuota, added: Amounts) -> ResourceQuota:
    hard = podresources.read(quota.status.hard)
    used = podresources.read(quota.status.used)
    after = podresources.plus(used, added)
    over = [name for name in sorted(added) if after[name] > hard[name]]
    if over:
        raise Exceeded(
            f"exceeded quota: {quota.metadata.name}, requested: {_shown(added, over)}, "
            f"used: {_shown(used, over)}, limited: {_shown(hard, over)}"
        )
    copy = ResourceQuota()
    copy.CopyFrom(quota)
    copy.status.used.update(podresources.written(after))
    return copy


def _shown(amounts: Amounts, names: Iterable[str]) -> str:
    return ",".join(f"{name}={amounts[name]}" for name in names)


def _check_said(quota: ResourceQuota, kind: Kind, new: Any, old: Any) -> None:
    """What was let in without saying so is not asked again."""
    if kind.message is not Pod or old is not None:
        return
    missing: dict[str, set[str]] = {}
    for name in MUST_BE_SAID:
        if name in quota.spec.hard:
            for container in (*new.spec.containers, *new.spec.initContainers):
                if not _says(container.resources, name):
                    missing.setdefault(name, set()).add(container.name)
    if missing:
        told = "; ".join(
            f"{name} for: {','.join(sorted(missing[name]))}" for name in sorted(missing)
        )
        raise Exceeded(f"failed quota: {quota.metadata.name}: must specify {told}")


def _says(resources: Any, name: str) -> bool:
    part, _, bare = name.rpartition(".")
    amounts: Mapping[str, str] = resources.limits if part == "limits" else resources.requests
    return bare in amounts
