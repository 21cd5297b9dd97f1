"""ResourceQuotas and LimitRanges as the API server treats them: rules, defaults, sums, refusals (S#26, S#27)."""

from typing import Any

import pytest

from api import podresources, quotas
from api.kinds import find
from control_plane.apiserver.policies import limits, quota
from tests.manifests import NOW, complaints, created, strategy, updated

Change = dict[str, Any]


def hard(scopes: list[str] | None = None, **spec: Any) -> Change:
    amounts = {name.replace("_", "."): str(amount) for name, amount in spec.items()}
    return {"spec": {"hard": {"pods": None, **amounts}, **({"scopes": scopes} if scopes else {})}}


def pod(requests: Change | None = None, limits: Change | None = None, **spec: Any) -> Any:
    resources = {"requests": requests or {}, "limits": limits or {}}
    box = {"name": "app", "image": "i:1", "resources": resources}
    return created("Pod", {"spec": {"containers": [box], **spec}})


# Rules


@pytest.mark.parametrize(
    "change",
    [
        hard(pods=0),
        {"spec": {"hard": {"count/deployments.apps": "3", "requests.example.com/gpu": "1"}}},
        hard(requests_cpu="500m", limits_memory="1Gi", services=1, configmaps=2),
        hard(["NotTerminating", "NotBestEffort"], cpu=1),
        hard(["BestEffort"], pods=1),
    ],
)
def test_these_are_quotas(change: Change) -> None:
    assert complaints("ResourceQuota", change) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (hard(apples=1), 'spec.hard[apples]: Invalid value: "apples": must be a standard resource'),
        (hard(pods="1.5"), 'spec.hard[pods]: Invalid value: "1500m": must be an integer'),
        (hard(pods=-1), "must be greater than or equal to 0"),
        (hard(["Sometimes"], pods=1), 'spec.scopes[0]: Invalid value: "Sometimes": unsupported'),
        (hard(["BestEffort"], cpu=1), "unsupported scope applied to resource"),
        (hard(["Terminating"], services=1), "unsupported scope applied to resource"),
        (hard(["BestEffort", "NotBestEffort"], pods=1), "conflicting scopes"),
        (
            {"spec": {"scopeSelector": {"matchExpressions": [
                {"scopeName": "PriorityClass", "operator": "In"}]}}},
            "spec.scopeSelector.matchExpressions[0].values: Required value",
        ),
        (
            {"spec": {"scopeSelector": {"matchExpressions": [
                {"scopeName": "BestEffort", "operator": "DoesNotExist"}]}}},
            "must be 'Exist' when scope is any of",
        ),
    ],
)  # fmt: skip
def test_these_are_none(change: Change, told: str) -> None:
    [said] = complaints("ResourceQuota", change)
    assert told in said


def test_scopes_stay_what_they_are() -> None:
    [said] = updated("ResourceQuota", hard(pods=1), hard(["BestEffort"], pods=1))
    assert "spec.scopes" in said
    assert "field is immutable" in said
    assert updated("ResourceQuota", hard(pods=1), hard(pods=5, cpu=1)) == []


def bounds(type: str = "Container", **amounts: Change) -> Change:
    return {"spec": {"limits": [{"type": type, **amounts}]}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (bounds(min={"cpu": "2"}, max={"cpu": "1"}), "min value 2 is greater than max value 1"),
        (bounds("Pod", default={"cpu": "1"}), "may not be specified when `type` is 'Pod'"),
        (bounds("Volume", max={"cpu": "1"}), "must be a standard limit type or fully qualified"),
        (bounds(maxLimitRequestRatio={"cpu": "500m"}), "ratio 500m is less than 1"),
        (bounds("PersistentVolumeClaim"), "either minimum or maximum storage value is required"),
    ],
)
def test_these_are_no_bounds(change: Change, told: str) -> None:
    assert any(told in said for said in complaints("LimitRange", change))


