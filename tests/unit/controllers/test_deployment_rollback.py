"""Going back without being told: when, to what, and when not (kubernetes#23211)."""

from datetime import UTC, datetime, timedelta

import pytest

from control_plane.controllers.deployment import notes, rollback
from control_plane.controllers.deployment import status as reports
from control_plane.controllers.deployment.plan import plan
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from tests.unit.controllers.test_deployment_plan import NOW, made_by, progress, web

LATE = NOW + timedelta(minutes=20)
STUCK = (reports.PROGRESSING, "False", reports.TIMED_OUT, "it stands still")


def revision(number: int, *, good: bool = False, deleted: bool = False) -> ReplicaSet:
    rs = made_by(web(image=f"app:{number}"))
    rs.metadata.annotations[notes.REVISION] = str(number)
    if good:
        rs.metadata.annotations[notes.FULLY_AVAILABLE] = "true"
    if deleted:
        rs.metadata.deletionTimestamp.seconds = 1
    return rs


def stuck(image: str = "app:9", wanted: str = "true") -> Deployment:
    """Revision 9, and its deadline has passed."""
    deployment = web(image=image)
    deployment.metadata.annotations[notes.WANTED] = wanted
    reports.set_condition(deployment.status, STUCK, NOW)
    return deployment


@pytest.mark.parametrize(
    ("old", "back_to"),
    [
        ([revision(1, good=True)], 1),
        ([revision(1, good=True), revision(4, good=True)], 4),
        ([revision(4, good=True), revision(1, good=True), revision(8)], 4),  # 8 was bad as well
        ([revision(1, good=True), revision(4, good=True, deleted=True)], 1),
        ([revision(1), revision(8)], None),
        ([], None),
    ],
)
def test_the_last_good_revision(old: list[ReplicaSet], back_to: int | None) -> None:
    found = rollback.decide(stuck(), stuck().status, revision(9), old).back_to
    assert (notes.revision(found) if found else None) == back_to


@pytest.mark.parametrize("wanted", ["", "false", "True", "yes"])
def test_only_who_asks_for_it_is_rolled_back(wanted: str) -> None:
    deployment, old = stuck(wanted=wanted), [revision(1, good=True)]
    assert rollback.decide(deployment, deployment.status, revision(9), old) == rollback.NOTHING


def test_before_the_deadline_nothing_happens() -> None:
    deployment, old = stuck(), [revision(1, good=True)]
    del deployment.status.conditions[:]
    assert rollback.decide(deployment, deployment.status, revision(9), old) == rollback.NOTHING


def test_a_rollback_that_fails_stays_and_that_is_told_once() -> None:
    new, old = revision(9), [revision(1, good=True)]
    deployment = stuck()
    deployment.metadata.annotations[notes.ROLLED_BACK_TO] = new.metadata.name
    before = web()
    before.metadata.CopyFrom(deployment.metadata)
    told = rollback.decide(before, deployment.status, new, old)
    assert told.back_to is None
    assert told.told
    assert told.told[1] == "DeploymentRollbackFailed"
    assert rollback.decide(deployment, deployment.status, new, old) == rollback.NOTHING


def test_nothing_to_go_back_to_is_told_once() -> None:
    deployment, before = stuck(), stuck()
    before.ClearField("status")
    told = rollback.decide(before, deployment.status, revision(9), [revision(8)]).told
    assert told
    assert told[1] == "DeploymentRollbackRevisionNotFound"
    assert (
        rollback.decide(deployment, deployment.status, revision(9), [revision(8)])
        == rollback.NOTHING
    )


def test_what_a_rollback_writes() -> None:
    """The template as it was, without the label that is the set's; the reason of that time; where it came from."""
    deployment, good = stuck(), revision(4, good=True)
    good.metadata.annotations[notes.CHANGE_CAUSE] = "the reason of revision 4"
    after = rollback.gone_back(deployment, revision(9), good)
    assert after.spec.template == web(image="app:4").spec.template
    assert dict(after.metadata.annotations) == {
        **deployment.metadata.annotations,
        notes.CHANGE_CAUSE: "the reason of revision 4",
        notes.ROLLED_BACK_FROM: "9",
        notes.ROLLED_BACK_TO: good.metadata.name,
    }
    del good.metadata.annotations[notes.CHANGE_CAUSE]
    assert (
        notes.CHANGE_CAUSE
        not in rollback.gone_back(deployment, revision(9), good).metadata.annotations
    )
    assert deployment == stuck(), "what came from the cache is not ours"


def gone_back() -> tuple[Deployment, ReplicaSet, ReplicaSet]:
    """A moment after a rollback from 9 to 4, with both sets: the status is that of 9."""
    bad, good = revision(9), revision(4, good=True)
    bad.status.availableReplicas = bad.status.readyReplicas = 0
    good.spec.replicas = 0
    for number in ("replicas", "readyReplicas", "availableReplicas"):
        setattr(good.status, number, 0)
    after = rollback.gone_back(stuck(), bad, good)
    after.metadata.generation, after.status.observedGeneration = 2, 1
    return after, bad, good


def test_a_rollback_begins_with_a_clock_of_its_own_and_says_what_it_is() -> None:
    deployment, bad, good = gone_back()
    todo = plan(deployment, [bad, good], LATE, old_pods=False)
    assert progress(todo.status)[:2] == ("True", "FoundNewReplicaSet")
    assert todo.back == rollback.NOTHING
    condition = reports.condition(todo.status, rollback.ROLLED_BACK)
    assert condition
    assert condition.message == (
        f'Revision 9 exceeded its progress deadline; ReplicaSet "{good.metadata.name}" is in its place again.'
    )
    deployment.status.CopyFrom(todo.status)
    again = plan(deployment, [bad, good], LATE + timedelta(seconds=601), old_pods=False)
    assert progress(again.status)[:2] == ("False", reports.TIMED_OUT)
    assert again.back.told
    assert again.back.told[1] == "DeploymentRollbackFailed"


def test_the_next_change_clears_the_notes() -> None:
    deployment, bad, good = gone_back()
    deployment.spec.template.spec.containers[0].image = "app:10"
    todo = plan(deployment, [bad, good], LATE, old_pods=False)
    assert todo.notes == {
        notes.REVISION: "10",
        notes.ROLLED_BACK_FROM: None,
        notes.ROLLED_BACK_TO: None,
    }
    assert reports.condition(todo.status, rollback.ROLLED_BACK) is None


@pytest.mark.parametrize(
    ("wanted", "available", "replicas", "marked"),
    [("true", 3, 3, True), ("true", 2, 3, False), ("", 3, 3, False), ("true", 0, 0, False)],
)
def test_a_set_is_marked_when_all_of_its_pods_are_available(
    wanted: str, available: int, replicas: int, marked: bool
) -> None:
    deployment = web(replicas)
    deployment.metadata.annotations[notes.WANTED] = wanted
    rs = made_by(deployment)
    rs.status.availableReplicas = rs.status.readyReplicas = available
    todo = plan(deployment, [rs], NOW, old_pods=False)
    written = [after for _, after in todo.write]
    assert any(notes.FULLY_AVAILABLE in rs.metadata.annotations for rs in written) is marked


def test_marks_are_not_handed_on() -> None:
    """`rollout undo` copies a set's annotations to the Deployment; a new set must not get its mark from there."""
    deployment = web()
    deployment.metadata.annotations[notes.FULLY_AVAILABLE] = "true"
    made = plan(deployment, [], datetime(2026, 1, 1, tzinfo=UTC), old_pods=False).create
    assert made
    assert notes.FULLY_AVAILABLE not in made.metadata.annotations
