"""The autoscaler's decisions, step by step: the numbers are those of Kubernetes' own tests and documentation."""

from datetime import timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from api import clock
from control_plane.apiserver.defaults_autoscaling import default_autoscaler
from control_plane.controllers.hpa.decide import ABLE, ACTIVE, LIMITED, Decision, decide
from control_plane.controllers.hpa.memory import Change, Entry, Memory
from control_plane.controllers.hpa.metrics import Situation
from control_plane.controllers.hpa.options import Options
from control_plane.controllers.hpa.pods import Groups
from control_plane.controllers.hpa.replicas import AverageValue, Tolerance, Utilization, propose
from control_plane.controllers.hpa.usage import CannotTell
from proto.v1.apps_pb2 import Scale
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import HorizontalPodAutoscaler, PodMetrics
from tests.manifests import NOW

OPTIONS = Options()
TENTH = Tolerance(Fraction(1, 10), Fraction(1, 10))
BORN = NOW - timedelta(hours=1)


def autoscaler(fewest: int = 1, most: int = 10, percent: int = 50) -> HorizontalPodAutoscaler:
    hpa = HorizontalPodAutoscaler()
    hpa.spec.minReplicas, hpa.spec.maxReplicas = fewest, most
    add_metric(hpa, "cpu", percent)
    return hpa


def add_metric(
    hpa: HorizontalPodAutoscaler, resource: str, percent: int = 0, amount: str = ""
) -> None:
    source = hpa.spec.metrics.add(type="Resource").resource
    source.name = resource
    if percent:
        source.target.type, source.target.averageUtilization = "Utilization", percent
    else:
        source.target.type, source.target.averageValue = "AverageValue", amount


def pod(name: str, *, ready: bool = True, phase: str = "Running", **times: Any) -> Pod:
    """Of one core; ready since an hour unless told otherwise."""
    made = Pod()
    made.metadata.name = name
    made.metadata.labels["app"] = "web"
    container = made.spec.containers.add(name="app")
    container.resources.requests.update({"cpu": "1", "memory": "1Ki"})
    made.status.phase = phase
    made.status.startTime.CopyFrom(clock.timestamp(times.get("started", BORN)))
    changed = clock.timestamp(times.get("changed", BORN))
    made.status.conditions.add(type="Ready", status=str(ready), lastTransitionTime=changed)
    return made


def metrics(name: str, cpu: int, memory: int = 0) -> PodMetrics:
    """Thousandths of a core, bytes."""
    made = PodMetrics(window="15s", timestamp=clock.timestamp(NOW))
    made.metadata.name = name
    made.containers.add(name="app", usage={"cpu": f"{cpu}m", "memory": str(memory)})
    return made


def seen(
    current: int, cpu: list[int], pods: list[Pod] | None = None, *, memory: int = 0, at: Any = NOW
) -> Situation:
    """`cpu`: per pod, in thousandths; the pods are called 0, 1, …"""
    scale = Scale()
    scale.spec.replicas, scale.status.selector = current, "app=web"
    listed = pods if pods is not None else [pod(str(i)) for i in range(len(cpu))]
    return Situation(scale, listed, [metrics(str(i), use, memory) for i, use in enumerate(cpu)], at)


def run(hpa: HorizontalPodAutoscaler, situation: Situation, past: Memory | None = None) -> Decision:
    past = past or Memory()
    past.begin(situation.now, situation.current)
    return decide(hpa, situation, past, OPTIONS)


def told(decision: Decision, type: str) -> tuple[str, str]:
    found = {condition[0]: (condition[1], condition[2]) for condition in decision.conditions}
    return found.get(type, ("", ""))


# How many are wanted: use, target, current

UTILIZATION = [
    ([300, 500, 700], 30, 3, 5, "documentation: 3 × 50/30 = 5"),
    ([300, 300, 300], 30, 3, 3, "just right"),
    ([330, 330, 330], 30, 3, 3, "11/10 is within the tolerance"),
    ([331, 331, 331], 30, 3, 3, "whole percents: 33.1 is 33"),
    ([340, 340, 340], 30, 3, 4, "34/30 is not"),
    ([270, 270, 270], 30, 3, 3, "9/10 is within"),
    ([260, 260, 260], 30, 3, 3, "26/30 × 3 = 2.6, rounded up"),
    ([100, 100, 100], 30, 3, 1, "a third"),
    ([0, 0, 0], 30, 3, 0, "nothing: the lower bound is somebody else's"),
    ([1100] * 10, 100, 10, 10, "within: 11/10"),
    ([1120] * 25, 100, 25, 28, "25 × 1.12 is 28, and not 28.000000000000004"),
]  # fmt: skip


