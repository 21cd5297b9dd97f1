"""What a delete does to an object, as a table (4g, S#19, S#20)."""

from datetime import UTC, datetime
from typing import Any

import pytest

from api import kinds
from api.client import Delete
from api.errors import Forbidden, Invalid
from control_plane.apiserver import deletion
from control_plane.apiserver.kinds import STRATEGIES
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def strategy(obj: Any) -> Any:
    return STRATEGIES[kinds.of(obj)]


def pod(*, node: str = "n1", phase: str = "Running", grace: int = 30, finalizers: Any = ()) -> Pod:
    made = Pod(metadata=ObjectMeta(name="web", finalizers=finalizers))
    made.spec.nodeName, made.status.phase = node, phase
    made.spec.terminationGracePeriodSeconds = grace
    return made


@pytest.mark.parametrize(
    ("obj", "how", "grace", "over"),
    [
        (pod(), Delete(), 30, False),
        (pod(), Delete(grace=5), 5, False),
        (pod(), Delete(grace=300), 300, False),
        (pod(), Delete(grace=0), 0, True),
        (pod(grace=0), Delete(), 0, True),
        (pod(node=""), Delete(), 0, True),
        (pod(node=""), Delete(grace=60), 0, True),
        (pod(phase="Succeeded"), Delete(), 0, True),
        (pod(phase="Failed"), Delete(grace=60), 0, True),
        (pod(phase="Unknown"), Delete(), 30, False),
        (pod(finalizers=["a/b"]), Delete(grace=0), 0, False),
        (Node(metadata=ObjectMeta(name="n")), Delete(), 0, True),
        (Node(metadata=ObjectMeta(name="n")), Delete(grace=60), 0, True),
        (Node(metadata=ObjectMeta(name="n", finalizers=["a/b"])), Delete(), 0, False),
    ],
)
def test_a_first_delete(obj: Any, how: Delete, grace: int, over: bool) -> None:
    deletion.mark(strategy(obj), obj, how, NOW)
    meta = obj.metadata
    assert meta.deletionGracePeriodSeconds == grace
    assert meta.deletionTimestamp.seconds == int(NOW.timestamp()) + grace
    assert deletion.is_over(obj) is over


@pytest.mark.parametrize(
    ("first", "second", "grace"),
    [(30, None, 30), (30, 10, 10), (30, 60, 30), (30, 0, 0), (10, 10, 10), (5, None, 5)],
)
def test_a_second_delete_can_only_shorten(first: int, second: int | None, grace: int) -> None:
    obj = pod()
    deletion.mark(strategy(obj), obj, Delete(grace=first), NOW)
    later = datetime(2026, 1, 1, 12, 0, 3, tzinfo=UTC)
    deletion.mark(strategy(obj), obj, Delete(grace=second), later)
    assert obj.metadata.deletionGracePeriodSeconds == grace
    assert obj.metadata.deletionTimestamp.seconds == int(NOW.timestamp()) + grace


def test_a_namespace_waits_for_its_contents() -> None:
    obj = Namespace(metadata=ObjectMeta(name="temp"))
    obj.spec.finalizers.append("kubernetes")
    obj.status.phase = "Active"
    deletion.mark(strategy(obj), obj, Delete(), NOW)
    assert obj.status.phase == "Terminating"
    assert not deletion.is_over(obj)
    obj.spec.ClearField("finalizers")
    assert deletion.is_over(obj)


def test_what_was_not_deleted_is_not_over() -> None:
    assert not deletion.is_over(Node(metadata=ObjectMeta(name="n")))


def test_the_systems_namespaces_stay() -> None:
    obj = Namespace(metadata=ObjectMeta(name="kube-system"))
    with pytest.raises(Forbidden, match="this namespace may not be deleted"):
        deletion.check_preconditions(strategy(obj), obj, Delete())


@pytest.mark.parametrize(
    ("before", "propagation", "after"),
    [
        (["a/b"], "Foreground", ["a/b", "foregroundDeletion"]),
        (["foregroundDeletion"], "Orphan", ["orphan"]),
        (["orphan", "a/b"], "Background", ["a/b"]),
        (["orphan"], "", ["orphan"]),
    ],
)
def test_what_becomes_of_dependents_is_a_finalizer(
    before: list[str], propagation: str, after: list[str]
) -> None:
    obj = pod(node="", finalizers=before)
    deletion.mark(strategy(obj), obj, Delete(propagation=propagation), NOW)
    assert obj.metadata.finalizers == after
    assert deletion.is_over(obj) is (not after)


@pytest.mark.parametrize("how", [Delete(grace=-1), Delete(propagation="Sideways")])
def test_ways_to_delete_that_are_refused(how: Delete) -> None:
    with pytest.raises(Invalid):
        deletion.check(how)
