"""The pure halves of `rollout`, `set` and `create deployment`."""

from typing import Any

import pytest

from api.jsonform import from_json
from cli import generate, podtemplate
from cli.errors import CommandError, UsageError
from cli.pods import usefulness
from cli.rollout import history
from cli.rollout.progress import REVISION, standing
from proto.v1.apps_pb2 import (
    ControllerRevision,
    DaemonSet,
    DaemonSetStatus,
    StatefulSet,
    StatefulSetStatus,
)
from proto.v1.batch_pb2 import Job
from tests.manifests import created


def deployment(**status: Any) -> Any:
    made = created("Deployment", {"spec": {"replicas": 3}})
    made.status.observedGeneration = made.metadata.generation
    for name, value in status.items():
        setattr(made.status, name, value)
    return made


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ({"updatedReplicas": 1, "replicas": 4}, "1 out of 3 new replicas have been updated..."),
        ({"updatedReplicas": 3, "replicas": 4}, "1 old replicas are pending termination..."),
        (
            {"updatedReplicas": 3, "replicas": 3, "availableReplicas": 2},
            "2 of 3 updated replicas are available...",
        ),
    ],
)
def test_each_step_has_a_sentence(status: dict[str, int], words: str) -> None:
    sentence = f'Waiting for deployment "web" rollout to finish: {words}'
    assert standing(deployment(**status)) == (sentence, False)


def test_a_rollout_is_over_when_all_numbers_agree() -> None:
    done = deployment(updatedReplicas=3, replicas=3, availableReplicas=3)
    assert standing(done) == ('deployment "web" successfully rolled out', True)


def test_numbers_of_an_older_spec_do_not_count() -> None:
    stale = deployment(updatedReplicas=3, replicas=3, availableReplicas=3)
    stale.metadata.generation += 1
    assert standing(stale) == ("Waiting for deployment spec update to be observed...", False)


def test_a_rollout_that_got_stuck_is_an_error() -> None:
    stuck = deployment(updatedReplicas=1)
    stuck.status.conditions.add(
        type="Progressing", status="False", reason="ProgressDeadlineExceeded"
    )
    with pytest.raises(CommandError, match='deployment "web" exceeded its progress deadline'):
        standing(stuck)


def test_another_revision_is_not_waited_for() -> None:
    web = deployment()
    web.metadata.annotations[REVISION] = "3"
    with pytest.raises(
        CommandError, match=r"desired revision \(2\) is different from the running revision \(3\)"
    ):
        standing(web, 2)


def revision(number: int, image: str = "i:1", cause: str = "") -> Any:
    made = created("ReplicaSet", {})
    made.metadata.annotations[REVISION] = str(number)
    made.spec.template.spec.containers[0].image = image
    made.spec.template.metadata.labels["pod-template-hash"] = "abc"
    if cause:
        made.metadata.annotations[history.CHANGE_CAUSE] = cause
    return made


def test_history_is_in_the_order_of_revisions() -> None:
    known = history.revisions(
        [revision(10, cause="faster"), revision(9), created("ReplicaSet", {})]
    )
    assert history.overview(known) == [
        "REVISION  CHANGE-CAUSE",
        "9         <none>",
        "10        faster",
        "",
    ]
    assert history.overview({}) == ["No rollout history found."]


def test_what_undo_goes_back_to() -> None:
    known = history.revisions([revision(4), revision(2), revision(7)])
    web = deployment()
    assert history.chosen(web, known, 0) is known[4]
    assert history.chosen(web, known, 2) is known[2]
    with pytest.raises(CommandError, match="unable to find specified revision 3 in history"):
        history.chosen(web, known, 3)
    with pytest.raises(CommandError, match='no rollout history found for deployment "web"'):
        history.chosen(web, {7: known[7]}, 0)


def test_undo_takes_template_and_reason_but_no_bookkeeping() -> None:
    web, known = deployment(), history.revisions([revision(2, "i:0", "because"), revision(3)])
    old = known[2]
    web.metadata.annotations[REVISION] = "5"
    web.metadata.annotations["note"] = "later"
    template, notes = (each["value"] for each in history.going_back(web, old))
    assert template["spec"]["containers"][0]["image"] == "i:0"
    assert "pod-template-hash" not in template["metadata"]["labels"]
    assert notes == {REVISION: "5", history.CHANGE_CAUSE: "because"}
    assert not history.is_present(web, old)
    assert history.is_present(web, known[3])


