"""The numbers of a rollout, as tables: rounding, golden traces, sharing out (4d)."""

from typing import Any

import pytest

from control_plane.controllers.deployment import bounds, notes, sizes
from proto.v1.apps_pb2 import Deployment, ReplicaSet

Trace = list[tuple[int, int, int]]  # old.spec, new.spec, new.available


def web(replicas: int, surge: Any = "25%", unavailable: Any = "25%") -> Deployment:
    made = Deployment()
    made.metadata.name, made.spec.replicas = "web", replicas
    made.spec.strategy.type = "RollingUpdate"
    rolling = made.spec.strategy.rollingUpdate
    for field, value in ((rolling.maxSurge, surge), (rolling.maxUnavailable, unavailable)):
        if isinstance(value, str):
            field.string_value = value
        else:
            field.number_value = value
    return made


def rs(name: str, replicas: int, available: int = 0, age: int = 0, **known: int) -> ReplicaSet:
    made = ReplicaSet()
    made.metadata.name = name
    made.metadata.creationTimestamp.seconds = 1000 - age
    made.spec.replicas, made.status.availableReplicas = replicas, available
    for key, value in known.items():
        made.metadata.annotations[getattr(notes, key)] = str(value)
    return made


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        *((n, "25%", "25%", (1, 0)) for n in (1, 2, 3)),
        (4, "25%", "25%", (1, 1)),
        *((n, "25%", "25%", (2, 1)) for n in (5, 6, 7)),
        (8, "25%", "25%", (2, 2)),
        (10, "25%", "25%", (3, 2)),
        (20, "25%", "25%", (5, 5)),
        *((n, "0%", "10%", (0, 1)) for n in (1, 4, 8, 10)),
        (20, "0%", "10%", (0, 2)),
        (4, "30%", "30%", (2, 1)),
        (7, "30%", "30%", (3, 2)),
        (8, "30%", "30%", (3, 2)),
        (10, "30%", "30%", (3, 3)),
        (10, 0, 0, (0, 1)),
        (3, 150, "0%", (150, 0)),
        (3, "200%", 7, (6, 3)),  # no more can be missing than there are
    ],
)
def test_percentages_are_rounded(
    replicas: int, surge: Any, unavailable: Any, expected: Any
) -> None:
    found = bounds.bounds_of(web(replicas, surge, unavailable))
    assert (found.surge, found.unavailable) == expected


def trace(deployment: Deployment, *, works: bool = True) -> Trace:
    """Step by step until nothing moves. Pods start when no other step is possible; old ones end at once."""
    old, new = rs("old", deployment.spec.replicas, deployment.spec.replicas, age=1), rs("new", 0)
    seen = [(old.spec.replicas, 0, 0)]
    while True:
        step = sizes.rolling(deployment, new, [old])
        for each in (old, new):
            each.spec.replicas = step.get(each.metadata.name, each.spec.replicas)
        old.status.availableReplicas = old.spec.replicas
        if not step:
            if not works or new.status.availableReplicas == new.spec.replicas:
                return seen
            new.status.availableReplicas = new.spec.replicas
            continue
        seen.append((old.spec.replicas, new.spec.replicas, new.status.availableReplicas))


@pytest.mark.parametrize(
    ("deployment", "expected"),
    [
        (
            web(10),
            [(10, 0, 0), (10, 3, 0), (8, 3, 0), (8, 5, 0), (3, 5, 5), (3, 10, 5), (0, 10, 10)],
        ),
        (web(4), [(4, 0, 0), (4, 1, 0), (3, 1, 0), (3, 2, 0), (1, 2, 2), (1, 4, 2), (0, 4, 4)]),
        (
            web(3, 1, 0),
            [(3, 0, 0), (3, 1, 0), (2, 1, 1), (2, 2, 1), (1, 2, 2), (1, 3, 2), (0, 3, 3)],
        ),
        (
            web(3, 0, 1),
            [(3, 0, 0), (2, 0, 0), (2, 1, 0), (1, 1, 1), (1, 2, 1), (0, 2, 2), (0, 3, 2)],
        ),
        (web(1), [(1, 0, 0), (1, 1, 0), (0, 1, 1)]),
    ],
)
def test_golden_traces(deployment: Deployment, expected: Trace) -> None:
    assert trace(deployment) == expected


def test_a_bad_image_sticks_at_eight_and_five() -> None:
    assert trace(web(10), works=False)[-1] == (8, 5, 0)


def test_unhealthy_old_pods_go_first_and_the_oldest_set_before_others() -> None:
    """Two of the older set's pods serve nobody: they are taken although no new pod is available."""
    deployment, new = web(10), rs("new", 3)
    old = [rs("b", 5, 5, age=1), rs("a", 5, 3, age=2)]
    assert sizes.rolling(deployment, new, old) == {"a": 3}
    healthy = [rs("b", 5, 5, age=1), rs("a", 5, 5, age=2)]
    assert sizes.rolling(deployment, new, healthy) == {"a": 3}
    both = [rs("b", 5, 1, age=1), rs("a", 1, 0, age=2)]
    assert sizes.rolling(web(6, 2, 2), rs("new", 2, 2), both) == {"a": 0, "b": 2}


