"""Revisions of a template, as functions: how one is made, found again, numbered, let go, and gone back to (S#73)."""

from typing import Any

import pytest

from api.jsonform import from_json, to_json
from api.patch import strategic_patch
from api.revisions import patch_of, template_of
from control_plane.controllers import revisions
from control_plane.controllers.revisions import HASH_LABEL, POD_LABEL
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet
from tests.manifests import created


def web(image: str = "i:1", **metadata: Any) -> StatefulSet:
    template = {
        "metadata": {"labels": {"app": "web"}},
        "spec": {
            "containers": [
                {
                    "name": "a",
                    "image": image,
                    "resources": {"requests": {"cpu": "100m"}},
                    "readinessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 7},
                }
            ]
        },
    }
    made: StatefulSet = created("StatefulSet", {"metadata": metadata, "spec": {"template": template}})  # fmt: skip
    return made


def history(*images: str) -> list[ControllerRevision]:
    """The first image's revision has number 1."""
    return [revisions.new_revision(web(image), n) for n, image in enumerate(images, 1)]


def test_a_revision_is_a_patch_with_the_owner_s_name_and_marks() -> None:
    owner = web(annotations={"kubernetes.io/change-cause": "because"})
    made = revisions.new_revision(owner, 3)
    name, _, digest = made.metadata.name.rpartition("-")
    assert name == "web"
    assert made.metadata.namespace == "default"
    assert dict(made.metadata.labels) == {"app": "web", HASH_LABEL: digest}
    assert made.metadata.annotations["kubernetes.io/change-cause"] == "because"
    [reference] = made.metadata.ownerReferences
    assert (reference.kind, reference.name, reference.controller) == ("StatefulSet", "web", True)
    assert made.revision == 3
    patch = patch_of(made)
    assert list(patch) == ["spec"]
    assert list(patch["spec"]) == ["template"]
    assert patch["spec"]["template"].pop("$patch") == "replace"
    assert patch["spec"]["template"] == to_json(owner.spec.template)


def test_another_label_can_carry_the_hash() -> None:
    made = revisions.new_revision(web(), 1, hash_label=POD_LABEL)
    assert HASH_LABEL not in made.metadata.labels
    assert made.metadata.name == f"web-{made.metadata.labels[POD_LABEL]}"


def test_a_long_name_is_cut_and_the_hash_is_not() -> None:
    made = revisions.new_revision(web(name="a" * 240), 1)
    prefix, _, digest = made.metadata.name.rpartition("-")
    assert (len(prefix), digest) == (223, made.metadata.labels[HASH_LABEL])


def test_what_was_written_is_read_again() -> None:
    owner = web()
    assert template_of(revisions.new_revision(owner, 1)) == owner.spec.template


def test_data_of_somebody_else_is_no_template_and_no_error() -> None:
    for data in ({}, {"spec": 1}, {"spec": {"template": []}}):
        revision = ControllerRevision()
        revision.data.update(data)
        assert not template_of(revision).HasField("spec")


def test_going_back_leaves_nothing_of_what_came_since() -> None:
    then, now = web("i:1"), web("i:2")
    now.spec.template.metadata.labels["more"] = "yes"
    now.spec.template.spec.hostname = "new"
    now.spec.replicas = 7
    patch = patch_of(revisions.new_revision(then, 1))
    back, wrong = from_json(StatefulSet, strategic_patch(to_json(now), patch, StatefulSet))
    assert wrong == []
    assert back.spec.template == then.spec.template
    assert back.spec.replicas == 7, "only the template goes back"


def test_the_first_template_is_revision_1() -> None:
    step = revisions.plan(web(), [])
    assert (step.create, step.revision.revision) == (True, 1)


def test_a_template_that_is_the_newest_is_left_alone() -> None:
    known = history("i:1", "i:2")
    assert revisions.plan(web("i:2"), known) == revisions.Step(known[1])


def test_a_new_template_gets_the_next_number() -> None:
    step = revisions.plan(web("i:3"), history("i:1", "i:2"))
    assert (step.create, step.revision.revision) == (True, 3)
    assert template_of(step.revision) == web("i:3").spec.template


def test_a_template_that_comes_back_keeps_its_revision_and_gets_the_highest_number() -> None:
    known = history("i:1", "i:2")
    step = revisions.plan(web("i:1"), known)
    assert step.renumber
    assert step.revision.metadata.name == known[0].metadata.name
    assert step.revision.revision == 3
    assert known[0].revision == 1, "what came from a cache is not changed"


def test_of_two_with_one_number_the_one_in_use_is_renumbered() -> None:
    """Two controllers that knew nothing of each other made them."""
    known = history("i:1", "i:2")
    known[1].revision = 1
    newest = revisions.in_order(known)[-1]
    other = "i:1" if newest is known[1] else "i:2"
    step = revisions.plan(web(other), known)
    assert (step.renumber, step.revision.revision) == (True, 2)


def test_a_name_that_is_taken_changes_with_the_count_of_collisions() -> None:
    owner = web()
    names = {revisions.new_revision(owner, 1, n).metadata.name for n in (None, 0, 1, 2)}
    assert len(names) == 4
    owner.status.collisionCount = 2
    planned = revisions.plan(owner, []).revision.metadata.name
    assert planned == revisions.new_revision(owner, 1, 2).metadata.name


def test_only_what_the_template_says_counts_when_revisions_are_compared() -> None:
    """Presence of an empty message says nothing, whoever wrote it."""
    owner = web()
    owner.spec.template.spec.securityContext.SetInParent()
    assert revisions.find(history("i:1"), owner.spec.template) is not None


@pytest.mark.parametrize(
    ("limit", "live", "gone"),
    [
        (10, (), ()),
        (2, (), ("i:1", "i:2")),
        (0, (), ("i:1", "i:2", "i:3", "i:4")),
        (2, ("i:4",), ("i:1",)),
        (0, ("i:1", "i:4"), ("i:2", "i:3")),
    ],
)
def test_the_oldest_that_nobody_uses_go(
    limit: int, live: tuple[str, ...], gone: tuple[str, ...]
) -> None:
    known = dict(zip(("i:1", "i:2", "i:3", "i:4"), history("i:1", "i:2", "i:3", "i:4"), strict=True))  # fmt: skip
    names = {known[image].metadata.name for image in live}
    found = revisions.surplus(reversed(known.values()), names, limit)
    assert found == [known[image] for image in gone]
