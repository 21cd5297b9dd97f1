"""Frames made of bytes are the messages that protobuf itself would make."""

from google.protobuf.any_pb2 import Any as Envelope
from hypothesis import given
from hypothesis import strategies as st

from api import kinds
from control_plane.apiserver import wire
from proto.v1.meta_pb2 import ListMeta, ObjectMeta
from proto.v1.pod_pb2 import Pod
from proto.v1.service_pb2 import ListResponse, WatchBatch

revisions = st.integers(1, 2**63 - 1)
names = st.text(max_size=300)
URL = kinds.of(Pod).type_url


@given(names, revisions)
def test_a_stamped_object_is_the_object_with_its_version(name: str, revision: int) -> None:
    value = Pod(kind="Pod", metadata=ObjectMeta(name=name, labels={"a": name}))
    stamped = Pod.FromString(value.SerializeToString() + wire.stamp(revision))
    value.metadata.resourceVersion = str(revision)
    assert stamped == value


@given(st.lists(st.tuples(names, revisions), max_size=5))
def test_lists_and_batches(objects: list[tuple[str, int]]) -> None:
    pods = [(Pod(metadata=ObjectMeta(name=name)), revision) for name, revision in objects]
    envelopes = [wire.envelope(URL, pod.SerializeToString(), revision) for pod, revision in pods]
    meta = ListMeta(resourceVersion="7", continueToken="x" * 200)
    listing = ListResponse.FromString(wire.listing(meta.SerializeToString(), envelopes))
    assert listing.metadata == meta
    batch = WatchBatch.FromString(b"".join(wire.event("ADDED", each) for each in envelopes))
    assert [event.type for event in batch.events] == ["ADDED"] * len(pods)
    for (pod, revision), item, event in zip(pods, listing.items, batch.events, strict=True):
        pod.metadata.resourceVersion = str(revision)
        assert item.type_url == URL
        assert Pod.FromString(item.value) == pod
        assert event.object == item


@given(st.integers(0, 2**64 - 1))
def test_varints(number: int) -> None:
    framed = b"\x0a" + wire.varint(5) + b"x" * 5
    assert Envelope.FromString(framed).type_url == "xxxxx"
    read, shift = 0, 0
    for byte in wire.varint(number):
        read |= (byte & 0x7F) << shift
        shift += 7
    assert read == number


def test_what_was_never_stored_has_no_version() -> None:
    envelope = Envelope.FromString(wire.envelope(URL, Pod(kind="Pod").SerializeToString(), 0))
    assert Pod.FromString(envelope.value) == Pod(kind="Pod")


def test_every_kind_has_its_metadata_in_the_same_place() -> None:
    """`stamp` relies on it."""
    numbers = {kind.message.DESCRIPTOR.fields_by_name["metadata"].number for kind in kinds.KINDS}
    assert numbers == {3}
