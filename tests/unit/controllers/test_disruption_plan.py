"""What a PodDisruptionBudget reports: how many pods there should be, are healthy, and may go (S#101)."""

from datetime import timedelta
from typing import Any

import pytest

from api import clock, conditions, kinds
from api.kinds import Kind
from control_plane.controllers import owners
from control_plane.controllers.disruption.plan import (
    Need,
    Plan,
    failed,
    need,
    plan,
    spared,
    stale_in,
)
from control_plane.controllers.disruption.scale import NotCounted
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget
from tests.manifests import NOW, created


class Makers:
    """The objects that pods may be made by."""

    def __init__(self) -> None:
        self.all: dict[tuple[Kind, str], Any] = {}

    def add(self, kind: str, name: str, replicas: int = 1, owner: Any = None) -> Any:
        made = created(kind, {"metadata": {"name": name}})
        made.metadata.uid = f"{kind}-{name}"
        if kinds.of(made).scale:
            made.spec.replicas = replicas
        if owner is not None:
            made.metadata.ownerReferences.append(owners.reference_to(owner))
        self.all[kinds.of(made), f"default/{name}"] = made
        return made

    def find(self, kind: Kind, key: str) -> Any | None:
        return self.all.get((kind, key))


def pod(
    name: str,
    owner: Any = None,
    *,
    ready: bool = True,
    ending: bool = False,
    phase: str = "Running",
) -> Pod:
    made: Pod = created("Pod", {"metadata": {"name": name, "labels": {"app": "web"}}})
    made.status.phase = phase
    made.status.conditions.add(type="Ready", status="True" if ready else "False")
    if owner is not None:
        made.metadata.ownerReferences.append(owners.reference_to(owner))
    if ending:
        made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    return made


def budget(**spec: Any) -> PodDisruptionBudget:
    made: PodDisruptionBudget = created(
        "PodDisruptionBudget", {"spec": {"minAvailable": None, **spec}}
    )
    made.metadata.generation = 3
    return made


# How many there should be


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ({"maxUnavailable": 1}, Need(10, 9)),
        ({"maxUnavailable": 11}, Need(10, 0)),
        ({"maxUnavailable": "25%"}, Need(10, 7)),  # 2.5 is rounded up: 3 may be missing
        ({"maxUnavailable": "0%"}, Need(10, 10)),
        ({"minAvailable": "25%"}, Need(10, 3)),
        ({"minAvailable": "100%"}, Need(10, 10)),
        ({"minAvailable": 4}, Need(2, 4)),  # of the pods that there are, whoever makes them
        ({}, Need(0, 0)),
    ],
)
def test_what_is_needed(spec: dict[str, Any], wanted: Need) -> None:
    makers = Makers()
    web = makers.add("Deployment", "web", 10)
    new = makers.add("ReplicaSet", "web-2", 7, web)
    old = makers.add("ReplicaSet", "web-1", 5, web)
    pods = [pod("a", new), pod("b", old)]
    assert need(budget(**spec), pods, makers.find) == wanted


def test_the_makers_of_all_pods_are_added_up() -> None:
    makers = Makers()
    pods = [pod("a", makers.add("ReplicaSet", "x", 3)), pod("b", makers.add("ReplicaSet", "y", 5))]
    assert need(budget(maxUnavailable="50%"), pods, makers.find) == Need(8, 4)


def test_pods_that_nobody_makes_are_left_out_and_named() -> None:
    """A bare pod counts only for a minAvailable that is a number."""
    makers = Makers()
    pods = [pod("a", makers.add("ReplicaSet", "x", 3)), pod("bare")]
    assert need(budget(maxUnavailable=1), pods, makers.find) == Need(3, 2, ("bare",))
    assert need(budget(minAvailable=1), pods, makers.find) == Need(2, 1)


def test_a_maker_without_replicas_cannot_be_counted() -> None:
    makers = Makers()
    pods = [pod("a", makers.add("Job", "pi"))]
    with pytest.raises(NotCounted, match=r"jobs.batch does not implement the scale subresource"):
        need(budget(maxUnavailable=1), pods, makers.find)


@pytest.mark.parametrize("change", ["gone", "another"])
def test_a_maker_that_is_gone_cannot_be_counted(change: str) -> None:
    makers = Makers()
    web = makers.add("ReplicaSet", "web", 3)
    pods = [pod("a", web)]
    if change == "gone":
        makers.all.clear()
    else:
        web.metadata.uid = "another"
    with pytest.raises(NotCounted, match='found no controllers for pod "a"'):
        need(budget(maxUnavailable=1), pods, makers.find)


def test_a_maker_of_an_unknown_kind_cannot_be_counted() -> None:
    subject = pod("a")
    subject.metadata.ownerReferences.add(
        apiVersion="x/v1", kind="Thing", name="t", uid="u", controller=True
    )
    with pytest.raises(NotCounted, match='no matches for kind "Thing" in version "x/v1"'):
        need(budget(maxUnavailable=1), [subject], Makers().find)


