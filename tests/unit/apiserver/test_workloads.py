"""ReplicaSets and Deployments as the API server treats them: defaults, rules (4d), generations, rows, their scale."""

from typing import Any

import pytest
from google.protobuf.struct_pb2 import Value

from api import kinds
from api.errors import Invalid
from api.jsonform import to_json
from control_plane.apiserver import metadata, scaling
from proto.v1.apps_pb2 import Scale
from tests.manifests import NOW, complaints, created, read, strategy, updated

BOTH = ("ReplicaSet", "Deployment")
Change = dict[str, Any]


def spec(**fields: Any) -> Change:
    return {"spec": fields}


def rolling(unavailable: int | str, surge: int | str) -> Change:
    bounds = {"maxUnavailable": unavailable, "maxSurge": surge}
    return spec(strategy={"rollingUpdate": bounds})


def template(**fields: Any) -> Change:
    """The change of the spec of the template's pods."""
    return spec(template={"spec": fields})


# Defaults


def test_the_smallest_deployment() -> None:
    made = to_json(created("Deployment"))["spec"]
    pods = made.pop("template")["spec"]
    assert made == {
        "replicas": 1,
        "selector": {"matchLabels": {"app": "web"}},
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
        },
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }
    assert pods["restartPolicy"] == "Always"
    assert pods["containers"][0]["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize("kind", BOTH)
def test_a_template_is_defaulted_like_a_pod(kind: str) -> None:
    assert created(kind).spec.template.spec == created("Pod").spec


@pytest.mark.parametrize("kind", BOTH)
def test_none_is_a_number_of_replicas_too(kind: str) -> None:
    assert created(kind).spec.replicas == 1
    assert created(kind, spec(replicas=0)).spec.replicas == 0


def test_one_bound_is_defaulted_without_the_other() -> None:
    bounds = created("Deployment", spec(strategy={"rollingUpdate": {"maxSurge": 0}}))
    bounds = bounds.spec.strategy.rollingUpdate
    assert bounds.maxSurge == Value(number_value=0)
    assert bounds.maxUnavailable == Value(string_value="25%")


def test_recreate_has_no_bounds() -> None:
    made = created("Deployment", spec(strategy={"type": "Recreate"}))
    assert not made.spec.strategy.HasField("rollingUpdate")


# Rules


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            spec(replicas=-1),
            "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            spec(minReadySeconds=-1),
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (spec(selector=None), "spec.selector: Required value"),
        (
            spec(selector={"matchLabels": None}),
            "spec.selector: Invalid value: {}: empty selector is invalid for deployment",
        ),
        (
            spec(selector={"matchLabels": {"app": "a b"}}),
            'spec.selector.matchLabels: Invalid value: "a b"',
        ),
        (
            spec(selector={"matchExpressions": [{"key": "app", "operator": "Equals"}]}),
            'spec.selector.matchExpressions[0].operator: Unsupported value: "Equals"',
        ),
        (
            spec(selector={"matchLabels": {"app": "shop"}}),
            'spec.template.metadata.labels: Invalid value: {"app": "web"}: '
            "`selector` does not match template `labels`",
        ),
        (spec(template=None), "spec.template: Required value"),
        (spec(template={"spec": None}), "spec.template.spec.containers: Required value"),
        (
            spec(template={"metadata": {"labels": {"x": "a b"}}}),
            'spec.template.labels: Invalid value: "a b"',
        ),
        (
            spec(template={"metadata": {"annotations": {"a b": "x"}}}),
            'spec.template.annotations: Invalid value: "a b"',
        ),
        (template(containers=None), "spec.template.spec.containers: Required value"),
        (
            template(containers=[{"name": "a", "image": "i"}] * 2),
            'spec.template.spec.containers[1].name: Duplicate value: "a"',
        ),
        (
            template(containers=[{"name": "A", "image": "i"}]),
            'spec.template.spec.containers[0].name: Invalid value: "A"',
        ),
        (
            template(restartPolicy="Never"),
            'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
        ),
        (
            template(activeDeadlineSeconds=5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: "
            "activeDeadlineSeconds in ReplicaSet is not Supported",
        ),
    ],
)
def test_this_is_wrong_with_either(kind: str, change: Change, told: str) -> None:
    said = complaints(kind, change)
    assert len(said) == 1, said
    assert said[0].startswith(told)


