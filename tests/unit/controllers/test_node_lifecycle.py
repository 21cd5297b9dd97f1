"""What is decided about nodes that fall silent: health, taints, zones (4f)."""

from datetime import datetime, timedelta

import pytest

from api import clock, conditions
from control_plane.controllers.nodelifecycle import health, taints, zones
from control_plane.controllers.nodelifecycle.health import Seen
from control_plane.controllers.nodelifecycle.times import Times
from control_plane.controllers.nodelifecycle.zones import Pace, State, Zones
from proto.v1.cluster_pb2 import Lease, Node, Taint
from tests.manifests import NOW, created

TIMES = Times()
Taints = list[tuple[str, str]]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def node(ready: str = "True", *, beat: int = 1, **others: str) -> Node:
    """`ready` "": it has not said. `others`: its other conditions."""
    made: Node = created("Node")
    for kind, status in {"Ready": ready, **others}.items():
        if status:
            made.status.conditions.add(type=kind, status=status, reason="R")
            made.status.conditions[-1].lastHeartbeatTime.seconds = beat
    return made


def lease(renewed: int) -> Lease:
    made: Lease = created("Lease")
    made.spec.renewTime.seconds = renewed
    return made


# Health


@pytest.mark.parametrize(
    ("seen", "heard", "renewed", "at"),
    [
        (Seen(NOW, 1, 5_000_000), node(), 5, NOW),  # nothing new
        (Seen(NOW, 1, 5_000_000), node(), 6, after(9)),
        (Seen(NOW, 1, 5_000_000), node(beat=2), 5, after(9)),
        (Seen(NOW, None, 0), node(), 0, after(9)),  # it speaks for the first time
        (Seen(NOW, 1, 5_000_000), node(), 4, NOW),  # an older lease is no sign of life
        (None, node(), 5, after(9)),  # we have just begun to look
        (None, node(""), 5, after(9)),
    ],
)
def test_signs_of_life(seen: Seen | None, heard: Node, renewed: int, at: datetime) -> None:
    assert health.look(seen, heard, lease(renewed), after(9)).at == at


def test_a_node_that_never_said_anything_is_counted_from_its_creation() -> None:
    mute = node("")
    assert health.look(None, mute, None, NOW).at == clock.to_datetime(
        mute.metadata.creationTimestamp
    )


@pytest.mark.parametrize(
    ("heartbeat", "seconds", "silent"),
    [(1, 50, False), (1, 50.1, True), (None, 60, False), (None, 60.1, True)],
)
def test_how_long_a_node_may_be_silent(heartbeat: int | None, seconds: float, silent: bool) -> None:
    assert health.is_silent(Seen(NOW, heartbeat, 0), after(seconds), TIMES) is silent


def test_nobody_knows_how_a_silent_node_is() -> None:
    fresh = health.unknown(node(DiskPressure="False", NetworkUnavailable="False"), NOW)
    assert fresh is not None
    told = {each.type: (each.status, each.reason) for each in fresh.status.conditions}
    assert told == {
        "Ready": ("Unknown", "NodeStatusUnknown"),
        "DiskPressure": ("Unknown", "NodeStatusUnknown"),
        "MemoryPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "PIDPressure": ("Unknown", "NodeStatusNeverUpdated"),
        "NetworkUnavailable": ("False", "R"),  # not the agent's to say
    }
    ready = conditions.find(fresh.status.conditions, "Ready")
    assert ready is not None
    assert ready.lastHeartbeatTime.seconds == 1, "when it last said so itself"
    assert clock.to_datetime(ready.lastTransitionTime) == NOW
    assert health.unknown(fresh, after(5)) is None


# Taints


def tainted(subject: Node, *present: tuple[str, str]) -> Node:
    for key, effect in present:
        subject.spec.taints.add(key=key, effect=effect)
    return subject


def keys(subject: Node, execute: str = "") -> Taints | None:
    found = taints.settled(subject, execute, NOW)
    if found is None:
        return None
    return [(each.key.removeprefix(taints.PREFIX), each.effect) for each in found]


@pytest.mark.parametrize(
    ("subject", "wanted"),
    [
        (node(), None),
        (node(""), None),
        (node("False"), [("not-ready", "NoSchedule")]),
        (node("Unknown"), [("unreachable", "NoSchedule")]),
        (node(DiskPressure="True"), [("disk-pressure", "NoSchedule")]),
        (node(MemoryPressure="False", PIDPressure="Unknown"), None),
        (tainted(node(), ("mine", "NoSchedule")), None),
        (tainted(node(), (taints.UNREACHABLE, "NoSchedule")), []),
        (tainted(node(), (taints.NOT_READY, "NoExecute"), ("mine", "NoExecute")), [("mine", "NoExecute")]),
        (tainted(node("Unknown"), (taints.UNREACHABLE, "NoSchedule")), None),
        (tainted(node(), (taints.OUT_OF_SERVICE, "NoExecute")), None),
    ],
)  # fmt: skip
def test_noschedule_follows_the_conditions(subject: Node, wanted: Taints | None) -> None:
    assert keys(subject) == wanted


