"""The pure halves of `rollout`, `set` and `create deployment`."""

from typing import Any

import pytest

from cli import generate, podtemplate
from cli.errors import CommandError, UsageError
from cli.rollout import history
from cli.rollout.progress import REVISION, standing
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
    assert history.chosen("web", known, 0) is known[4]
    assert history.chosen("web", known, 2) is known[2]
    with pytest.raises(CommandError, match="unable to find specified revision 3 in history"):
        history.chosen("web", known, 3)
    with pytest.raises(CommandError, match='no rollout history found for deployment "web"'):
        history.chosen("web", {7: known[7]}, 0)


def test_undo_takes_template_and_reason_but_no_bookkeeping() -> None:
    web, old = deployment(), revision(2, "i:0", "because")
    web.metadata.annotations[REVISION] = "5"
    web.metadata.annotations["note"] = "later"
    template, notes = (each["value"] for each in history.going_back(web, old))
    assert template["spec"]["containers"][0]["image"] == "i:0"
    assert "pod-template-hash" not in template["metadata"]["labels"]
    assert notes == {REVISION: "5", history.CHANGE_CAUSE: "because"}
    assert not history.is_present(web, old)
    assert history.is_present(web, revision(1))


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


def test_environment_is_changed_by_name() -> None:
    container = deployment().spec.template.spec.containers[0]
    container.env.add(name="A", value="1")
    container.env.add(name="B").valueFrom.fieldRef.fieldPath = "metadata.name"
    assert podtemplate.listing(container) == ["A=1", "# B from field path metadata.name"]
    assert podtemplate.environment(container, {"B": "x", "C": "y"}, ["A", "Z"]) == {
        "env": [
            {"name": "B", "value": "x", "valueFrom": None},
            {"name": "C", "value": "y"},
            {"name": "A", "$patch": "delete"},
        ]
    }
    assert podtemplate.environment(container, {}, ["Z"]) == {}


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