PERCENT = "a valid percent string must be a numeric string followed by an ending '%'"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            rolling(0, 0),
            "maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
        ),
        (
            rolling("0%", 0),
            'maxUnavailable: Invalid value: "0%": may not be 0 when `maxSurge` is 0',
        ),
        (
            rolling("101%", 1),
            'maxUnavailable: Invalid value: "101%": must not be greater than 100%',
        ),
        (rolling(-1, 1), "maxUnavailable: Invalid value: -1: must be greater than or equal to 0"),
        (rolling(1, -1), "maxSurge: Invalid value: -1: must be greater than or equal to 0"),
        (rolling("5", 1), f'maxUnavailable: Invalid value: "5": {PERCENT}'),
        (rolling(1, "-5%"), f'maxSurge: Invalid value: "-5%": {PERCENT}'),
        (rolling(1, ""), f'maxSurge: Invalid value: "": {PERCENT}'),
    ],
)
def test_bounds_of_a_rollout_that_are_wrong(change: Change, told: str) -> None:
    [said] = complaints("Deployment", change)
    assert said.startswith(f"spec.strategy.rollingUpdate.{told}")


@pytest.mark.parametrize(
    "change",
    [rolling(0, 1), rolling(1, 0), rolling("100%", 0), rolling(0, "250%"), rolling(500, 0)],
)
def test_bounds_of_a_rollout_that_are_fine(change: Change) -> None:
    assert complaints("Deployment", change) == []


def test_a_bound_over_the_wire_may_be_any_number() -> None:
    made = created("Deployment")
    made.spec.strategy.rollingUpdate.maxSurge.number_value = 1.5
    [said] = strategy("Deployment").validate(made)
    assert "must be a whole number or a percentage" in said.message


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            spec(strategy={"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}),
            "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'",
        ),
        (spec(strategy={"type": "Rolling"}), 'spec.strategy.type: Unsupported value: "Rolling"'),
        (
            spec(minReadySeconds=600),
            "spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds",
        ),
        (
            spec(progressDeadlineSeconds=0),
            "spec.progressDeadlineSeconds: Invalid value: 0: must be greater than minReadySeconds",
        ),
        (
            spec(revisionHistoryLimit=-1),
            "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
        ),
    ],
)
def test_this_is_wrong_with_a_deployment(change: Change, told: str) -> None:
    said = complaints("Deployment", change)
    assert len(said) == 1, said
    assert said[0].startswith(told)


# Changes


@pytest.mark.parametrize("kind", BOTH)
def test_the_selector_stays(kind: str) -> None:
    labels = {"app": "web", "tier": "front"}
    wider = spec(selector={"matchLabels": labels}, template={"metadata": {"labels": labels}})
    assert updated(kind, {}, wider) == [
        'spec.selector: Invalid value: {"matchLabels": {"app": "web", "tier": "front"}}: field is immutable'
    ]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(
    "change",
    [
        spec(replicas=7),
        spec(template={"metadata": {"name": "x", "labels": {"more": "yes"}}}),
        template(containers=[{"name": "b", "image": "i:2"}], nodeName="n1"),
    ],
)
def test_everything_else_may_change(kind: str, change: Change) -> None:
    assert updated(kind, {}, change) == []


def generation(kind: str, change: Change) -> int:
    """After an update of the first generation, as the registry counts."""
    old, new, hooks = created(kind), read(kind, change), strategy(kind)
    hooks.default(new)
    metadata.prepare_update(new, old)
    hooks.prepare_update(new, old)
    return int(new.metadata.generation) + metadata.spec_changed(new, old)


NOTE = {"metadata": {"annotations": {"kubernetes.io/change-cause": "x"}}}


@pytest.mark.parametrize(
    ("kind", "change", "expected"),
    [
        ("Deployment", {}, 1),
        ("Deployment", {"metadata": {"labels": {"a": "b"}}}, 1),
        ("Deployment", NOTE, 2),
        ("Deployment", spec(paused=True), 2),
        ("Deployment", {**NOTE, **spec(paused=True)}, 2),
        ("ReplicaSet", NOTE, 1),
        ("ReplicaSet", spec(replicas=2), 2),
    ],
)
def test_the_generation_counts_what_is_work_for_the_controller(
    kind: str, change: Change, expected: int
) -> None:
    assert generation(kind, change) == expected


@pytest.mark.parametrize("kind", BOTH)
def test_a_new_one_has_been_seen_by_nobody(kind: str) -> None:
    assert not created(kind, {"status": {"replicas": 3}}).HasField("status")


# Status


def status_complaints(kind: str, before: Change, **after: Any) -> list[str]:
    old, new = read(kind, {"status": before}), read(kind, {"status": after})
    return [str(cause) for cause in strategy(kind).validate_status(new, old)]