def known(name: str, size: int, available: int, age: int = 0) -> ReplicaSet:
    return rs(name, size, available, age, DESIRED=10, MAXIMUM=13)


def test_a_scaling_is_shared_out() -> None:
    """The documentation's example: 10 -> 15 with a surge of 3, at 8 and 5: three and two more."""
    sets = [known("old", 8, 8, age=1), known("new", 5, 0)]
    assert sizes.was_scaled(web(15, 3, 2), sets)
    assert sizes.scaled(web(15, 3, 2), sets[1], sets[:1]) == {"old": 11, "new": 7}
    assert sizes.scaled(web(0, 3, 2), sets[1], sets[:1]) == {"old": 0, "new": 0}
    assert sizes.scaled(web(5, 3, 2), sets[1], sets[:1]) == {"old": 5, "new": 3}


@pytest.mark.parametrize(
    ("replicas", "expected"), [(11, {"old": 6, "new": 8}), (9, {"old": 6, "new": 6})]
)
def test_of_equal_sets_the_newer_grows_and_the_older_shrinks(replicas: int, expected: Any) -> None:
    sets = [rs("old", 6, 6, 1, DESIRED=10, MAXIMUM=13), rs("new", 7, 0, 0, DESIRED=10, MAXIMUM=13)]
    if replicas == 9:
        sets[1].spec.replicas = 6
        for each in sets:
            each.metadata.annotations[notes.MAXIMUM] = "12"
    assert sizes.proportional(web(replicas, 3, 2), sets) == expected


def test_one_set_gets_all_of_a_scaling_and_a_saturated_one_needs_no_other() -> None:
    assert sizes.scaled(web(4), None, [known("old", 10, 10)]) == {"old": 4}
    assert sizes.scaled(web(4), known("new", 0, 0), [known("old", 0, 0)]) == {"new": 4}
    new = known("new", 10, 10)
    assert sizes.scaled(web(10), new, [known("old", 2, 2)]) == {"old": 0}
    assert not sizes.was_scaled(web(10), [new, rs("without-notes", 3)])


def test_a_recreate_ends_the_old_before_it_begins_the_new() -> None:
    deployment, old, new = web(3), rs("old", 3, 3), rs("new", 0)
    assert sizes.recreate(deployment, new, [old], old_pods=True) == {"old": 0}
    old.spec.replicas = 0
    assert sizes.recreate(deployment, new, [old], old_pods=True) == {}
    assert sizes.recreate(deployment, new, [old], old_pods=False) == {"new": 3}
    assert sizes.recreate(deployment, None, [old], old_pods=False) == {}


def shrinking(made: ReplicaSet, *, pods: int = 0, unseen: bool = False) -> ReplicaSet:
    """It still has so many pods, or its controller has not looked at its size yet."""
    made.status.replicas = pods
    made.metadata.generation = 1 if unseen else 0
    return made


@pytest.mark.parametrize(
    ("old", "resized", "left"),
    [
        (rs("old", 8), {"new": 5}, {"new": 5}),
        (shrinking(rs("old", 8), pods=8), {"new": 5}, {"new": 5}),
        (shrinking(rs("old", 8), pods=10), {"new": 5}, {}),
        (shrinking(rs("old", 8), pods=8, unseen=True), {"new": 5}, {}),
        (shrinking(rs("old", 8), pods=10), {"old": 5}, {"old": 5}),  # it may shrink further
        (
            shrinking(rs("old", 8), pods=10),
            {"old": 9},
            {"old": 9},
        ),  # and wait for itself it need not
        (rs("old", 8), {"old": 7, "new": 5}, {"old": 7}),
    ],
)
def test_none_grows_while_another_has_pods_to_end(
    old: ReplicaSet, resized: dict[str, int], left: dict[str, int]
) -> None:
    """The bounds hold for pods, and not for sizes alone: a cut that was written has not been made yet."""
    assert sizes.held_back(resized, [old, rs("new", 3)]) == left


def test_nobody_waits_for_a_set_that_is_being_deleted() -> None:
    old = shrinking(rs("old", 0), pods=2)
    old.metadata.deletionTimestamp.seconds = 1
    assert sizes.held_back({"new": 5}, [old, rs("new", 3)]) == {"new": 5}


def test_pods_that_are_going_are_not_counted_on() -> None:
    """Ten at 3/2 with five new ones available: the old ten were cut to eight, which its status does not show yet."""
    old, new = shrinking(rs("old", 8, 10), pods=10), rs("new", 5, 5)
    assert sizes.rolling(web(10), new, [old]) == {"old": 3}