@pytest.mark.parametrize(("uses", "percent", "current", "wanted", "why"), UTILIZATION)
def test_by_utilization(uses: list[int], percent: int, current: int, wanted: int, why: str) -> None:
    names = {str(i): use for i, use in enumerate(uses)}
    target = Utilization(percent, dict.fromkeys(names, 1000))
    groups = Groups(ready=frozenset(names))
    assert propose(target, names, groups, current, TENTH).replicas == wanted, why


# Of pods 0, 1, … these are measured, these are not ready, these not measured; target 50 % of 1000
CAUTION = [
    ([1000, 1000], "", "2", 3, 4, "up: the missing one counts as idle: 2000/3000 = 66 %, × 3"),
    ([500, 500], "", "2", 3, 3, "just right, and the missing one does not count"),
    ([100, 100], "", "2", 3, 3, "down: it counts as busy: 1200/3000 = 40 %, × 3 = 2.4"),
    ([100] * 5, "", "5", 6, 3, "down: 1500/6000 = 25 %"),
    ([600, 600], "", "2", 3, 3, "it would turn the direction around: nothing is done"),
    ([1000, 1000, 1000], "2", "", 3, 4, "up: the unready one counts as idle"),
    ([100, 100, 900], "2", "", 3, 1, "down: the unready one does not count: 10/50 × 2"),
    ([1000, 900, 900], "12", "", 3, 3, "up by one of three: 33 %, which would be down"),
]  # fmt: skip


@pytest.mark.parametrize(("uses", "unready", "missing", "current", "wanted", "why"), CAUTION)
def test_what_is_not_known_holds_back(
    uses: list[int], unready: str, missing: str, current: int, wanted: int, why: str
) -> None:
    names = {str(i): use for i, use in enumerate(uses)}
    every = dict.fromkeys([*names, *missing], 1000)
    groups = Groups(
        ready=frozenset(names) - frozenset(unready),
        unready=frozenset(unready),
        missing=frozenset(missing),
    )
    assert propose(Utilization(50, every), names, groups, current, TENTH).replicas == wanted, why


AVERAGE = [
    ([200, 200], "", 100, 2, 4, "twice as much as there should be"),
    ([200, 200], "2", 100, 3, 4, "up: the missing one counts as idle: 133/100 × 3"),
    ([50, 50], "2", 100, 3, 2, "down: it counts as using its share: 66/100 × 3 = 1.98"),
    ([100, 105], "", 100, 2, 2, "within"),
]  # fmt: skip


@pytest.mark.parametrize(("uses", "missing", "target", "current", "wanted", "why"), AVERAGE)
def test_by_average(
    uses: list[int], missing: str, target: int, current: int, wanted: int, why: str
) -> None:
    names = {str(i): use for i, use in enumerate(uses)}
    groups = Groups(ready=frozenset(names), missing=frozenset(missing))
    assert propose(AverageValue(target), names, groups, current, TENTH).replicas == wanted, why


def test_nobody_is_ready() -> None:
    groups = Groups(unready=frozenset("0"))
    with pytest.raises(CannotTell, match="did not receive metrics for targeted pods"):
        propose(Utilization(50, {"0": 1000}), {"0": 900}, groups, 1, TENTH)


# Whose use counts

LATELY = NOW - timedelta(minutes=2)
COUNTED = [
    (pod("1"), True, "an old pod that is ready"),
    (pod("1", ready=False, changed=NOW), True, "old, and was ready once"),
    (pod("1", ready=False, changed=BORN), False, "old, and never was ready"),
    (pod("1", started=LATELY, changed=LATELY), True, "young, and ready all the time that was measured"),
    (pod("1", started=LATELY, changed=NOW - timedelta(seconds=5)), False, "young, ready for a part of the window"),
    (pod("1", started=LATELY, ready=False, changed=LATELY), False, "young and not ready"),
    (pod("1", phase="Pending"), False, "it does not run yet"),
]  # fmt: skip


@pytest.mark.parametrize(("second", "counts", "why"), COUNTED)
def test_whose_cpu_counts(second: Pod, counts: bool, why: str) -> None:
    """Pod 0 uses nothing, pod 1 everything: together they are just right, alone pod 0 needs one pod."""
    situation = seen(2, [0, 1000], [pod("0"), second])
    decision = run(autoscaler(), situation)
    assert decision.recommendation == (2 if counts else 0), why


def test_memory_counts_whether_ready_or_not() -> None:
    hpa = autoscaler()
    hpa.spec.ClearField("metrics")
    add_metric(hpa, "memory", 50)
    young = [pod(str(i), ready=False, started=LATELY) for i in range(2)]
    assert run(hpa, seen(2, [0, 0], young, memory=1024)).replicas == 4


def test_a_pod_that_ends_does_not_count() -> None:
    ending = pod("1")
    ending.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    assert run(autoscaler(), seen(2, [500, 1000], [pod("0"), ending])).replicas == 2