MORE, MORE_THAN_READY = (
    "cannot be greater than status.replicas",
    "cannot be greater than readyReplicas",
)


@pytest.mark.parametrize(
    ("kind", "status", "told"),
    [
        ("ReplicaSet", {"fullyLabeledReplicas": 2}, f"fullyLabeledReplicas: Invalid value: 2: {MORE}"),
        ("Deployment", {"updatedReplicas": 2}, f"updatedReplicas: Invalid value: 2: {MORE}"),
        ("Deployment", {"readyReplicas": 2}, f"readyReplicas: Invalid value: 2: {MORE}"),
        ("Deployment", {"availableReplicas": 1}, f"availableReplicas: Invalid value: 1: {MORE_THAN_READY}"),
        ("ReplicaSet", {"availableReplicas": 1}, f"availableReplicas: Invalid value: 1: {MORE_THAN_READY}"),
        (
            "ReplicaSet",
            {"observedGeneration": -1},
            "observedGeneration: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            "Deployment",
            {"unavailableReplicas": -1},
            "unavailableReplicas: Invalid value: -1: must be greater than or equal to 0",
        ),
        ("Deployment", {"conditions": [{"type": "Available"}]}, "conditions[0].status: Required value"),
    ],
)  # fmt: skip
def test_this_is_wrong_with_a_status(kind: str, status: Change, told: str) -> None:
    assert status_complaints(kind, {}, replicas=1, **status) == [f"status.{told}"]


def test_collisions_are_never_forgotten() -> None:
    before = {"collisionCount": 2}
    assert status_complaints("Deployment", before, collisionCount=3) == []
    told = "status.collisionCount: Invalid value: 0: cannot be decremented"
    assert status_complaints("Deployment", before) == [told]


# Rows


def test_a_deployment_in_a_row() -> None:
    made = created(
        "Deployment",
        spec(
            replicas=3,
            selector={
                "matchLabels": {"app": "web"},
                "matchExpressions": [{"key": "a", "operator": "In", "values": ["y", "x"]}],
            },
            template={
                "spec": {
                    "containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j:2"}]
                }
            },
        ),
    )
    made.status.readyReplicas, made.status.updatedReplicas, made.status.availableReplicas = 2, 1, 1
    cells = list(strategy("Deployment").row(made, NOW))
    assert cells == ["web", "2/3", 1, 1, "60s", "a,b", "i:1,j:2", "a in (x,y),app=web"]


def test_a_replicaset_in_a_row() -> None:
    made = created("ReplicaSet", spec(replicas=3))
    made.status.replicas, made.status.readyReplicas = 2, 1
    assert list(strategy("ReplicaSet").row(made, NOW)) == [
        "web", 3, 2, 1, "60s", "a", "i:1", "app=web",
    ]  # fmt: skip


def test_replicasets_are_selected_by_how_many_pods_they_have() -> None:
    made = created("ReplicaSet")
    made.status.replicas = 4
    assert strategy("ReplicaSet").selectable(made)["status.replicas"] == "4"


# Scale


@pytest.mark.parametrize("kind", [kind for kind in kinds.KINDS if kind.scale])
def test_whatever_can_be_scaled_has_what_a_scale_shows(kind: kinds.Kind) -> None:
    obj = created(kind.name, spec(replicas=3))
    obj.metadata.resourceVersion = "7"
    obj.status.replicas = 2
    scale = scaling.scale_of(obj)
    assert (scale.apiVersion, scale.kind) == ("autoscaling/v1", "Scale")
    assert scale.metadata.name == "web"
    assert scale.metadata.resourceVersion == "7"
    assert (scale.spec.replicas, scale.status.replicas) == (3, 2)
    assert scale.status.selector == "app=web"


@pytest.mark.parametrize("kind", [kind for kind in kinds.KINDS if kind.scale])
def test_scaling_changes_the_number_and_nothing_else(kind: kinds.Kind) -> None:
    obj, expected = created(kind.name), created(kind.name, spec(replicas=5))
    scale = scaling.scale_of(obj)
    scale.spec.replicas = 5
    scale.status.replicas = 99
    scale.metadata.labels["a"] = "b"
    assert scaling.scaled(obj, scale, []) == expected
    assert obj.spec.replicas == 1, "what was handed in is not touched"


def test_less_than_none_is_refused() -> None:
    scale = Scale()
    scale.spec.replicas = -1
    with pytest.raises(Invalid, match=r"spec\.replicas: Invalid value: -1"):
        scaling.scaled(created("Deployment"), scale, [])
