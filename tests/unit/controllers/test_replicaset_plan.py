"""What a ReplicaSet does with the pods it sees, as tables (S#65, S#113)."""

from datetime import UTC, datetime, timedelta

import pytest

from api import clock
from control_plane.controllers.ledger import TTL, Ledger
from control_plane.controllers.newpod import pod_of
from control_plane.controllers.pods import DELETION_COST, is_available
from control_plane.controllers.replicaset.plan import (
    BURST,
    Plan,
    next_look,
    plan,
    status_of,
)
from proto.v1.apps_pb2 import ReplicaSet
from proto.v1.pod_pb2 import Pod

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def web(replicas: int, min_ready: int = 0) -> ReplicaSet:
    made = ReplicaSet()
    made.metadata.name, made.metadata.uid = "web", "u"
    made.spec.replicas, made.spec.minReadySeconds = replicas, min_ready
    made.spec.template.metadata.labels["app"] = "web"
    return made


def pod(
    name: str,
    *,
    phase: str = "Running",
    node: str = "n1",
    ready: float | None = 3600,
    cost: str = "",
    restarts: int = 0,
    age: int = 7200,
    ending: bool = False,
) -> Pod:
    """`ready`: for so many seconds; None: it is not."""
    made = Pod()
    made.metadata.name = made.metadata.uid = name
    made.metadata.creationTimestamp.CopyFrom(clock.timestamp(NOW - timedelta(seconds=age)))
    made.status.phase, made.spec.nodeName = phase, node
    if ready is not None:
        since = clock.timestamp(NOW - timedelta(seconds=ready))
        made.status.conditions.add(type="Ready", status="True", lastTransitionTime=since)
    if cost:
        made.metadata.annotations[DELETION_COST] = cost
    if restarts:
        made.status.containerStatuses.add(restartCount=restarts)
    if ending:
        made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    return made


@pytest.mark.parametrize(
    ("wanted", "pods", "create", "delete"),
    [
        (3, [], 3, 0),
        (3, [pod("a"), pod("b"), pod("c")], 0, 0),
        (3, [pod("a"), pod("b", ending=True), pod("c", phase="Failed")], 2, 0),
        (1, [pod("a"), pod("b"), pod("c")], 0, 2),
        (0, [pod("a", phase="Succeeded")], 0, 0),
        (2000, [], BURST, 0),
        (0, [pod(str(n)) for n in range(600)], 0, BURST),
    ],
)
def test_how_many(wanted: int, pods: list[Pod], create: int, delete: int) -> None:
    todo = plan(web(wanted), pods, NOW)
    assert (todo.create, len(todo.delete)) == (create, delete)


def test_a_set_that_is_being_deleted_does_nothing() -> None:
    going = web(3)
    going.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    assert plan(going, [], NOW) == Plan()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pod("z", node="", phase="Pending", ready=None), pod("a", phase="Pending", ready=None)),
        (pod("z", phase="Pending", ready=None), pod("a", phase="Unknown", ready=None)),
        (pod("z", phase="Unknown", ready=None), pod("a", ready=None)),
        (pod("z", ready=None), pod("a")),
        (pod("z", cost="-5"), pod("a")),
        (pod("z"), pod("a", cost="10")),
        (pod("z", node="crowded"), pod("a")),
        (pod("z", ready=60), pod("a", ready=3600)),
        (pod("a", ready=3000), pod("z", ready=3600)),  # about the same: chance decides
        (pod("z", restarts=2), pod("a", restarts=1)),
        (pod("z", age=3700), pod("a", age=36000)),
    ],
)
def test_whose_loss_hurts_least_goes_first(first: Pod, second: Pod) -> None:
    for pods in ([first, second], [second, first]):
        todo = plan(web(1), pods, NOW, neighbours={"n1": 1, "crowded": 3})
        assert [each.metadata.name for each in todo.delete] == [first.metadata.name]


def test_what_was_done_counts_before_the_cache_shows_it() -> None:
    ledger = Ledger()
    ledger.begin_creating(["web-1", "web-2"], NOW)
    assert plan(web(3), [], NOW, ledger=ledger).create == 1
    ledger.shown("web-1", "u1", ending=False)
    assert plan(web(3), [pod("web-1")], NOW, ledger=ledger).create == 1
    ledger.begin_deleting(["a"], NOW)
    assert plan(web(1), [pod("a")], NOW, ledger=ledger) == Plan()  # web-2 takes a's place


def test_what_was_not_answered_is_asked_again_by_the_same_name() -> None:
    ledger = Ledger()
    ledger.begin_creating(["web-1", "web-2"], NOW)
    ledger.lost("web-2")
    assert plan(web(3), [], NOW, ledger=ledger) == Plan(("web-2",), 1)
    ledger = Ledger()
    ledger.begin_deleting(["z"], NOW)
    ledger.lost("z")
    todo = plan(web(1), [pod("a", ready=None), pod("z")], NOW, ledger=ledger)
    assert [each.metadata.name for each in todo.delete] == ["z"]


def test_what_never_shows_is_given_up() -> None:
    """S#113: after five minutes."""
    ledger = Ledger()
    ledger.begin_creating(["web-1"], NOW)
    assert next_look(web(1), [], ledger, NOW) == TTL.total_seconds()
    ledger.expire(NOW + TTL - timedelta(seconds=1))
    assert ledger
    ledger.expire(NOW + TTL)
    assert not ledger
    ledger.lost("web-1")  # an answer that comes too late
    assert not ledger.unsure


@pytest.mark.parametrize(
    ("ready", "delay", "available"),
    [(None, 0, False), (0, 0, True), (9, 10, False), (10, 10, True)],
)
def test_available_is_ready_for_long_enough(ready: float, delay: int, available: bool) -> None:
    assert is_available(pod("a", ready=ready), delay, NOW) is available


def test_the_status_counts_and_time_alone_may_change_it() -> None:
    rs = web(3, min_ready=30)
    rs.metadata.generation = 7
    labelled = pod("a")
    labelled.metadata.labels["app"] = "web"
    pods = [labelled, pod("b", ready=10), pod("c", ready=None)]
    status = status_of(rs, pods, 2, NOW)
    counts = (status.replicas, status.fullyLabeledReplicas, status.readyReplicas)
    assert counts == (3, 1, 2)
    assert (status.availableReplicas, status.terminatingReplicas) == (1, 2)
    assert status.observedGeneration == 7
    assert next_look(rs, pods, Ledger(), NOW) == 20


def test_a_pod_is_made_from_the_template() -> None:
    rs = web(1)
    made = pod_of(rs, rs.spec.template, "web-abcde")
    assert made.metadata.generateName == "web-"
    assert made.metadata.labels == {"app": "web"}
    [owner] = made.metadata.ownerReferences
    assert (owner.apiVersion, owner.kind, owner.name, owner.uid) == (
        "apps/v1",
        "ReplicaSet",
        "web",
        "u",
    )
    assert owner.controller
    assert owner.blockOwnerDeletion