def test_a_type_is_bounded_once() -> None:
    twice = {"spec": {"limits": [{"type": "Pod", "max": {"cpu": "1"}}] * 2}}
    assert complaints("LimitRange", twice) == ['spec.limits[1].type: Duplicate value: "Pod"']


def test_bounds_fill_in_each_other() -> None:
    """The default limit is the maximum; the default request the default limit, or else the minimum."""
    [item] = created("LimitRange", bounds(max={"cpu": "1"}, min={"memory": "10Mi"})).spec.limits
    assert dict(item.default) == {"cpu": "1"}
    assert dict(item.defaultRequest) == {"cpu": "1", "memory": "10Mi"}


# LimitRange at work


def range_(**amounts: Change) -> Any:
    return created("LimitRange", bounds(**amounts))


def test_a_container_that_asks_for_nothing_gets_the_defaults() -> None:
    asking = pod({"cpu": "100m"})
    limits.give_defaults([range_(default={"cpu": "1", "memory": "1Gi"}, max={})], asking)
    [box] = asking.spec.containers
    assert dict(box.resources.requests) == {"cpu": "100m", "memory": "1Gi"}
    assert dict(box.resources.limits) == {"cpu": "1", "memory": "1Gi"}
    assert asking.metadata.annotations[limits.ANNOTATION] == (
        "LimitRanger plugin set: memory request for container app; cpu, memory limit for container app"
    )


def test_the_first_of_several_ranges_counts() -> None:
    asking = pod()
    some = [range_(max={"cpu": "1"}), range_(max={"cpu": "2"})]
    limits.give_defaults(some, asking)
    assert dict(asking.spec.containers[0].resources.limits) == {"cpu": "1"}


@pytest.mark.parametrize(
    ("amounts", "asking", "told"),
    [
        ({"min": {"cpu": "200m"}, "max": {}}, pod({"cpu": "100m"}),
         "minimum cpu usage per Container is 200m, but request is 100m"),
        ({"min": {"cpu": "200m"}, "max": {}}, pod(),
         "minimum cpu usage per Container is 200m.  No request is specified"),
        ({"max": {"memory": "1Gi"}}, pod({}, {"memory": "1536Mi"}),
         "maximum memory usage per Container is 1Gi, but limit is 1536Mi"),
        ({"max": {"memory": "1Gi"}}, pod(),
         "maximum memory usage per Container is 1Gi.  No limit is specified"),
        ({"type": "Pod", "max": {"cpu": "1"}}, pod({}, {"cpu": "2"}),
         "maximum cpu usage per Pod is 1, but limit is 2"),
        ({"maxLimitRequestRatio": {"cpu": "2"}, "max": {}}, pod({"cpu": "1"}, {"cpu": "3"}),
         "cpu max limit to request ratio per Container is 2, but provided ratio is 3.000000"),
        ({"maxLimitRequestRatio": {"cpu": "2"}, "max": {}}, pod(),
         "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0"),
    ],
)  # fmt: skip
def test_what_is_out_of_bounds_is_told(amounts: Change, asking: Any, told: str) -> None:
    assert limits.violations([range_(**amounts)], asking) == [told]


def test_several_reasons_are_told_together() -> None:
    told = limits.violations([range_(max={"cpu": "1", "memory": "1"})], pod())
    assert limits.refusal(told) == (
        "[maximum cpu usage per Container is 1.  No limit is specified, "
        "maximum memory usage per Container is 1.  No limit is specified]"
    )


# What a pod uses


def test_init_containers_count_by_the_largest() -> None:
    def box(name: str, cpu: str, **more: Any) -> Change:
        return {"name": name, "image": "i:1", "resources": {"requests": {"cpu": cpu}}, **more}

    many = created("Pod", {"spec": {
        "initContainers": [box("a", "2"), box("side", "100m", restartPolicy="Always"), box("b", "500m")],
        "containers": [box("c", "300m"), box("d", "100m")],
    }})  # fmt: skip
    assert podresources.written(podresources.pod_total(many.spec, "requests")) == {"cpu": "2"}
    many.spec.initContainers[0].resources.requests["cpu"] = "550m"
    assert podresources.written(podresources.pod_total(many.spec, "requests")) == {"cpu": "600m"}


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_pod_that_has_ended_counts_as_an_object_only(phase: str) -> None:
    over = pod({"cpu": "1"})
    over.status.phase = phase
    kind = find("pods")
    assert kind is not None
    assert list(quotas.usage(kind, over, NOW)) == ["count/pods"]


