"""The one door to the wall clock.

Durations are asyncio's business; timestamps come from here, so that tests can set them.
"""

from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp


def _system() -> datetime:
    return datetime.now(UTC)


_read: Callable[[], datetime] = _system


def now() -> datetime:
    """The present, in UTC."""
    return _read()


def use(read: Callable[[], datetime] | None) -> None:
    """Read the time from `read` from now on; None goes back to the system's clock."""
    global _read
    _read = read or _system


def timestamp(moment: datetime | None = None) -> Timestamp:
    """`moment` (default: now) in whole seconds, as Kubernetes writes times."""
    moment = moment or now()
    return Timestamp(seconds=int(moment.timestamp()))


def micro_timestamp(moment: datetime | None = None) -> Timestamp:
    """`moment` (default: now) with microseconds, for leases and events."""
    moment = moment or now()
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def to_datetime(stamp: Timestamp) -> datetime:
    """The timestamp as an aware datetime in UTC."""
    return stamp.ToDatetime(tzinfo=UTC)
