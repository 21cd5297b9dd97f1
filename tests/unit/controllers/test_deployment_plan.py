"""One step of a Deployment: what is made, written and reported (4d, S#68-S#71)."""

from datetime import UTC, datetime, timedelta

import pytest

from api import clock
from control_plane.controllers.deployment import notes, template
from control_plane.controllers.deployment import status as reports
from control_plane.controllers.deployment.plan import next_look, plan, surplus
from proto.v1.apps_pb2 import Deployment, DeploymentStatus, ReplicaSet

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def web(replicas: int = 3, image: str = "app:1") -> Deployment:
    made = Deployment()
    meta, spec = made.metadata, made.spec
    meta.name, meta.namespace, meta.uid, meta.generation = "web", "default", "d", 1
    meta.annotations["kubernetes.io/change-cause"] = "because"
    meta.annotations[notes.LAST_APPLIED] = "{}"
    spec.replicas, spec.progressDeadlineSeconds, spec.revisionHistoryLimit = replicas, 600, 10
    spec.selector.matchLabels["app"] = "web"
    spec.strategy.type = "RollingUpdate"
    spec.strategy.rollingUpdate.maxSurge.string_value = "25%"
    spec.strategy.rollingUpdate.maxUnavailable.string_value = "25%"
    spec.template.metadata.labels["app"] = "web"
    spec.template.spec.containers.add(name="app", image=image)
    return made


def made_by(deployment: Deployment, *others: ReplicaSet, age: int = 0) -> ReplicaSet:
    """The set of the present template, as the server has it after its pods have come."""
    rs = plan(deployment, others, NOW, old_pods=False).create
    assert rs is not None
    rs.metadata.creationTimestamp.seconds = 1000 - age
    rs.metadata.uid = rs.metadata.name
    size = rs.spec.replicas = deployment.spec.replicas
    for field in ("replicas", "readyReplicas", "availableReplicas"):
        setattr(rs.status, field, size)
    return rs


def progress(status: DeploymentStatus) -> tuple[str, str, str]:
    found = reports.condition(status, "Progressing")
    return (found.status, found.reason, found.message) if found else ("", "", "")


def test_the_first_set_has_a_name_labels_notes_and_an_owner() -> None:
    todo = plan(web(), [], NOW, old_pods=False)
    rs = todo.create
    assert rs is not None
    digest = rs.metadata.labels[template.HASH_LABEL]
    assert rs.metadata.name == f"web-{digest}"
    labels = {"app": "web", template.HASH_LABEL: digest}
    assert rs.spec.selector.matchLabels == labels == rs.spec.template.metadata.labels
    assert rs.metadata.ownerReferences[0].uid == "d"
    assert rs.spec.replicas == 3
    assert dict(rs.metadata.annotations) == {
        notes.REVISION: "1",
        notes.DESIRED: "3",
        notes.MAXIMUM: "4",
        "kubernetes.io/change-cause": "because",
    }
    assert todo.notes == {notes.REVISION: "1"}
    told = f'Created new replica set "{rs.metadata.name}"'
    assert progress(todo.status) == ("True", "NewReplicaSetCreated", told)


def test_a_hash_has_no_vowels_and_depends_on_collisions() -> None:
    one = web().spec.template
    assert template.template_hash(one) == template.template_hash(web().spec.template)
    assert len({template.template_hash(one, n) for n in (None, 0, 1)}) == 3
    assert not set(template.template_hash(one)) & set("aeiou013")


def test_the_oldest_set_with_an_equal_template_is_the_new_one() -> None:
    deployment = web()
    younger, older = made_by(deployment, age=1), made_by(deployment, age=2)
    older.spec.template.metadata.labels[template.HASH_LABEL] = "made-by-another-version"
    other = made_by(web(image="app:2"), age=3)
    assert template.find_new(deployment, [other, younger, older]) is older


def test_going_back_reuses_the_old_set_under_a_new_revision() -> None:
    first, second = web(), web(image="app:2")
    one = made_by(first, age=2)
    two = made_by(second, one, age=1)
    assert two.metadata.annotations[notes.REVISION] == "2"
    one.spec.replicas = one.status.replicas = one.status.availableReplicas = 0
    todo = plan(first, [one, two], NOW, old_pods=False)
    assert todo.create is None
    [(before, after)] = todo.write
    assert before is one
    assert after.metadata.annotations[notes.REVISION] == "3"
    assert after.metadata.annotations[notes.HISTORY] == "1"
    assert after.spec.replicas == 1
    assert todo.notes == {notes.REVISION: "3"}
    assert one.metadata.annotations[notes.REVISION] == "1", "what came from the cache is not ours"