@pytest.mark.parametrize(
    ("scopes", "asking", "counts"),
    [
        (["BestEffort"], pod(), True),
        (["BestEffort"], pod({"cpu": "1"}), False),
        (["NotBestEffort"], pod({"cpu": "1"}), True),
        (["Terminating"], pod(activeDeadlineSeconds=5), True),
        (["Terminating"], pod(), False),
        (["NotTerminating", "BestEffort"], pod(), True),
        (["PriorityClass"], pod(), False),
    ],
)
def test_scopes_choose_pods(scopes: list[str], asking: Any, counts: bool) -> None:
    limited = created("ResourceQuota", hard(scopes, pods=1))
    assert quotas.in_scope(limited, asking) is counts


@pytest.mark.parametrize(
    ("term", "counts"),
    [
        ({"operator": "In", "values": ["high"]}, False),
        ({"operator": "NotIn", "values": ["high"]}, True),
        ({"operator": "DoesNotExist"}, True),
        ({"operator": "Exists"}, False),
    ],
)
def test_scope_selectors_choose_pods(term: Change, counts: bool) -> None:
    terms = {"matchExpressions": [{"scopeName": "PriorityClass", **term}]}
    limited = created("ResourceQuota", {"spec": {"scopeSelector": terms}})
    assert quotas.in_scope(limited, pod()) is counts


# ResourceQuota at work


def limited(used: Change, **amounts: Any) -> Any:
    made = created("ResourceQuota", hard(**amounts))
    made.status.hard.update(made.spec.hard)
    made.status.used.update(dict.fromkeys(made.spec.hard, "0") | used)
    return made


def charged(made: Any, asking: Any) -> Any:
    kind = find("pods")
    assert kind is not None
    return quota.charge(made, kind, asking, None, NOW)


def test_a_charge_adds() -> None:
    before = limited({"pods": "1", "limits.memory": "1Gi"}, pods=3, limits_memory="4Gi")
    after = charged(before, pod({}, {"memory": "512Mi"}))
    assert dict(after.status.used) == {"pods": "2", "limits.memory": "1536Mi"}
    assert dict(before.status.used) == {"pods": "1", "limits.memory": "1Gi"}


@pytest.mark.parametrize(
    ("made", "asking", "told"),
    [
        (limited({"pods": "2"}, pods=2), pod(),
         "exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2"),
        (limited({"pods": "2", "requests.cpu": "900m"}, pods=2, requests_cpu=1), pod({"cpu": "200m"}),
         "exceeded quota: q, requested: pods=1,requests.cpu=200m, used: pods=2,requests.cpu=900m, "
         "limited: pods=2,requests.cpu=1"),
        (limited({}, cpu=1, limits_memory="1Gi"), pod(),
         "failed quota: q: must specify cpu for: app; limits.memory for: app"),
        (created("ResourceQuota", hard(pods=2)), pod(),
         "status unknown for quota: q, resources: pods"),
    ],
)  # fmt: skip
def test_where_there_is_no_room_it_says_so(made: Any, asking: Any, told: str) -> None:
    with pytest.raises(quota.Exceeded) as refused:
        charged(made, asking)
    assert str(refused.value) == told


def test_rows_tell_used_and_hard() -> None:
    made = limited({"pods": "1"}, pods=2, limits_cpu=4)
    assert strategy("ResourceQuota").row(made, NOW) == ("q", "pods: 1/2", "limits.cpu: 0/4", "60s")