# Several metrics


def test_the_largest_wish_counts() -> None:
    hpa = autoscaler()
    add_metric(hpa, "memory", amount="1Ki")
    decision = run(hpa, seen(2, [600, 600], memory=2048))
    assert decision.replicas == 4
    assert decision.reason == "memory resource above target"
    assert [status.type for status in decision.statuses] == ["Resource", "Resource"]


@pytest.mark.parametrize(("cpu", "wanted"), [(1000, 4), (100, 2)])
def test_with_a_metric_missing_it_goes_up_only(cpu: int, wanted: int) -> None:
    hpa = autoscaler()
    source = hpa.spec.metrics.add(type="ContainerResource").containerResource
    source.name, source.container = "cpu", "nobody"
    source.target.type, source.target.averageUtilization = "Utilization", 50
    decision = run(hpa, seen(2, [cpu, cpu]))
    assert decision.replicas == wanted
    assert decision.failed == (wanted == 2)
    [first, *_] = decision.warnings
    assert first[0] == "FailedGetContainerResourceMetric"
    assert "container nobody not present in metrics for pod" in first[1]


def test_one_container_alone() -> None:
    hpa = autoscaler()
    hpa.spec.ClearField("metrics")
    source = hpa.spec.metrics.add(type="ContainerResource").containerResource
    source.name, source.container = "cpu", "app"
    source.target.type, source.target.averageValue = "AverageValue", "100m"
    situation = seen(1, [300])
    situation.metrics[0].containers.add(name="helper", usage={"cpu": "5"})
    assert run(hpa, situation).replicas == 3


# Bounds, windows, rates


def test_without_metrics_nothing_happens_and_it_is_said() -> None:
    decision = run(autoscaler(), seen(3, []))
    assert (decision.replicas, decision.recommendation, decision.failed) == (3, None, True)
    assert told(decision, ACTIVE) == ("False", "FailedGetResourceMetric")
    assert [reason for reason, _ in decision.warnings] == [
        "FailedGetResourceMetric",
        "FailedComputeMetricsReplicas",
    ]


def test_no_pods() -> None:
    situation = seen(2, [100], [])
    assert "no pods returned by selector" in run(autoscaler(), situation).warnings[0][1]


def test_a_target_at_zero_is_left_alone() -> None:
    decision = run(autoscaler(), seen(0, [900]))
    assert decision.replicas == 0
    assert told(decision, ACTIVE) == ("False", "ScalingDisabled")


RATES = [
    (1, 10, 4, "ScaleUpLimit"),
    (3, 10, 6, "ScaleUpLimit"),
    (6, 20, 10, "TooManyReplicas"),
    (3, 5, 5, "DesiredWithinRange"),
]  # fmt: skip


@pytest.mark.parametrize(("current", "wanted", "allowed", "reason"), RATES)
def test_up_to_the_double_or_four(current: int, wanted: int, allowed: int, reason: str) -> None:
    each = 500 * wanted // current
    decision = run(autoscaler(), seen(current, [each] * current))
    assert decision.replicas == allowed
    assert told(decision, LIMITED)[1] == reason


def test_down_only_when_the_window_is_over() -> None:
    past = Memory(recommendations=[Entry(NOW - timedelta(seconds=299), 4)])
    held = run(autoscaler(), seen(4, [100] * 4), past)
    assert held.replicas == 4
    assert held.recommendation == 1
    assert told(held, ABLE) == ("True", "ScaleDownStabilized")
    past = Memory(recommendations=[Entry(NOW - timedelta(seconds=301), 4), Entry(NOW, 2)])
    assert run(autoscaler(), seen(4, [100] * 4), past).replicas == 2


def test_never_below_the_fewest() -> None:
    past = Memory(recommendations=[Entry(NOW, 1)])
    decision = run(autoscaler(fewest=2), seen(4, [0] * 4), past)
    assert decision.replicas == 2
    assert told(decision, LIMITED) == ("True", "TooFewReplicas")


def with_behavior(**rules: dict[str, Any]) -> HorizontalPodAutoscaler:
    hpa = autoscaler(most=100)
    hpa.spec.behavior.SetInParent()
    for way, fields in rules.items():
        target = getattr(hpa.spec.behavior, way)
        for policy in fields.get("policies", ()):
            target.policies.add(type=policy[0], value=policy[1], periodSeconds=policy[2])
        for name in fields.keys() - {"policies"}:
            setattr(target, name, fields[name])
    default_autoscaler(hpa)
    return hpa