def test_complete_then_quiet() -> None:
    deployment = web()
    rs = made_by(deployment)
    todo = plan(deployment, [rs], NOW, old_pods=False)
    assert not todo.write
    assert progress(todo.status)[1] == "NewReplicaSetAvailable"
    deployment.status.CopyFrom(todo.status)
    deployment.metadata.annotations[notes.REVISION] = "1"
    again = plan(deployment, [rs], NOW + timedelta(hours=1), old_pods=False)
    assert again.status == deployment.status
    assert again.create is None
    assert (again.write, tuple(again.delete), again.notes) == ([], (), {})
    assert next_look(deployment, again.status, NOW) is None


def test_the_deadline_counts_from_the_last_progress() -> None:
    deployment = web()
    rs = made_by(deployment)
    rs.status.availableReplicas = rs.status.readyReplicas = 1
    deployment.status.CopyFrom(plan(deployment, [rs], NOW, old_pods=False).status)
    assert progress(deployment.status)[1] == "ReplicaSetUpdated"
    assert next_look(deployment, deployment.status, NOW) == 601
    rs.status.availableReplicas = rs.status.readyReplicas = 2
    later = NOW + timedelta(seconds=500)
    deployment.status.CopyFrom(plan(deployment, [rs], later, old_pods=False).status)
    assert next_look(deployment, deployment.status, later) == 601
    over = later + timedelta(seconds=601)
    deployment.status.CopyFrom(plan(deployment, [rs], over, old_pods=False).status)
    told = f'ReplicaSet "{rs.metadata.name}" has timed out progressing.'
    assert progress(deployment.status) == ("False", "ProgressDeadlineExceeded", told)
    assert next_look(deployment, deployment.status, over) is None


def test_a_pause_stops_the_clock_and_a_resume_sets_it_anew() -> None:
    deployment = web()
    rs = made_by(deployment)
    rs.status.availableReplicas = rs.status.readyReplicas = 1
    deployment.status.CopyFrom(plan(deployment, [rs], NOW, old_pods=False).status)
    deployment.spec.paused = True
    paused = plan(deployment, [rs], NOW + timedelta(hours=1), old_pods=False).status
    assert progress(paused) == ("Unknown", "DeploymentPaused", "Deployment is paused")
    assert next_look(deployment, paused, NOW) is None
    deployment.status.CopyFrom(paused)
    deployment.spec.paused = False
    resumed = NOW + timedelta(hours=2)
    status = plan(deployment, [rs], resumed, old_pods=False).status
    assert progress(status) == ("Unknown", "DeploymentResumed", "Deployment is resumed")
    assert next_look(deployment, status, resumed) == 601


@pytest.mark.parametrize(("available", "value"), [(3, "True"), (2, "False")])
def test_available_means_no_fewer_than_the_bounds_allow(available: int, value: str) -> None:
    deployment = web()
    rs = made_by(deployment)
    rs.status.availableReplicas = available
    status = plan(deployment, [rs], NOW, old_pods=False).status
    found = reports.condition(status, "Available")
    assert found is not None
    assert found.status == value
    assert status.unavailableReplicas == 3 - available


def test_a_failure_of_a_set_is_the_deployments_failure() -> None:
    deployment = web()
    rs = made_by(deployment)
    rs.status.conditions.add(
        type="ReplicaFailure", status="True", reason="FailedCreate", message="quota"
    )
    status = plan(deployment, [rs], NOW, old_pods=False).status
    found = reports.condition(status, "ReplicaFailure")
    assert found is not None
    assert (found.status, found.reason, found.message) == ("True", "FailedCreate", "quota")
    del rs.status.conditions[:]
    deployment.status.CopyFrom(status)
    healed = plan(deployment, [rs], NOW, old_pods=False).status
    assert reports.condition(healed, "ReplicaFailure") is None


def test_without_a_deadline_nobody_measures() -> None:
    deployment = web()
    deployment.spec.progressDeadlineSeconds = reports.NO_DEADLINE
    status = plan(deployment, [made_by(deployment)], NOW, old_pods=False).status
    assert reports.condition(status, "Progressing") is None


def test_only_empty_sets_are_surplus_and_the_lowest_revisions_go() -> None:
    deployment = web()
    deployment.spec.revisionHistoryLimit = 1
    old = []
    for revision in (3, 1, 2):
        rs = made_by(web(image=f"app:{revision + 10}"))
        rs.metadata.annotations[notes.REVISION] = str(revision)
        rs.spec.replicas = rs.status.replicas = 0
        old.append(rs)
    assert [notes.revision(rs) for rs in surplus(deployment, old)] == [1, 2]
    old[1].status.replicas = 1
    assert [notes.revision(rs) for rs in surplus(deployment, old)] == [2]
    deployment.spec.revisionHistoryLimit = 10
    assert surplus(deployment, old) == []


def test_one_that_is_being_deleted_only_reports() -> None:
    deployment = web()
    deployment.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    todo = plan(deployment, [], NOW, old_pods=False)
    assert todo.create is None
    assert todo.status.observedGeneration == 1
