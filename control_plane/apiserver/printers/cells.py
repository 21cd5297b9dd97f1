"""What several kinds print alike: ages, and words for "nothing"."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from api.duration import human_duration

NONE, UNKNOWN = "<none>", "<unknown>"


def age(stamp: Timestamp, now: datetime) -> str:
    """How long ago that was; "<unknown>" if it never was."""
    if not stamp.seconds:
        return UNKNOWN
    return human_duration(now.timestamp() - stamp.seconds - stamp.nanos / 1e9)
