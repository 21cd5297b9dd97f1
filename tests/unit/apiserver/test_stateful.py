"""StatefulSets and ControllerRevisions as the API server treats them: defaults, rules, changes, status, rows."""

from typing import Any

import pytest

from api.jsonform import from_json, to_json
from control_plane.apiserver.kinds import STRATEGIES
from control_plane.controllers import owners
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet
from tests.manifests import MANIFESTS, NOW, complaints, created, read, strategy, updated

Change = dict[str, Any]


def spec(**fields: Any) -> Change:
    return {"spec": fields}


def rolling(**fields: Any) -> Change:
    return spec(updateStrategy={"type": "RollingUpdate", "rollingUpdate": fields})


def test_the_smallest_statefulset() -> None:
    made = to_json(created("StatefulSet"))["spec"]
    assert made.pop("template")["spec"] == to_json(created("Pod"))["spec"]
    assert made == {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "serviceName": "",
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
        "revisionHistoryLimit": 10,
    }


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"type": "RollingUpdate"}, {"type": "RollingUpdate"}),
        ({"type": "OnDelete"}, {"type": "OnDelete"}),
        (
            {"rollingUpdate": {"maxUnavailable": "20%"}},
            {"type": "RollingUpdate", "rollingUpdate": {"partition": 0, "maxUnavailable": "20%"}},
        ),
    ],
)
def test_what_is_filled_into_a_strategy(given: Change, expected: Change) -> None:
    made = created("StatefulSet", spec(updateStrategy=given))
    assert to_json(made.spec.updateStrategy) == expected


NOT_NEGATIVE = "must be greater than or equal to 0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metadata": {"name": "a.b"}}, 'metadata.name: Invalid value: "a.b"'),
        (spec(replicas=-1), f"spec.replicas: Invalid value: -1: {NOT_NEGATIVE}"),
        (spec(minReadySeconds=-1), f"spec.minReadySeconds: Invalid value: -1: {NOT_NEGATIVE}"),
        (spec(revisionHistoryLimit=-1), f"spec.revisionHistoryLimit: Invalid value: -1: {NOT_NEGATIVE}"),
        (spec(ordinals={"start": -1}), f"spec.ordinals.start: Invalid value: -1: {NOT_NEGATIVE}"),
        (spec(serviceName="a.b"), 'spec.serviceName: Invalid value: "a.b"'),
        (
            spec(podManagementPolicy="Ordered"),
            'spec.podManagementPolicy: Unsupported value: "Ordered": supported values: "OrderedReady", "Parallel"',
        ),
        (
            spec(updateStrategy={"type": "Recreate"}),
            'spec.updateStrategy.type: Unsupported value: "Recreate": supported values: "RollingUpdate", "OnDelete"',
        ),
        (
            spec(updateStrategy={"type": "OnDelete", "rollingUpdate": {"partition": 1}}),
            'spec.updateStrategy.rollingUpdate: Invalid value: {"partition": 1}: only allowed for updateStrategy \'RollingUpdate\'',
        ),
        (rolling(partition=-1), f"spec.updateStrategy.rollingUpdate.partition: Invalid value: -1: {NOT_NEGATIVE}"),
        (rolling(maxUnavailable=0), "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0"),
        (rolling(maxUnavailable="0%"), 'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "0%": cannot be 0'),
        (rolling(maxUnavailable="101%"), 'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
        (rolling(maxUnavailable="x"), 'spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: "x": a valid percent'),
        (spec(selector=None), "spec.selector: Required value"),
        (spec(template=None), "spec.template: Required value"),
        (
            spec(selector={"matchLabels": None}),
            "spec.selector: Invalid value: {}: empty selector is invalid for statefulset",
        ),
        (
            spec(selector={"matchLabels": {"app": "shop"}}),
            'spec.template.metadata.labels: Invalid value: {"app": "web"}: `selector` does not match template `labels`',
        ),
        (
            spec(template={"spec": {"restartPolicy": "Never"}}),
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (
            spec(template={"spec": {"activeDeadlineSeconds": 5}}),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in StatefulSet is not Supported",
        ),
    ],
)  # fmt: skip
def test_this_is_wrong_with_a_statefulset(change: Change, told: str) -> None:
    said = complaints("StatefulSet", change)
    assert len(said) == 1, said
    assert said[0].startswith(told)


