"""What the server itself writes into metadata."""

from google.protobuf.timestamp_pb2 import Timestamp

from api import kinds
from control_plane.apiserver import metadata
from control_plane.apiserver.kinds import STRATEGIES
from tests.manifests import created, read


def test_a_new_object_gets_an_identity() -> None:
    pod = read("Pod", {"metadata": {"resourceVersion": "9", "uid": "mine", "generation": 7}})
    pod.metadata.deletionTimestamp.seconds = 5
    pod.metadata.deletionGracePeriodSeconds = 5
    metadata.prepare_create(pod, uid="u", stamp=Timestamp(seconds=3), suffix="bcdfg")
    meta = pod.metadata
    assert (meta.uid, meta.creationTimestamp.seconds, meta.generation, meta.name) == (
        "u",
        3,
        1,
        "web",
    )
    assert meta.resourceVersion == ""
    assert not meta.HasField("deletionTimestamp")
    assert not meta.HasField("deletionGracePeriodSeconds")


def test_a_name_is_generated_within_63_characters() -> None:
    pod = read("Pod", {"metadata": {"name": None, "generateName": "x" * 70}})
    metadata.prepare_create(pod, uid="u", stamp=Timestamp(), suffix="bcdfg")
    assert pod.metadata.name == "x" * 58 + "bcdfg"


def test_a_given_name_wins_over_a_generated_one() -> None:
    pod = read("Pod", {"metadata": {"generateName": "other-"}})
    metadata.prepare_create(pod, uid="u", stamp=Timestamp(), suffix="bcdfg")
    assert pod.metadata.name == "web"


def test_an_update_may_leave_out_what_the_server_knows() -> None:
    old, new = created("Pod"), read("Pod")
    old.metadata.generation = 4
    metadata.prepare_update(new, old)
    assert (new.metadata.uid, new.metadata.creationTimestamp, new.metadata.generation) == (
        old.metadata.uid,
        old.metadata.creationTimestamp,
        4,
    )


def test_an_update_keeps_a_wrong_uid_to_be_refused() -> None:
    old, new = created("Pod"), read("Pod", {"metadata": {"uid": "other"}})
    metadata.prepare_update(new, old)
    assert new.metadata.uid == "other"


def test_an_update_cannot_revoke_a_deletion() -> None:
    old, new = created("Pod"), read("Pod")
    old.metadata.deletionTimestamp.seconds = 9
    old.metadata.deletionGracePeriodSeconds = 30
    metadata.prepare_update(new, old)
    assert new.metadata.deletionTimestamp.seconds == 9
    assert new.metadata.deletionGracePeriodSeconds == 30


def test_only_the_spec_counts_as_a_change_of_the_spec() -> None:
    old = created("Pod")
    new = type(old)()
    new.CopyFrom(old)
    new.metadata.labels["a"] = "b"
    new.status.phase = "Running"
    assert not metadata.spec_changed(new, old)
    new.spec.hostname = "h"
    assert metadata.spec_changed(new, old)


def test_an_event_has_no_spec_to_change() -> None:
    assert not metadata.spec_changed(created("Event", {"reason": "A"}), created("Event"))


def test_every_kind_has_a_strategy_under_its_own_kind() -> None:
    assert all(kind is strategy.kind for kind, strategy in STRATEGIES.items())
    assert STRATEGIES.keys() == set(kinds.KINDS)
