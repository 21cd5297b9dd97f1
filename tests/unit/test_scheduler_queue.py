"""The queue on times we make up, and which events wake whom."""

from typing import Any

import pytest

from control_plane.scheduler import events
from control_plane.scheduler.choose import Chooser
from control_plane.scheduler.events import Event
from control_plane.scheduler.queue import Queue, Waiting
from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.snapshot import Snapshot
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod
from tests.scheduler_objects import SHAPES, cluster, node, pod

CPU = frozenset({"NodeResourcesFit"})


def waiting(name: str, priority: int = 0, created: float = 0, wanted: Pod | None = None) -> Waiting:
    shape = SHAPES.of(wanted or pod(cpu="1"))
    return Waiting(f"default/{name}", f"uid-{name}", shape, priority, created)


def room() -> Event:
    """There is a node now on which the pods fit."""
    return events.node_added(_node(cluster(node("n1")), "n1"))


def names(queue: Queue, now: float = 0) -> list[str]:
    found = []
    while (next_pod := queue.pop(now)) is not None:
        found.append(next_pod.key.removeprefix("default/"))
    return found


def refuse(queue: Queue, now: float) -> Waiting:
    """Try the next pod; no node has room for it."""
    tried = queue.pop(now)
    assert tried is not None
    queue.refused(tried, CPU)
    return tried


def test_priority_then_age_then_arrival() -> None:
    queue = Queue()
    for name, priority, created in (
        ("d", 0, 7),
        ("b", 5, 9),
        ("c", 0, 3),
        ("a", 5, 2),
        ("e", 0, 7),
    ):
        queue.put(waiting(name, priority, created), 0)
    assert names(queue) == ["a", "b", "c", "d", "e"]


def test_a_pod_waits_once() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    queue.put(waiting("a"), 0)
    assert names(queue) == ["a"]


def test_a_removed_pod_is_not_tried() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    queue.put(waiting("b"), 0)
    queue.remove("default/a")
    assert names(queue) == ["b"]


def test_a_new_pod_under_an_old_name_starts_afresh() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    refuse(queue, 0)
    again = waiting("a")
    again.uid = "another"
    queue.put(again, 0)
    assert queue.pop(0) is again
    assert again.tries == 1


def test_an_unschedulable_pod_waits_for_an_event() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    refuse(queue, 0)
    assert queue.pop(299) is None
    queue.on(room(), {}, 299)
    assert names(queue, 299) == ["a"]


def test_or_for_five_minutes() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    refuse(queue, 10)
    assert queue.next_time() == 310
    assert queue.pop(309.9) is None
    assert names(queue, 310) == ["a"]


def test_a_woken_pod_goes_after_its_backoff_or_when_nothing_else_is_to_do() -> None:
    queue = Queue()
    queue.put(waiting("tried", priority=9), 0)
    refuse(queue, 0)
    queue.put(waiting("new"), 0)
    queue.on(room(), {}, 0.5)
    assert names(queue, 0.5) == ["new", "tried"]  # in spite of its priority


@pytest.mark.parametrize(("tries", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 10), (50, 10)])
def test_backoff_doubles_up_to_ten_seconds(tries: int, seconds: float) -> None:
    queue, now = Queue(), 0.0
    queue.put(waiting("a"), now)
    for _ in range(tries):
        now = queue.next_time() or now
        tried = queue.pop(now)
        assert tried is not None
        queue.failed(tried)
    assert queue.next_time() == now + seconds
    assert queue.pop(now + seconds - 0.01) is None  # a failed binding is never tried early
    assert queue.pop(now + seconds) is tried


def test_a_change_of_what_it_wants_wakes_the_pod() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    refuse(queue, 0)
    queue.put(waiting("a"), 5)  # the same: no reason
    assert queue.pop(5) is None
    queue.put(waiting("a", wanted=pod(cpu="500m")), 5)
    assert names(queue, 5) == ["a"]


