"""What a delete does to an object: pure decisions, with the time handed in (S#19, S#20, S#25, and 4g).

An object goes at once if nobody has to do anything before. Otherwise the delete only marks it: `deletionTimestamp` says
when its time is over, and it leaves the store when the last reason to stay is gone. There are three such reasons:
finalizers; for a namespace the finalizer in its spec, which stands for its contents; and for a pod on a node the
grace period, until the node confirms the end with a delete of grace 0.
"""

from datetime import datetime, timedelta
from typing import Any

from api import clock
from api.client import Delete
from api.errors import Cause, Invalid
from control_plane.apiserver import refusals
from control_plane.apiserver.admission import SYSTEM_NAMESPACES
from control_plane.apiserver.strategy import Strategy
from proto.v1.cluster_pb2 import Namespace

# What becomes of dependents, and the finalizer with which the garbage collector (controllers/garbage.py) is asked.
PROPAGATION = {"Background": "", "Foreground": "foregroundDeletion", "Orphan": "orphan"}


def check(how: Delete) -> None:
    """Raises Invalid: this is no way to delete anything here."""
    causes = []
    if how.propagation not in ("", *PROPAGATION):
        told = ", ".join(f'"{each}"' for each in PROPAGATION)
        message = f'Unsupported value: "{how.propagation}": supported values: {told}'
        causes.append(Cause("propagationPolicy", message, "FieldValueNotSupported"))
    if how.grace is not None and how.grace < 0:
        message = f"Invalid value: {how.grace}: must be greater than or equal to 0"
        causes.append(Cause("gracePeriodSeconds", message))
    if causes:
        raise Invalid.because("DeleteOptions", "", causes)


def check_preconditions(strategy: Strategy, obj: Any, how: Delete) -> None:
    """Raises Conflict: this is another object, or another version, than the caller means; and Forbidden."""
    meta, kind = obj.metadata, strategy.kind
    if how.uid and how.uid != meta.uid:
        raise refusals.precondition(kind, meta.name, "UID", how.uid, meta.uid)
    if how.version and how.version != meta.resourceVersion:
        found = meta.resourceVersion
        raise refusals.precondition(kind, meta.name, "ResourceVersion", how.version, found)
    if isinstance(obj, Namespace) and meta.name in SYSTEM_NAMESPACES:
        raise refusals.forbidden(kind, meta.name, "this namespace may not be deleted")


def is_over(obj: Any) -> bool:
    """Deleted, and nothing is left to wait for."""
    meta = obj.metadata
    return (
        meta.HasField("deletionTimestamp")
        and not meta.deletionGracePeriodSeconds
        and not is_held(obj)
    )


def is_held(obj: Any) -> bool:
    """Somebody has to clean up first."""
    contents = isinstance(obj, Namespace) and len(obj.spec.finalizers) > 0
    return contents or len(obj.metadata.finalizers) > 0


def mark(strategy: Strategy, obj: Any, how: Delete, now: datetime) -> None:
    """Note in the object that it shall go. If `is_over` after that, it can go at once."""
    meta = obj.metadata
    grace = _grace(strategy, obj, how)
    if how.propagation and strategy.kind.collected:
        _ask_collector(meta, PROPAGATION[how.propagation])
    if meta.HasField("deletionTimestamp"):
        _shorten(meta, grace, how)
        return
    meta.deletionTimestamp.CopyFrom(clock.timestamp(now + timedelta(seconds=grace)))
    meta.deletionGracePeriodSeconds = grace
    if isinstance(obj, Namespace):
        obj.status.phase = "Terminating"


def _ask_collector(meta: Any, finalizer: str) -> None:
    """A later delete may have changed its mind."""
    others = [each for each in meta.finalizers if each not in PROPAGATION.values()]
    del meta.finalizers[:]
    meta.finalizers.extend([*others, *filter(None, [finalizer])])


def _grace(strategy: Strategy, obj: Any, how: Delete) -> int:
    """Seconds from now."""
    wish = strategy.grace(obj)
    if wish is None:
        return 0
    return how.grace if how.grace is not None else wish


def _shorten(meta: Any, grace: int, how: Delete) -> None:
    """A second delete cannot give back time; without a wish of its own it changes nothing."""
    given = meta.deletionGracePeriodSeconds
    if grace >= given or (how.grace is None and grace > 0):
        return
    begun = clock.to_datetime(meta.deletionTimestamp) - timedelta(seconds=given)
    meta.deletionTimestamp.CopyFrom(clock.timestamp(begun + timedelta(seconds=grace)))
    meta.deletionGracePeriodSeconds = grace