MANY, FEW = 1000, 10  # thousandths of a core per pod: many more are needed, or hardly any
SPEEDS = [
    ({}, 3, MANY, [], [], 6, "the default: 4 pods or the double; the double of 3 is wanted"),
    ({"scaleUp": {"policies": [("Percent", 10, 60)]}}, 10, MANY, [], [], 11, "10 % of 10 are 1"),
    ({"scaleUp": {"policies": [("Pods", 2, 60)]}}, 10, MANY, [], [], 12, "2 in a minute"),
    ({"scaleUp": {"policies": [("Pods", 2, 60)]}}, 10, MANY, [(30, 2)], [], 10, "which have come already"),
    ({"scaleUp": {"policies": [("Pods", 2, 60)]}}, 10, MANY, [(61, 2)], [], 12, "a minute ago"),
    ({"scaleUp": {"policies": [("Pods", 1, 60), ("Percent", 50, 60)], "selectPolicy": "Min"}}, 10, MANY, [], [], 11, "the smaller"),
    ({"scaleUp": {"selectPolicy": "Disabled"}}, 10, MANY, [], [], 10, "not at all"),
    ({"scaleDown": {"policies": [("Percent", 10, 60)], "stabilizationWindowSeconds": 0}}, 100, FEW, [], [], 90, "a tenth"),
    ({"scaleDown": {"policies": [("Pods", 5, 60)], "stabilizationWindowSeconds": 0}}, 20, FEW, [], [(10, 3)], 18, "5, of which 3 are gone"),
    ({"scaleDown": {"policies": [("Pods", 5, 60)], "stabilizationWindowSeconds": 0}}, 20, FEW, [(10, 3)], [], 12, "3 have come meanwhile"),
    ({"scaleDown": {"selectPolicy": "Disabled"}}, 20, FEW, [], [], 20, "not at all"),
    ({"scaleUp": {"stabilizationWindowSeconds": 60}}, 10, MANY, [], [], 10, "for a minute first"),
]  # fmt: skip


@pytest.mark.parametrize(("rules", "current", "use", "ups", "downs", "wanted", "why"), SPEEDS)
def test_how_fast(
    rules: dict[str, Any], current: int, use: int, ups: Any, downs: Any, wanted: int, why: str
) -> None:
    def ago(entries: Any) -> list[Entry]:
        return [Entry(NOW - timedelta(seconds=seconds), count) for seconds, count in entries]

    past = Memory(recommendations=[Entry(NOW, current)], ups=ago(ups), downs=ago(downs))
    assert run(with_behavior(**rules), seen(current, [use] * current), past).replicas == wanted, why


def test_a_tolerance_of_its_own() -> None:
    hpa = with_behavior(scaleUp={"tolerance": "500m"})
    assert run(hpa, seen(4, [740] * 4)).replicas == 4
    assert run(hpa, seen(4, [760] * 4)).replicas == 7


# Whatever happens

LOADS = some.lists(some.tuples(some.integers(0, 60), some.integers(0, 4000)), max_size=25)


@given(
    loads=LOADS,
    fewest=some.integers(1, 5),
    spread=some.integers(0, 20),
    policies=some.tuples(
        some.integers(1, 5), some.integers(1, 120), some.integers(1, 5), some.integers(1, 120)
    ),
    plain=some.booleans(),
)
def test_never_outside_the_bounds_and_never_faster_than_the_policies(
    loads: list[tuple[int, int]],
    fewest: int,
    spread: int,
    policies: tuple[int, int, int, int],
    plain: bool,
) -> None:
    """Pauses in seconds and loads in thousandths of a core, all pods together, in any order."""
    up, up_seconds, down, down_seconds = policies
    rules = {
        "scaleUp": {"policies": [("Pods", up, up_seconds)]},
        "scaleDown": {"policies": [("Pods", down, down_seconds)], "stabilizationWindowSeconds": 30},
    }
    hpa = autoscaler() if plain else with_behavior(**rules)
    hpa.spec.minReplicas, hpa.spec.maxReplicas = fewest, fewest + spread
    now, current, memory = NOW, fewest, Memory()
    changes: list[tuple[Any, int]] = []
    for pause, load in loads:
        now += timedelta(seconds=pause)
        situation = seen(current, [load // current] * current, at=now)
        memory.begin(now, current)
        decision = decide(hpa, situation, memory, OPTIONS)
        assert fewest <= decision.replicas <= fewest + spread
        memory.recommended(now, decision.recommendation or 0)
        if decision.replicas != current:
            memory.changed(now, Change(current, decision.replicas, ""))
            changes.append((now, decision.replicas - current))
        if plain:
            assert decision.replicas <= max(2 * current, 4)
        else:
            assert _net(changes, now, up_seconds) <= up or decision.replicas <= current
            assert -_net(changes, now, down_seconds) <= down or decision.replicas >= current
        current = decision.replicas


def _net(changes: list[tuple[Any, int]], now: Any, seconds: int) -> int:
    return sum(count for at, count in changes if at > now - timedelta(seconds=seconds))