def test_a_failed_binding_does_not_displace_a_new_pod_of_that_name() -> None:
    queue = Queue()
    queue.put(waiting("a"), 0)
    old = queue.pop(0)
    assert old is not None
    queue.remove("default/a")
    new = waiting("a")
    new.uid = "another"
    queue.put(new, 0)
    queue.failed(old)
    assert queue.pods["default/a"] is new
    assert names(queue, 100) == ["a"]


# --- which events help whom

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
TAINT = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def apart(app: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def near(app: str) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST}
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def spread(app: str) -> list[dict[str, Any]]:
    rule = {"maxSkew": 1, "topologyKey": HOST, "whenUnsatisfiable": "DoNotSchedule"}
    return [{**rule, "labelSelector": {"matchLabels": {"app": app}}}]


def on(name: str, **fields: Any) -> Pod:
    """A pod that is for this node, as a DaemonSet's are."""
    term = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}
    return pod(affinity={"nodeAffinity": required}, **fields)


BIG, PLAIN = pod(cpu="3"), pod()


@pytest.mark.parametrize(
    ("wanted", "before", "change", "wakes"),
    [
        # short of cpu
        (BIG, [node("n1", cpu="1")], node("n2"), True),
        (BIG, [node("n1", cpu="1")], node("n2", cpu="2"), False),
        (BIG, [node("n1", cpu="1")], node("n1", cpu="3"), True),
        (BIG, [node("n1", cpu="1")], node("n1", cpu="2"), False),
        (BIG, [node("n1", cpu="1")], node("n1", cpu="1", labels={"a": "b"}), False),
        (BIG, [node("n1", cpu="1")], node("n1", cpu="1"), False),  # a heartbeat
        # tainted, cordoned, not ready
        (PLAIN, [node("n1", taints=[TAINT])], node("n1"), True),
        (PLAIN, [node("n1", taints=[TAINT])], node("n1", taints=[TAINT], cpu="9"), False),
        (PLAIN, [node("n1", taints=[TAINT])], node("n2", taints=[TAINT]), False),
        (PLAIN, [node("n1", unschedulable=True)], node("n1"), True),
        (PLAIN, [node("n1", ready="False")], node("n1"), True),
        (PLAIN, [node("n1", ready="False")], node("n1", ready="Unknown"), False),
        # the wrong labels
        (pod(nodeSelector={"a": "b"}), [node("n1")], node("n1", labels={"a": "b"}), True),
        (pod(nodeSelector={"a": "b"}), [node("n1")], node("n1", labels={"a": "c"}), False),
        # for one node only
        (on("n1", cpu="3"), [node("n1", cpu="1")], node("n1", cpu="3"), True),
        (on("n1", cpu="3"), [node("n1", cpu="1")], node("n2", cpu="3"), False),
        (on("n1", cpu="3"), [node("n2")], node("n1"), True),
        (on("n1", cpu="3"), [node("n2")], node("n3"), False),
        # no node at all
        (PLAIN, [], node("n1"), True),
    ],
)
def test_changes_of_nodes(wanted: Pod, before: list[Node], change: Node, wakes: bool) -> None:
    snapshot = cluster(*before)
    queue = refused(wanted, snapshot)
    name = change.metadata.name
    known = snapshot.node(name) is not None
    aspects = snapshot.set_node(change)
    info = _node(snapshot, name)
    queue.on(events.node_changed(info, aspects) if known else events.node_added(info), {}, now=100)
    assert (queue.pop(100) is not None) == wakes


FULL = [
    node("n1", cpu="4"),
    node("n2", cpu="4"),
    pod("a", cpu="3", on="n1"),
    pod("b", cpu="3", on="n2"),
]