def remembered(number: int, image: str, cause: str = "") -> Any:
    """A ControllerRevision as the controllers write it."""
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {"containers": [{"name": "a", "image": image}]},
        "$patch": "replace",
    }
    made = ControllerRevision(revision=number)
    made.data.update({"spec": {"template": template}})
    if cause:
        made.metadata.annotations[history.CHANGE_CAUSE] = cause
    return made


def test_the_past_of_a_daemonset_is_in_its_controller_revisions() -> None:
    web = created("DaemonSet", {})
    known = history.revisions([remembered(3, "i:1"), remembered(1, "i:0", "first")])
    assert history.overview(known)[1:3] == ["1         first", "3         <none>"]
    assert "    Image:" in "\n".join(history.details(known[1]))
    shown = history.as_object(web, known[1])
    assert (shown.kind, shown.spec.template.spec.containers[0].image) == ("DaemonSet", "i:0")
    [replaced] = history.going_back(web, history.chosen(web, known, 0))
    assert replaced["path"] == "/spec/template"
    assert replaced["value"]["spec"]["containers"][0]["image"] == "i:0"
    assert "$patch" not in replaced["value"]
    with pytest.raises(CommandError, match="no last revision to roll back to"):
        history.chosen(web, {3: known[3]}, 0)


def daemonset(**status: int) -> Any:
    made = DaemonSet(kind="DaemonSet", status=DaemonSetStatus(observedGeneration=1, **status))
    made.metadata.name, made.metadata.generation = "agent", 1
    made.spec.updateStrategy.type = "RollingUpdate"
    return made


@pytest.mark.parametrize(
    ("status", "words", "over"),
    [
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 1},
            'Waiting for daemon set "agent" rollout to finish: 1 out of 3 new pods have been updated...',
            False,
        ),
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 2},
            'Waiting for daemon set "agent" rollout to finish: 2 of 3 updated pods are available...',
            False,
        ),
        (
            {"desiredNumberScheduled": 3, "updatedNumberScheduled": 3, "numberAvailable": 3},
            'daemon set "agent" successfully rolled out',
            True,
        ),
    ],
)
def test_steps_of_a_daemonset(status: dict[str, int], words: str, over: bool) -> None:
    assert standing(daemonset(**status)) == (words, over)


def statefulset(partition: int | None = 0, replicas: int = 3, **status: Any) -> Any:
    made = StatefulSet(kind="StatefulSet", status=StatefulSetStatus(observedGeneration=1, **status))
    made.metadata.name, made.metadata.generation = "db", 1
    made.spec.replicas, made.spec.updateStrategy.type = replicas, "RollingUpdate"
    if partition is not None:
        made.spec.updateStrategy.rollingUpdate.partition = partition
    return made


@pytest.mark.parametrize(
    ("given", "words", "over"),
    [
        (statefulset(readyReplicas=1), "Waiting for 2 pods to be ready...", False),
        (
            statefulset(partition=1, readyReplicas=3, updatedReplicas=1),
            "Waiting for partitioned roll out to finish: 1 out of 2 new pods have been updated...",
            False,
        ),
        (
            statefulset(partition=1, readyReplicas=3, updatedReplicas=2),
            "partitioned roll out complete: 2 new pods have been updated...",
            True,
        ),
        (
            statefulset(
                None, readyReplicas=3, updatedReplicas=2, updateRevision="b", currentRevision="a"
            ),
            "waiting for statefulset rolling update to complete 2 pods at revision b...",
            False,
        ),
        (
            statefulset(
                None, readyReplicas=3, currentReplicas=3, updateRevision="b", currentRevision="b"
            ),
            "statefulset rolling update complete 3 pods at revision b...",
            True,
        ),
    ],
)
def test_steps_of_a_statefulset(given: Any, words: str, over: bool) -> None:
    assert standing(given) == (words, over)


@pytest.mark.parametrize(
    ("given", "name"), [(daemonset(), "daemon set"), (statefulset(), "statefulset")]
)
def test_before_the_controller_has_looked_and_when_nothing_rolls(given: Any, name: str) -> None:
    stale = type(given)()
    stale.CopyFrom(given)
    stale.status.observedGeneration = 0
    assert standing(stale) == (f"Waiting for {name} spec update to be observed...", False)
    stale.spec.updateStrategy.type = "OnDelete"
    with pytest.raises(CommandError, match="only available for RollingUpdate strategy type"):
        standing(stale)


