"""What several kinds print alike: names, ages, and words for "nothing"."""

from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from api.duration import human_duration
from control_plane.apiserver.strategy import Column

NONE, UNKNOWN = "<none>", "<unknown>"
NAME = Column("Name", format="name", description="Unique in the namespace or the cluster.")
AGE = Column("Age", description="Time since the object was created.")


def age(stamp: Timestamp, now: datetime) -> str:
    """How long ago that was; "<unknown>" if it never was."""
    if not stamp.seconds:
        return UNKNOWN
    return human_duration(now.timestamp() - stamp.seconds - stamp.nanos / 1e9)