def test_a_cordon_is_a_taint() -> None:
    subject = node()
    subject.spec.unschedulable = True
    assert keys(subject) == [("unschedulable", "NoSchedule")]


@pytest.mark.parametrize(("ready", "key"), [("True", ""), ("False", taints.NOT_READY), ("Unknown", taints.UNREACHABLE), ("", "")])  # fmt: skip
def test_noexecute_follows_readiness(ready: str, key: str) -> None:
    assert taints.executing(node(ready)) == key


def test_one_noexecute_takes_the_place_of_the_other() -> None:
    subject = tainted(node("Unknown"), (taints.NOT_READY, "NoExecute"))
    assert taints.is_executing(subject)
    assert keys(subject, taints.UNREACHABLE) == [
        ("unreachable", "NoExecute"),
        ("unreachable", "NoSchedule"),
    ]


def test_a_taint_says_when_it_was_added() -> None:
    found = taints.settled(node("Unknown"), taints.UNREACHABLE, NOW)
    assert found is not None
    assert {clock.to_datetime(each.timeAdded) for each in found} == {NOW}


@pytest.mark.parametrize(
    ("before", "ready", "key"),
    [(taints.NOT_READY, "Unknown", taints.UNREACHABLE), (taints.UNREACHABLE, "False", taints.NOT_READY)],
)  # fmt: skip
def test_who_changes_from_not_ready_to_silent_was_of_no_use_all_the_time(
    before: str, ready: str, key: str
) -> None:
    """The second taint takes the place of the first, and its time with it; only NoExecute has patience to count."""
    earlier = NOW - timedelta(seconds=100)
    since = clock.timestamp(earlier)
    subject = node(ready)
    subject.spec.taints.extend(
        Taint(key=before, effect=effect, timeAdded=since) for effect in ("NoExecute", "NoSchedule")
    )
    found = taints.settled(subject, key, NOW)
    assert found is not None
    assert {(each.key, each.effect): clock.to_datetime(each.timeAdded) for each in found} == {
        (key, "NoExecute"): earlier,
        (key, "NoSchedule"): NOW,
    }


# Zones


@pytest.mark.parametrize(
    ("ready", "failing", "state"),
    [
        (3, 0, "Normal"),
        (1, 2, "Normal"),  # two are never most
        (2, 3, "PartialDisruption"),  # 60 %
        (3, 3, "Normal"),  # 50 %
        (0, 1, "FullDisruption"),
        (0, 0, "Normal"),
    ],
)
def test_the_state_of_a_zone(ready: int, failing: int, state: State) -> None:
    assert zones.state_of([True] * ready + [False] * failing, TIMES) == state


@pytest.mark.parametrize(
    ("state", "size", "rate"),
    [
        ("Normal", 10, 0.1),
        ("FullDisruption", 10, 0.1),
        ("PartialDisruption", 50, 0.0),
        ("PartialDisruption", 51, 0.01),
    ],
)
def test_how_fast_pods_are_driven_out_there(state: State, size: int, rate: float) -> None:
    assert zones.rate_of(state, size, TIMES) == rate


def test_one_at_once_and_then_one_in_ten_seconds() -> None:
    pace = Pace(0.1)
    assert pace.wait(NOW) == 0
    pace.take(NOW)
    assert pace.wait(NOW) == 10
    assert pace.wait(after(4)) == 6
    assert pace.wait(after(11)) == 0


def test_what_is_left_to_wait_changes_with_the_rate() -> None:
    pace = Pace(0.1)
    pace.take(NOW)
    pace.change(0.01, after(5))
    assert pace.wait(after(5)) == 50
    pace.change(0.0, after(5))
    assert pace.wait(after(500)) is None
    pace.change(0.1, after(500))
    assert pace.wait(after(500)) == 0


def test_when_all_zones_are_dead_it_is_us() -> None:
    seen = Zones(TIMES)
    assert not seen.judge({"a": [True, False], "b": [True]}, NOW)
    assert not seen.halted
    assert not seen.judge({"a": [False, False], "b": [True]}, NOW)
    assert not seen.halted, "the other zone lives"
    assert not seen.judge({"a": [False, False], "b": [False]}, NOW)
    assert seen.halted
    assert seen.judge({"a": [False, True], "b": [False]}, NOW), "they are back"
    assert not seen.halted


def test_a_small_zone_most_of_whose_nodes_fail_is_left_alone() -> None:
    seen = Zones(TIMES)
    seen.judge({"a": [True, False, False, False], "b": [True]}, NOW)
    assert seen.pace("a").wait(NOW) is None
    assert seen.pace("b").wait(NOW) == 0


def test_an_empty_cluster_is_not_dead() -> None:
    seen = Zones(TIMES)
    seen.judge({}, NOW)
    assert not seen.halted


def test_zones_of_two_regions_are_two_and_a_node_may_be_left_out() -> None:
    labels = {zones.REGION: "north", zones.ZONE: "a"}
    assert zones.zone_of(created("Node", {"metadata": {"labels": labels}})) == "north/a"
    assert zones.zone_of(node()) == "/"
    excluded = created("Node", {"metadata": {"labels": {zones.EXCLUDED: ""}}})
    assert not zones.counts(excluded)