@pytest.mark.parametrize(
    ("wanted", "there", "gone", "wakes"),
    [
        (pod(cpu="2"), FULL, "default/a", True),
        (pod(cpu="2"), [*FULL, pod("c", cpu="500m", on="n1")], "default/c", False),  # not enough
        (pod(nodeSelector={"a": "b"}), FULL, "default/a", False),
        (on("n1", cpu="2"), FULL, "default/a", True),
        (on("n1", cpu="2"), FULL, "default/b", False),
        (
            pod(affinity=apart("db")),
            [node("n1"), pod("db", labels={"app": "db"}, on="n1")],
            "default/db",
            True,
        ),
        (
            pod(affinity=apart("db")),
            [
                node("n1"),
                pod("db", labels={"app": "db"}, on="n1"),
                pod("x", labels={"app": "x"}, on="n1"),
            ],
            "default/x",
            False,
        ),
        (
            pod(labels={"app": "db"}),
            [node("n1"), pod("x", affinity=apart("db"), on="n1")],
            "default/x",
            True,
        ),
        (
            pod(labels={"app": "db"}),
            [
                node("n1"),
                pod("x", affinity=apart("db"), on="n1"),
                pod("y", affinity=apart("z"), on="n1"),
            ],
            "default/y",
            False,
        ),
        (
            pod(labels={"app": "db"}, affinity=near("db")),  # could be the first then
            [
                node("n1", cpu="1"),
                node("n2", unschedulable=True),
                pod("x", labels={"app": "db"}, on="n2"),
            ],
            "default/x",
            True,
        ),
        (
            pod(labels={"app": "db"}, topologySpreadConstraints=spread("db")),
            [node("n1"), node("n2", pods="0"), pod("x", labels={"app": "db"}, on="n1")],
            "default/x",
            True,
        ),
        (
            pod(labels={"app": "db"}, topologySpreadConstraints=spread("db")),
            [
                node("n1"),
                node("n2", pods="0"),
                pod("x", labels={"app": "db"}, on="n1"),
                pod("y", on="n1"),
            ],
            "default/y",
            False,
        ),
    ],
)
def test_pods_that_leave(wanted: Pod, there: list[Any], gone: str, wakes: bool) -> None:
    snapshot = cluster(*there)
    queue = refused(wanted, snapshot)
    placed = snapshot.remove(gone)
    assert placed is not None
    queue.on(events.pod_left(snapshot.node(placed.node), placed.shape), {}, now=100)
    assert (queue.pop(100) is not None) == wakes


@pytest.mark.parametrize(("app", "wakes"), [("db", True), ("web", False)])
def test_pods_that_come(app: str, wakes: bool) -> None:
    """They may be the company that a pod was waiting for."""
    queue = refused(pod(affinity=near("db")), cluster(node("n1")))
    queue.on(events.pod_placed(SHAPES.of(pod(labels={"app": app}))), {}, now=100)
    assert (queue.pop(100) is not None) == wakes


def test_a_node_that_goes_may_make_a_spread_possible() -> None:
    snapshot = cluster(node("n1"), node("n2", pods="0"), pod("x", labels={"app": "db"}, on="n1"))
    wanted = pod(labels={"app": "db"}, topologySpreadConstraints=spread("db"))
    queue, plain = refused(wanted, snapshot), refused(pod(cpu="9"), snapshot)
    snapshot.remove_node("n2")
    for each in (queue, plain):
        each.on(events.node_removed(), {}, now=100)
    assert queue.pop(100) is not None
    assert plain.pop(100) is None


def test_only_those_who_are_helped_wake() -> None:
    queue = Queue()
    for name, cpu in (("small", "1"), ("large", "9"), ("small-too", "1")):
        queue.put(waiting(name, wanted=pod(cpu=cpu)), 0)
    for _ in range(3):
        refuse(queue, 0)
    queue.on(room(), {}, 100)
    assert names(queue, 100) == ["small", "small-too"]


def refused(wanted: Pod, snapshot: Snapshot) -> Queue:
    """A queue with this pod, which has just been refused."""
    queue = Queue()
    queue.put(waiting("web", wanted=wanted), 0)
    tried = queue.pop(0)
    assert tried is not None
    result = Chooser(snapshot).choose(tried.shape)
    assert isinstance(result, Unschedulable), result
    queue.refused(tried, result.filters)
    assert queue.pop(100) is None
    return queue


def _node(snapshot: Snapshot, name: str) -> Any:
    found = snapshot.node(name)
    assert found is not None
    return found