def test_what_rolls_nothing_out_has_no_status() -> None:
    with pytest.raises(CommandError, match="no status viewer has been implemented for Pod"):
        standing(created("Pod", {}))


def containers(patch: dict[str, Any]) -> Any:
    return patch["spec"]["template"]["spec"]["containers"]


def test_images_by_container() -> None:
    web = deployment()
    assert containers(podtemplate.images(web, {"a": "i:2"})) == [{"name": "a", "image": "i:2"}]
    assert containers(podtemplate.images(web, {"*": "i:3"})) == [{"name": "a", "image": "i:3"}]
    with pytest.raises(CommandError, match='unable to find container named "b"'):
        podtemplate.images(web, {"b": "i:2"})
    pod = created("Pod", {})
    assert podtemplate.images(pod, {"a": "i:2"})["spec"]["containers"][0]["image"] == "i:2"
    with pytest.raises(CommandError, match="does not have a pod template"):
        podtemplate.images(created("Node", {}), {"a": "i:2"})


def test_a_cronjob_has_its_pods_in_the_template_of_its_jobs() -> None:
    patch = podtemplate.images(created("CronJob", {}), {"a": "i:2"})
    pods = patch["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert pods["containers"] == [{"name": "a", "image": "i:2"}]


def test_environment_is_changed_by_name() -> None:
    container = deployment().spec.template.spec.containers[0]
    container.env.add(name="A", value="1")
    container.env.add(name="B").valueFrom.fieldRef.fieldPath = "metadata.name"
    assert podtemplate.listing(container) == ["A=1", "# B from field path metadata.name"]
    assert podtemplate.environment(container, {"B": "x", "C": "y"}, ["A", "Z"], {}) == {
        "env": [
            {"name": "B", "value": "x", "valueFrom": None},
            {"name": "C", "value": "y"},
            {"name": "A", "$patch": "delete"},
        ]
    }
    assert podtemplate.environment(container, {}, ["Z"], {}) == {}


def test_quantities() -> None:
    assert podtemplate.quantities("cpu=200m,memory=1Gi") == {"cpu": "200m", "memory": "1Gi"}
    with pytest.raises(UsageError, match="expected <resource>=<value>"):
        podtemplate.quantities("cpu")


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("nginx", "nginx"),
        ("reg:5000/team/My_App:v1", "my-app"),
        ("a/b@sha256:0f", "b"),
        ("_", "main"),
    ],
)
def test_containers_are_called_as_their_images(image: str, name: str) -> None:
    assert generate.container_name(image) == name


def test_containers_of_one_deployment_differ() -> None:
    assert generate.container_names(["a:1", "x/a:2", "b"]) == ["a", "a-2", "b"]


def test_a_job_of_a_cronjob_is_its_child_and_was_made_by_hand() -> None:
    tidy = created("CronJob", {"spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}}}}})
    job, causes = from_json(Job, generate.job_of(tidy, "now"))
    assert not causes
    [owner] = job.metadata.ownerReferences
    assert (owner.kind, owner.name, owner.uid, owner.controller) == (
        "CronJob",
        "tidy",
        tidy.metadata.uid,
        True,
    )
    assert not owner.blockOwnerDeletion
    assert dict(job.metadata.annotations) == {generate.MANUAL: "manual"}
    assert dict(job.metadata.labels) == {"a": "b"}
    assert job.spec == tidy.spec.jobTemplate.spec


def test_how_many_of_a_budget() -> None:
    assert [generate.count_or_share(text) for text in ("3", "-1", "30%")] == [3, -1, "30%"]


def pod(name: str, phase: str = "Running", ready_since: int = 0, node: str = "n1") -> Any:
    made = created("Pod", {"metadata": {"name": name}, "spec": {"nodeName": node} if node else {}})
    made.status.phase = phase
    if ready_since:
        made.status.conditions.add(
            type="Ready", status="True"
        ).lastTransitionTime.seconds = ready_since
    return made


def test_the_most_useful_pod_is_taken() -> None:
    pods = [
        pod("nowhere", "Pending", node=""),
        pod("pending", "Pending"),
        pod("unready"),
        pod("young", ready_since=200),
        pod("old", ready_since=100),
    ]
    found = [each.metadata.name for each in sorted(pods, key=usefulness)]
    assert found == ["old", "young", "unready", "pending", "nowhere"]
