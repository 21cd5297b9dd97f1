"""DaemonSets as the API server treats them: defaults, rules, generations, a row (S#75)."""

from typing import Any

import pytest

from api.jsonform import to_json
from tests.manifests import NOW, complaints, created, read, strategy, updated

Change = dict[str, Any]
UPDATE = "spec.updateStrategy"


def spec(**fields: Any) -> Change:
    return {"spec": fields}


def rolling(unavailable: int | str, surge: int | str) -> Change:
    bounds = {"maxUnavailable": unavailable, "maxSurge": surge}
    return spec(updateStrategy={"rollingUpdate": bounds})


def template(**fields: Any) -> Change:
    return spec(template={"spec": fields})


def test_the_smallest_daemonset() -> None:
    obj = created("DaemonSet")
    obj.status.observedGeneration = 1
    made = to_json(obj)
    pods = made["spec"].pop("template")["spec"]
    assert made["spec"] == {
        "selector": {"matchLabels": {"app": "web"}},
        "updateStrategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0},
        },
        "revisionHistoryLimit": 10,
    }
    assert pods["restartPolicy"] == "Always"
    assert made["status"] == {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
        "observedGeneration": 1,
    }


def test_a_template_is_defaulted_like_a_pod() -> None:
    assert created("DaemonSet").spec.template.spec == created("Pod").spec


def test_who_updates_on_delete_has_no_bounds() -> None:
    made = created("DaemonSet", spec(updateStrategy={"type": "OnDelete"}))
    assert not made.spec.updateStrategy.HasField("rollingUpdate")


PERCENT = "a valid percent string must be a numeric string followed by an ending '%'"
NOT_BOTH = "may not be set when maxUnavailable is non-zero"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (spec(selector=None), "spec.selector: Required value"),
        (
            spec(selector={"matchLabels": None}),
            "spec.selector: Invalid value: {}: empty selector is invalid for daemonset",
        ),
        (
            spec(selector={"matchLabels": {"app": "shop"}}),
            'spec.template.metadata.labels: Invalid value: {"app": "web"}: `selector` does not match template `labels`',
        ),
        (spec(template=None), "spec.template: Required value"),
        (template(containers=None), "spec.template.spec.containers: Required value"),
        (
            template(restartPolicy="OnFailure"),
            'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"',
        ),
        (
            template(activeDeadlineSeconds=5),
            "spec.template.spec.activeDeadlineSeconds: Forbidden: activeDeadlineSeconds in DaemonSet is not Supported",
        ),
        (
            spec(minReadySeconds=-1),
            "spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            spec(revisionHistoryLimit=-1),
            "spec.revisionHistoryLimit: Invalid value: -1: must be greater than or equal to 0",
        ),
        (spec(updateStrategy={"type": "Recreate"}), f'{UPDATE}.type: Unsupported value: "Recreate"'),
        (rolling(0, 0), f"{UPDATE}.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        (rolling("0%", "0%"), f"{UPDATE}.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"),
        (rolling(1, 1), f"{UPDATE}.rollingUpdate.maxSurge: Invalid value: 1: {NOT_BOTH}"),
        (
            spec(updateStrategy={"rollingUpdate": {"maxSurge": "10%"}}),
            f'{UPDATE}.rollingUpdate.maxSurge: Invalid value: "10%": {NOT_BOTH}',
        ),
        (rolling("101%", 0), f'{UPDATE}.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater than 100%'),
        (rolling(0, "101%"), f'{UPDATE}.rollingUpdate.maxSurge: Invalid value: "101%": must not be greater than 100%'),
        (rolling(-1, 0), f"{UPDATE}.rollingUpdate.maxUnavailable: Invalid value: -1: must be greater than or equal to 0"),
        (rolling(0, "x"), f'{UPDATE}.rollingUpdate.maxSurge: Invalid value: "x": {PERCENT}'),
    ],
)  # fmt: skip
def test_this_is_wrong(change: Change, told: str) -> None:
    said = complaints("DaemonSet", change)
    assert len(said) == 1, said
    assert said[0].startswith(told)


@pytest.mark.parametrize(
    "change",
    [
        rolling(0, 1),
        rolling(1, 0),
        rolling("100%", 0),
        rolling(0, "100%"),
        rolling(500, 0),
        spec(updateStrategy={"type": "OnDelete"}),
        spec(revisionHistoryLimit=0),
    ],
)
def test_this_is_fine(change: Change) -> None:
    assert complaints("DaemonSet", change) == []


def test_the_selector_stays_and_the_rest_may_change() -> None:
    labels = {"app": "web", "tier": "front"}
    wider = spec(selector={"matchLabels": labels}, template={"metadata": {"labels": labels}})
    assert updated("DaemonSet", {}, wider) == [
        'spec.selector: Invalid value: {"matchLabels": {"app": "web", "tier": "front"}}: field is immutable'
    ]
    assert updated("DaemonSet", {}, template(nodeSelector={"disk": "ssd"})) == []
    assert updated("DaemonSet", {}, spec(updateStrategy={"type": "OnDelete"})) == []


def status_complaints(before: Change, after: Change) -> list[str]:
    old, new = read("DaemonSet", {"status": before}), read("DaemonSet", {"status": after})
    return [str(cause) for cause in strategy("DaemonSet").validate_status(new, old)]


@pytest.mark.parametrize(
    "name",
    [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
    ],
)
def test_nothing_is_counted_below_zero(name: str) -> None:
    told = f"status.{name}: Invalid value: -1: must be greater than or equal to 0"
    assert status_complaints({}, {name: -1}) == [told]


def test_collisions_are_never_forgotten() -> None:
    told = "status.collisionCount: Invalid value: 1: cannot be decremented"
    assert status_complaints({"collisionCount": 2}, {"collisionCount": 1}) == [told]
    assert status_complaints({"collisionCount": 2}, {"collisionCount": 3}) == []


def test_in_a_row() -> None:
    made = created("DaemonSet", template(nodeSelector={"zone": "a", "disk": "ssd"}))
    status = made.status
    status.desiredNumberScheduled, status.currentNumberScheduled, status.numberReady = 5, 4, 3
    status.updatedNumberScheduled, status.numberAvailable = 2, 1
    assert list(strategy("DaemonSet").row(made, NOW)) == [
        "web", 5, 4, 3, 2, 1, "disk=ssd,zone=a", "60s", "a", "i:1", "app=web",
    ]  # fmt: skip


def test_without_a_selector_of_nodes() -> None:
    row = strategy("DaemonSet").row(created("DaemonSet"), NOW)
    names = [column.name for column in strategy("DaemonSet").columns]
    assert row[names.index("Node Selector")] == "<none>"
