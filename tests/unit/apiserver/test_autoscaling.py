"""HorizontalPodAutoscalers: what they mean when they do not say, what is refused, and what a row of them looks like."""

from typing import Any

import pytest

from api.jsonform import to_json
from control_plane.apiserver.printers.autoscaling import targets
from proto.v1.policy_pb2 import HorizontalPodAutoscaler
from tests.manifests import complaints, created

HPA = "HorizontalPodAutoscaler"


def spec(**fields: Any) -> dict[str, Any]:
    return {"spec": fields}


def resource(name: str = "cpu", **target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": name, "target": target}}


PERCENT = {"type": "Utilization", "averageUtilization": 60}


def test_the_defaults() -> None:
    plain = to_json(created(HPA))["spec"]
    assert plain["minReplicas"] == 1
    assert plain["metrics"] == [resource(type="Utilization", averageUtilization=80)]
    assert "behavior" not in plain


def test_a_behavior_that_says_something_gets_the_rest() -> None:
    up = {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 60}]}
    behavior = to_json(created(HPA, spec(behavior={"scaleUp": up})))["spec"]["behavior"]
    assert behavior["scaleUp"] == {**up, "selectPolicy": "Max", "stabilizationWindowSeconds": 0}
    down = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert behavior["scaleDown"] == {"selectPolicy": "Max", "policies": [down]}


def test_the_default_way_up() -> None:
    made = created(HPA, spec(behavior={"scaleDown": {"selectPolicy": "Disabled"}}))
    policies = [
        (each.type, each.value, each.periodSeconds) for each in made.spec.behavior.scaleUp.policies
    ]
    assert policies == [("Pods", 4, 15), ("Percent", 100, 15)]


def test_a_usual_one_is_accepted() -> None:
    metrics = [resource(**PERCENT), resource("memory", type="AverageValue", averageValue="64Mi")]
    assert complaints(HPA) == []
    assert complaints(HPA, spec(minReplicas=2, metrics=metrics)) == []


REFUSED = [
    ({"maxReplicas": 0}, "spec.maxReplicas"),
    ({"minReplicas": 0}, "spec.minReplicas: Invalid value: 0: must be greater than or equal to 1"),
    ({"minReplicas": 6}, "spec.maxReplicas: Invalid value: 5: must be greater than or equal to `minReplicas`"),
    ({"scaleTargetRef": {"kind": ""}}, "spec.scaleTargetRef.kind: Required value"),
    ({"scaleTargetRef": {"name": "a/b"}}, "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'"),
    ({"scaleTargetRef": {"apiVersion": "a/b/c"}}, "unexpected GroupVersion string: a/b/c"),
    ({"metrics": [{"type": "Resource"}]}, "spec.metrics[0].resource: Required value: must populate information"),
    (
        {"metrics": [{**resource(**PERCENT), "containerResource": {"name": "cpu", "container": "a", "target": PERCENT}}]},
        "spec.metrics[0].containerResource: Forbidden: must populate the given metric source only",
    ),
    ({"metrics": [{"type": "Pods"}]}, 'spec.metrics[0].type: Unsupported value: "Pods"'),
    ({"metrics": [resource("disk", **PERCENT)]}, 'spec.metrics[0].resource.name: Unsupported value: "disk"'),
    ({"metrics": [resource(type="Utilization")]}, "must set either a target raw value or a target utilization"),
    (
        {"metrics": [resource(**PERCENT, averageValue="1")]},
        "spec.metrics[0].resource.target.averageValue: Forbidden: may not set both",
    ),
    ({"metrics": [resource(type="AverageValue", averageValue="0")]}, "must be positive"),
    (
        {"behavior": {"scaleUp": {"stabilizationWindowSeconds": 3601}}},
        "spec.behavior.scaleUp.stabilizationWindowSeconds: Invalid value: 3601",
    ),
    (
        {"behavior": {"scaleUp": {"policies": [{"type": "Pods", "value": 1, "periodSeconds": 1801}]}}},
        "spec.behavior.scaleUp.policies[0].periodSeconds: Invalid value: 1801",
    ),
    ({"behavior": {"scaleDown": {"selectPolicy": "Some"}}}, 'selectPolicy: Unsupported value: "Some"'),
    ({"behavior": {"scaleDown": {"tolerance": "-1"}}}, "spec.behavior.scaleDown.tolerance: Invalid value"),
]  # fmt: skip


@pytest.mark.parametrize(("fields", "said"), REFUSED)
def test_what_is_refused(fields: dict[str, Any], said: str) -> None:
    found = complaints(HPA, spec(**fields))
    assert any(said in each for each in found), found


def seen(*currents: dict[str, Any]) -> HorizontalPodAutoscaler:
    metrics = [
        resource(**PERCENT),
        resource("memory", type="AverageValue", averageValue="64Mi"),
        {
            "type": "ContainerResource",
            "containerResource": {"name": "cpu", "container": "a", "target": PERCENT},
        },
    ]
    made: HorizontalPodAutoscaler = created(HPA, spec(metrics=metrics))
    for current in currents:
        status = made.status.currentMetrics.add(type="Resource")
        for name, value in current.items():
            setattr(status.resource.current, name, value)
    return made


def test_targets_in_a_row() -> None:
    assert targets(seen()) == "cpu: <unknown>/60%, memory: <unknown>/64Mi + 1 more..."
    both = seen({"averageUtilization": 48, "averageValue": "96m"}, {"averageValue": "12Mi"})
    assert targets(both) == "cpu: 48%/60%, memory: 12Mi/64Mi + 1 more..."
    assert targets(seen({}, {"averageValue": "12Mi"})).startswith(
        "cpu: <unknown>/60%, memory: 12Mi/"
    )
