"""The part of an object that the server owns: identity, times, generation (S#1, S#2, S#12).

The registry calls these around a kind's own hooks. Names, uids and times are handed in, so that everything here is a
function of its arguments.
"""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from api.names import SUFFIX_LENGTH

_PREFIX_LENGTH = 63 - SUFFIX_LENGTH


def prepare_create(obj: Any, *, uid: str, stamp: Timestamp, suffix: str) -> None:
    """Gives a new object its identity. `suffix`: SUFFIX_LENGTH characters, used if the name is to be generated."""
    meta = obj.metadata
    if not meta.name and meta.generateName:
        meta.name = meta.generateName[:_PREFIX_LENGTH] + suffix
    meta.uid = uid
    meta.creationTimestamp.CopyFrom(stamp)
    meta.generation = 1
    meta.ClearField("resourceVersion")
    meta.ClearField("deletionTimestamp")
    meta.ClearField("deletionGracePeriodSeconds")


def prepare_update(new: Any, old: Any) -> None:
    """Fills in what a client may leave out, and takes back what it has no say in.

    A uid that differs stays, to be refused. Under deletion an update can neither revoke nor delay it."""
    ours, theirs = new.metadata, old.metadata
    ours.uid = ours.uid or theirs.uid
    ours.generation = theirs.generation
    if not ours.HasField("creationTimestamp"):
        ours.creationTimestamp.CopyFrom(theirs.creationTimestamp)
    if theirs.HasField("deletionTimestamp"):
        ours.deletionTimestamp.CopyFrom(theirs.deletionTimestamp)
        if theirs.HasField("deletionGracePeriodSeconds"):
            ours.deletionGracePeriodSeconds = theirs.deletionGracePeriodSeconds


def spec_changed(new: Any, old: Any) -> bool:
    """Whether the update asks for something else: then, and only then, the generation goes up by one (S#12)."""
    return "spec" in new.DESCRIPTOR.fields_by_name and new.spec != old.spec