def test_who_asks_for_persistent_volumes_is_told_that_there_are_none() -> None:
    document = {**MANIFESTS["StatefulSet"]}
    document["spec"] = {**document["spec"], "volumeClaimTemplates": [{"metadata": {"name": "d"}}]}
    _, [cause] = from_json(StatefulSet, document)
    assert cause.field == "spec.volumeClaimTemplates"
    assert "not supported here: there are no persistent volumes yet" in cause.message


@pytest.mark.parametrize(
    "change",
    [
        spec(replicas=5),
        spec(ordinals={"start": 3}),
        spec(minReadySeconds=9),
        spec(revisionHistoryLimit=1),
        rolling(partition=2),
        spec(template={"spec": {"hostname": "x"}}),
    ],
)
def test_this_may_change(change: Change) -> None:
    assert updated("StatefulSet", {}, change) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (spec(serviceName="other"), "serviceName"),
        (spec(podManagementPolicy="Parallel"), "podManagementPolicy"),
        (
            spec(
                selector={"matchLabels": {"a": "b"}}, template={"metadata": {"labels": {"a": "b"}}}
            ),
            "selector",
        ),
    ],
)
def test_this_may_not_change(change: Change, field: str) -> None:
    [said] = updated("StatefulSet", {}, change)
    assert said.startswith(f"spec.{field}: Forbidden: updates to statefulset spec for fields other")


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"readyReplicas": 2}, "readyReplicas: Invalid value: 2: cannot be greater than status.replicas"),
        ({"currentReplicas": 2}, "currentReplicas: Invalid value: 2: cannot be greater than status.replicas"),
        ({"updatedReplicas": 2}, "updatedReplicas: Invalid value: 2: cannot be greater than status.replicas"),
        ({"availableReplicas": 1}, "availableReplicas: Invalid value: 1: cannot be greater than readyReplicas"),
        ({"currentReplicas": -1}, f"currentReplicas: Invalid value: -1: {NOT_NEGATIVE}"),
        ({"collisionCount": 1}, "collisionCount: Invalid value: 1: cannot be decremented"),
    ],
)  # fmt: skip
def test_this_is_wrong_with_a_status(status: Change, told: str) -> None:
    old = read("StatefulSet", {"status": {"collisionCount": 2}})
    new = read("StatefulSet", {"status": {"replicas": 1, "collisionCount": 2, **status}})
    [said] = [str(cause) for cause in strategy("StatefulSet").validate_status(new, old)]
    assert said == f"status.{told}"


def test_a_statefulset_in_a_row() -> None:
    made = created("StatefulSet", spec(replicas=3))
    made.status.readyReplicas = 2
    hooks = strategy("StatefulSet")
    assert list(hooks.row(made, NOW)) == ["web", "2/3", "60s", "a", "i:1"]
    assert len(hooks.columns) == 5


# Revisions


def test_a_revision_needs_data_and_a_number() -> None:
    assert complaints("ControllerRevision", {"data": None}) == [
        "data: Required value: data is mandatory"
    ]
    assert complaints("ControllerRevision", {"revision": -1}) == [
        f"revision: Invalid value: -1: {NOT_NEGATIVE}"
    ]


def test_a_revision_can_be_renumbered_and_not_rewritten() -> None:
    assert updated("ControllerRevision", {}, {"revision": 7}) == []
    [said] = updated("ControllerRevision", {}, {"data": {"spec": {"replicas": 1}}})
    assert said == "data: Invalid value: field is immutable"


def test_a_revision_s_data_is_any_json() -> None:
    data = {"a": [1, 2.5, None, True, {"$patch": "replace"}], "b": {}}
    revision = read("ControllerRevision", {"data": {"spec": None, **data}})
    assert to_json(revision)["data"] == data
    _, [cause] = from_json(ControllerRevision, {**MANIFESTS["ControllerRevision"], "data": []})
    assert str(cause) == "data: must be a mapping, not a list"


def test_a_revision_in_a_row() -> None:
    made = created("ControllerRevision")
    hooks = strategy("ControllerRevision")
    assert list(hooks.row(made, NOW)) == ["web-5d9", "<none>", 1, "60s"]
    made.metadata.ownerReferences.append(owners.reference_to(created("StatefulSet")))
    assert hooks.row(made, NOW)[1] == "statefulset.apps/web"


def test_revisions_have_no_status() -> None:
    assert not strategy("ControllerRevision").kind.status
    assert strategy("ControllerRevision") in STRATEGIES.values()