# What is reported


def counted(*pods: Pod, needed: Need | None = None, **granted: int) -> Plan:
    """`granted`: pods whose eviction was granted, and how many seconds ago."""
    guard = budget(minAvailable=1)
    for name, ago in granted.items():
        guard.status.disruptedPods[name].CopyFrom(clock.timestamp(NOW - timedelta(seconds=ago)))
    return plan(guard, pods, needed or Need(len(pods), 1), NOW)


@pytest.mark.parametrize(
    ("pods", "needed", "healthy", "allowed"),
    [
        ([pod("a"), pod("b"), pod("c")], Need(3, 1), 3, 2),
        ([pod("a"), pod("b", ready=False)], Need(2, 1), 1, 0),
        ([pod("a"), pod("b", ending=True)], Need(2, 1), 1, 0),
        ([pod("a")], Need(1, 3), 1, 0),
        ([], Need(0, 0), 0, 0),
        ([pod("a")], Need(0, 0), 1, 0),  # none is expected: nothing is known yet
    ],
    ids=["all well", "unready", "ending", "too few", "none", "none expected"],
)
def test_what_is_healthy_and_what_may_go(
    pods: list[Pod], needed: Need, healthy: int, allowed: int
) -> None:
    status = counted(*pods, needed=needed).status
    assert (status.currentHealthy, status.disruptionsAllowed) == (healthy, allowed)
    assert (status.expectedPods, status.desiredHealthy) == (needed.expected, needed.healthy)
    assert status.observedGeneration == 3
    [said] = status.conditions
    word = "SufficientPods" if allowed else "InsufficientPods"
    assert (said.status, said.reason) == ("True" if allowed else "False", word)
    assert said.observedGeneration == 3


def test_a_pod_whose_eviction_was_granted_is_not_healthy_any_more() -> None:
    todo = counted(pod("a"), pod("b"), a=10)
    assert (todo.status.currentHealthy, list(todo.status.disruptedPods)) == (1, ["a"])
    assert todo.look_again == pytest.approx(110, abs=0.1)
    assert todo.given_up == []


@pytest.mark.parametrize("pods", [[pod("b")], [pod("a", ending=True), pod("b")]])
def test_a_pod_that_ends_is_not_waited_for_any_more(pods: list[Pod]) -> None:
    todo = counted(*pods, a=10)
    assert not todo.status.disruptedPods
    assert todo.status.currentHealthy == 1
    assert todo.look_again is None


def test_a_pod_that_does_not_end_within_two_minutes_counts_again() -> None:
    staying = pod("a")
    todo = counted(staying, pod("b"), a=121)
    assert not todo.status.disruptedPods
    assert todo.status.currentHealthy == 2
    assert todo.given_up == [staying]


def test_the_first_grant_to_be_given_up_is_looked_at_first() -> None:
    todo = counted(pod("a"), pod("b"), a=10, b=100)
    assert todo.look_again == pytest.approx(20, abs=0.1)


def test_a_condition_that_stays_keeps_its_time() -> None:
    guard, pods = budget(minAvailable=1), [pod("a"), pod("b")]
    first = plan(guard, pods, Need(2, 1), NOW).status
    guard.status.CopyFrom(first)
    assert plan(guard, pods, Need(2, 1), NOW + timedelta(hours=1)).status == first


def test_when_nothing_can_be_counted_nothing_may_go() -> None:
    guard = budget(minAvailable=1)
    guard.status.disruptionsAllowed = guard.status.currentHealthy = 2
    status = failed(guard, "why", NOW)
    assert (status.disruptionsAllowed, status.currentHealthy) == (0, 2)
    [said] = status.conditions
    assert (said.status, said.reason, said.message) == ("False", "SyncFailed", "why")


# Pods that were to go, and stayed


def target(ago: int, *, status: str = "True", reason: str = "EvictionByEvictionAPI") -> Pod:
    made = pod("a")
    made.status.conditions.add(
        type="DisruptionTarget",
        status=status,
        reason=reason,
        lastTransitionTime=clock.timestamp(NOW - timedelta(seconds=ago)),
    )
    return made


def over() -> Pod:
    made = target(500)
    made.status.phase = "Failed"
    return made


def going() -> Pod:
    made = target(500)
    made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    return made


@pytest.mark.parametrize(
    ("subject", "seconds"),
    [
        (target(20), 100),
        (target(120), 0),
        (target(500), 0),
        (pod("a"), None),
        (target(500, status="False"), None),
        (target(500, reason="TerminationByKubelet"), None),
        (over(), None),
        (going(), None),
    ],
)
def test_how_long_it_is_believed_that_a_pod_goes(subject: Pod, seconds: float | None) -> None:
    assert stale_in(subject, NOW) == seconds


def test_then_its_condition_says_no() -> None:
    subject = target(500)
    assert conditions.put(subject.status.conditions, spared(NOW))
    assert stale_in(subject, NOW) is None
