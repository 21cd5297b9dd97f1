"""What a DaemonSet does with the nodes and pods it sees, as tables (S#75)."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict

from api import clock
from control_plane.controllers.daemonset.backoff import LONGEST, Backoff
from control_plane.controllers.daemonset.nodes import BOTH, NEITHER, STAY, Demand, Verdict
from control_plane.controllers.daemonset.plan import BURST, Plan, plan
from control_plane.controllers.daemonset.rollout import bounds_of
from control_plane.controllers.daemonset.sites import Site, sites_of
from control_plane.controllers.daemonset.status import next_look, status_of
from control_plane.controllers.daemonset.template import new_pod, node_of
from control_plane.controllers.deployment.bounds import Bounds
from control_plane.controllers.ledger import TTL, Ledger
from control_plane.controllers.revisions import POD_LABEL
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

NOW = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)
NEW, OLD = "new", "old"  # hashes of revisions


def web(unavailable: Any = 1, surge: Any = 0, *, min_ready: int = 0, **pods: Any) -> DaemonSet:
    """`pods`: fields of their spec."""
    rolling = {"maxUnavailable": unavailable, "maxSurge": surge}
    spec = {
        "minReadySeconds": min_ready,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": rolling},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": pods},
    }
    return ParseDict({"metadata": {"name": "web", "uid": "u"}, "spec": spec}, DaemonSet())


def pod(
    name: str,
    *,
    of: str = NEW,
    ready: float | None = 3600,
    phase: str = "Running",
    age: int = 7200,
    bound: bool = True,
    ending: bool = False,
) -> Pod:
    """On the node n1. `ready`: for so many seconds; None: it is not."""
    made = new_pod(web(), name, "n1", of)
    made.metadata.uid = name
    made.metadata.creationTimestamp.CopyFrom(clock.timestamp(NOW - timedelta(seconds=age)))
    made.status.phase = phase
    if bound:
        made.spec.nodeName = "n1"
    if ready is not None:
        since = clock.timestamp(NOW - timedelta(seconds=ready))
        made.status.conditions.add(type="Ready", status="True", lastTransitionTime=since)
    if ending:
        made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    return made


def site(*pods: Pod, verdict: Verdict = BOTH, name: str = "n1", **more: Any) -> Site:
    [found] = sites_of({"n1": verdict}, pods)
    return Site(name, verdict, pods=found.pods, **more)


def told(todo: Plan) -> tuple[list[str], list[str]]:
    """Nodes that get a pod, pods that are deleted."""
    return list(todo.create), sorted(each.metadata.name for each in todo.delete)


# Which nodes


def node(labels: dict[str, str] | None = None, *taints: tuple[str, str]) -> Node:
    made = Node()
    made.metadata.name = "n1"
    made.metadata.labels.update(labels or {})
    for key, effect in taints:
        made.spec.taints.add(key=key, effect=effect)
    return made


SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
N2 = {"key": "metadata.name", "operator": "In", "values": ["n2"]}
GPU = {"key": "gpu", "operator": "Exists"}


def required(**term: Any) -> dict[str, Any]:
    terms = {"nodeSelectorTerms": [term]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}


@pytest.mark.parametrize(
    ("template", "there", "expected"),
    [
        ({}, node(), BOTH),
        ({"nodeSelector": {"disk": "ssd"}}, node(), NEITHER),
        ({"nodeSelector": {"disk": "ssd"}}, node({"disk": "ssd"}), BOTH),
        ({"affinity": required(matchExpressions=[SSD])}, node(), NEITHER),
        ({"affinity": required(matchExpressions=[SSD])}, node({"disk": "ssd"}), BOTH),
        ({"affinity": required(matchFields=[N2])}, node(), NEITHER),
        ({"nodeName": "n1"}, node(), BOTH),
        ({"nodeName": "n2"}, node(), NEITHER),
        ({}, node({}, ("gpu", "NoSchedule")), STAY),
        ({}, node({}, ("gpu", "NoExecute")), NEITHER),
        ({}, node({}, ("gpu", "PreferNoSchedule")), BOTH),
        ({}, node({}, ("gpu", "NoSchedule"), ("x", "NoExecute")), NEITHER),
        ({"tolerations": [GPU]}, node({}, ("gpu", "NoSchedule"), ("gpu", "NoExecute")), BOTH),
        ({}, node({}, ("node.kubernetes.io/not-ready", "NoExecute")), BOTH),
        ({}, node({}, ("node.kubernetes.io/not-ready", "NoSchedule")), STAY),
        ({}, node({}, ("node.kubernetes.io/unreachable", "NoExecute")), BOTH),
        ({}, node({}, ("node.kubernetes.io/disk-pressure", "NoSchedule")), BOTH),
        ({}, node({}, ("node.kubernetes.io/memory-pressure", "NoSchedule")), BOTH),
        ({}, node({}, ("node.kubernetes.io/pid-pressure", "NoSchedule")), BOTH),
        ({}, node({}, ("node.kubernetes.io/unschedulable", "NoSchedule")), BOTH),
        ({}, node({}, ("node.kubernetes.io/network-unavailable", "NoSchedule")), STAY),
        (
            {"hostNetwork": True},
            node({}, ("node.kubernetes.io/network-unavailable", "NoSchedule")),
            BOTH,
        ),
    ],
)
def test_which_nodes(template: dict[str, Any], there: Node, expected: Verdict) -> None:
    assert Demand(web(**template)).verdict(there) == expected


# The pod for a node


def test_a_pod_is_made_for_a_node() -> None:
    made = new_pod(web(affinity=required(matchExpressions=[SSD])), "web-abcde", "n1", NEW)
    assert made.metadata.labels == {"app": "web", POD_LABEL: NEW}
    assert [(o.kind, o.uid, o.controller) for o in made.metadata.ownerReferences] == [
        ("DaemonSet", "u", True)
    ]
    affinity = made.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    [term] = affinity.nodeSelectorTerms  # what the template requires has been asked already
    assert not term.matchExpressions
    [field] = term.matchFields
    assert (field.key, field.operator, list(field.values)) == ("metadata.name", "In", ["n1"])
    assert made.spec.nodeName == ""


def test_what_every_daemon_tolerates() -> None:
    own = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    tolerations = [{**own, "tolerationSeconds": 300}, GPU]
    made = new_pod(web(tolerations=tolerations, hostNetwork=True), "web-abcde", "n1", NEW)
    shown = [(t.key.removeprefix("node.kubernetes.io/"), t.effect) for t in made.spec.tolerations]
    assert shown == [
        ("not-ready", "NoExecute"),
        ("gpu", ""),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
        ("network-unavailable", "NoSchedule"),
    ]
    assert all(t.operator == "Exists" for t in made.spec.tolerations)
    assert not any(t.HasField("tolerationSeconds") for t in made.spec.tolerations), "for ever"


def test_for_which_node_a_pod_is() -> None:
    assert node_of(new_pod(web(), "web-1", "n7", NEW)) == "n7"
    bound = new_pod(web(), "web-1", "n7", NEW)
    bound.spec.nodeName = "n8"
    assert node_of(bound) == "n8"
    assert node_of(Pod()) == ""


# One pod per node

FAILED, DONE = {"phase": "Failed", "ready": None}, {"phase": "Succeeded", "ready": None}


@pytest.mark.parametrize(
    ("there", "create", "delete"),
    [
        (site(), ["n1"], []),
        (site(verdict=STAY), [], []),
        (site(verdict=NEITHER), [], []),
        (site(coming=True), [], []),
        (site(pod("a")), [], []),
        (site(pod("a"), verdict=STAY), [], []),
        (site(pod("a"), verdict=NEITHER), [], ["a"]),
        (site(pod("a", ending=True), verdict=NEITHER), [], []),
        (site(pod("a", ending=True)), [], []),  # its successor waits
        (site(pod("a", ending=True, phase="Failed")), ["n1"], []),  # it only waits for finalizers
        (site(pod("a"), going=frozenset("a")), [], []),
        (site(pod("a", **FAILED)), [], ["a"]),
        (site(pod("a", **DONE)), [], ["a"]),
        (site(pod("a"), pod("b", **FAILED)), [], ["b"]),
        (site(pod("a", age=5), pod("b", age=9)), [], ["a"]),  # the oldest stays
        (site(pod("a", age=9, bound=False, ready=None), pod("b", age=5)), [], ["a"]),
        (site(pod("b"), pod("a")), [], ["b"]),  # of the same age
        (site(pod("a", bound=False, ready=None), exists=False), [], ["a"]),
        (site(pod("a"), exists=False), [], []),
    ],
)
def test_one_pod_on_each_node(there: Site, create: list[str], delete: list[str]) -> None:
    assert told(plan(web(), [there], NEW, NOW)) == (create, delete)


@pytest.mark.parametrize(
    ("there", "create", "delete"),
    [
        (site(pod("a", ending=True)), ["n1"], []),  # there may be two: no need to wait
        (site(pod("a", **FAILED)), ["n1"], ["a"]),
        (site(pod("o", of=OLD), pod("n", ready=None)), [], []),
        (site(pod("o", of=OLD), pod("n")), [], ["o"]),
        (site(pod("o", of=OLD, ready=None), pod("n", ready=None)), [], ["o"]),
        (site(pod("o", of=OLD, age=9), pod("p", of=OLD, age=8), pod("n", ready=None)), [], ["p"]),
        (site(pod("n", age=9), pod("m", age=8)), [], ["m"]),
    ],
)
def test_one_pod_on_each_node_or_an_old_and_a_new_one(
    there: Site, create: list[str], delete: list[str]
) -> None:
    assert told(plan(web(0, 1), [there], NEW, NOW)) == (create, delete)


def test_a_new_pod_beside_an_old_one_counts_when_it_has_been_ready_long_enough() -> None:
    there = [site(pod("o", of=OLD), pod("n", ready=10))]
    assert told(plan(web(0, 1, min_ready=11), there, NEW, NOW)) == ([], [])
    assert told(plan(web(0, 1, min_ready=10), there, NEW, NOW)) == ([], ["o"])


@pytest.mark.parametrize("bounds", [(1, 0), (0, 1)])
def test_a_pod_that_failed_again_is_left_alone_for_a_while(bounds: tuple[int, int]) -> None:
    """With a surge Kubernetes makes another pod meanwhile, and another: as many as fail."""
    there, held = [site(pod("a", **FAILED))], {"n1": NOW + timedelta(seconds=4)}
    assert told(plan(web(*bounds), there, NEW, NOW, held)) == ([], [])
    assert told(plan(web(*bounds), there, NEW, NOW, {"n2": NOW}))[1] == ["a"]


def test_people_are_told_about_pods_that_ended_by_themselves() -> None:
    todo = plan(web(), [site(pod("a", **FAILED), pod("b", **DONE), pod("c"))], NEW, NOW)
    assert [p.metadata.name for p in todo.failed] == ["a"]
    assert [p.metadata.name for p in todo.succeeded] == ["b"]


def test_not_all_at_once() -> None:
    many = [site(name=f"n{n}") for n in range(BURST + 5)]
    assert len(plan(web(), many, NEW, NOW).create) == BURST
    gone = [site(pod(str(n)), verdict=NEITHER) for n in range(BURST + 5)]
    assert len(plan(web(), gone, NEW, NOW).delete) == BURST


# A step of a rollout


def old(name: str, **more: Any) -> Site:
    return site(pod(name, of=OLD, **more), name=name)


def new(name: str, **more: Any) -> Site:
    return site(pod(name, **more), name=name)


@pytest.mark.parametrize(
    ("bound", "there", "delete"),
    [
        (1, [old("a"), old("b"), old("c")], ["a"]),
        (2, [old("a"), old("b"), old("c")], ["a", "b"]),
        ("34%", [old("a"), old("b"), old("c")], ["a", "b"]),  # rounded up
        (1, [new("a"), old("b"), old("c")], ["b"]),
        (1, [new("a", ready=None), old("b")], []),  # one is missing already
        (2, [new("a", ready=None), old("b"), old("c")], ["b"]),
        (1, [new("a", ready=None), old("b", ready=None), old("c")], ["b"]),  # useless anyway
        (1, [site(pod("a", ending=True)), old("b")], []),
        (1, [site(coming=True), old("b")], []),
        (1, [new("a"), new("b")], []),
        # A node that should have none, but may keep what it has, takes part.
        (1, [site(pod("a", of=OLD), verdict=STAY), new("b")], ["a"]),
        # A node that is gone holds up nobody.
        (1, [site(pod("a", of=OLD, ready=None), exists=False), old("b")], ["b"]),
    ],
)
def test_old_pods_are_replaced_a_few_at_a_time(
    bound: Any, there: list[Site], delete: list[str]
) -> None:
    assert told(plan(web(bound), there, NEW, NOW)) == ([], delete)


@pytest.mark.parametrize(
    ("bound", "there", "create", "delete"),
    [
        (1, [old("a"), old("b")], ["a"], []),
        ("51%", [old("a"), old("b")], ["a", "b"], []),
        (1, [site(pod("o", of=OLD), pod("n", ready=None)), old("b")], [], []),
        (1, [site(pod("n"), coming=True), old("b")], [], []),
        (1, [old("a", ready=None), old("b")], ["a", "b"], []),  # what does not work costs nothing
        (1, [new("a"), old("b")], ["b"], []),
        # Where none should be any more: gone at once if it is useless, else when enough work elsewhere.
        (1, [site(pod("a", of=OLD, ready=None), verdict=STAY), new("b")], [], ["a"]),
        (1, [site(pod("a", of=OLD), verdict=STAY), new("b", ready=None)], [], []),
        (1, [site(pod("a", of=OLD), verdict=STAY), new("b")], [], ["a"]),
    ],
)
def test_new_pods_come_beside_old_ones(
    bound: Any, there: list[Site], create: list[str], delete: list[str]
) -> None:
    assert told(plan(web(0, bound), there, NEW, NOW)) == (create, delete)


def test_the_rollout_waits_until_every_node_has_its_pod() -> None:
    assert told(plan(web(2), [site(), old("b")], NEW, NOW)) == (["n1"], [])


def test_on_delete_nothing_is_replaced() -> None:
    daemonset = web()
    daemonset.spec.updateStrategy.type = "OnDelete"
    assert plan(daemonset, [old("a"), old("b", ready=None)], NEW, NOW) == Plan()


@pytest.mark.parametrize(
    ("unavailable", "surge", "nodes", "expected"),
    [
        (1, 0, 5, Bounds(0, 1)),
        ("10%", 0, 5, Bounds(0, 1)),
        ("50%", 0, 5, Bounds(0, 3)),
        (0, "50%", 5, Bounds(3, 0)),
        (0, 7, 5, Bounds(7, 0)),
        (0, 0, 5, Bounds(0, 1)),  # not let in any more, but perhaps stored once
        ("10%", 0, 0, Bounds(0, 1)),
    ],
)
def test_bounds(unavailable: Any, surge: Any, nodes: int, expected: Bounds) -> None:
    assert bounds_of(web(unavailable, surge), nodes) == expected


# What is taken as done


def test_what_was_done_counts_before_the_cache_shows_it() -> None:
    verdicts = {"n1": BOTH, "n2": BOTH, "n3": NEITHER}
    found = sites_of(verdicts, [pod("a")], coming={"n2"}, going=frozenset("a"))
    assert [(s.node, len(s.pods), len(s.staying), s.coming) for s in found] == [
        ("n1", 1, 0, False),
        ("n2", 0, 0, True),
        ("n3", 0, 0, False),
    ]
    assert told(plan(web(), found, NEW, NOW)) == ([], [])


def test_pods_of_nodes_that_are_gone_are_seen_and_pods_of_no_node_are_not() -> None:
    found = sites_of({}, [pod("a"), Pod()])
    assert [(s.node, s.exists, s.verdict) for s in found] == [("n1", False, NEITHER)]


# Back-off


def test_pauses_double_and_are_forgotten() -> None:
    backoff, now = Backoff(), NOW
    backoff.look(1, now)
    lengths = []
    for _ in range(12):
        assert not backoff.held(now)
        backoff.failed(["n1"], now)
        [end] = backoff.held(now).values()
        lengths.append((end - now).total_seconds())
        now = end
    assert lengths == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]
    backoff.look(1, now + LONGEST)
    backoff.failed(["n1"], now + LONGEST)
    assert backoff.pauses["n1"].length == LONGEST
    backoff.look(1, now + 4 * LONGEST)
    assert not backoff.pauses
    backoff.failed(["n1"], now)
    backoff.look(2, now)  # another template, another chance
    assert not backoff.pauses


# Status


def test_the_status_counts_nodes_through_the_pod_that_is_there_longest() -> None:
    daemonset = web(0, 1, min_ready=60)
    daemonset.metadata.generation = 4
    there = [
        site(name="missing"),
        new("works"),
        new("fresh", ready=10),
        old("starting", ready=None),
        site(pod("o", of=OLD, age=9), pod("n", age=5), name="two"),
        site(pod("x"), verdict=STAY, name="mis"),
        site(pod("y"), verdict=NEITHER, name="gone", exists=False),
    ]
    status = status_of(daemonset, there, NEW, 0, NOW)
    assert (status.desiredNumberScheduled, status.currentNumberScheduled) == (5, 4)
    assert (status.numberReady, status.numberAvailable, status.numberUnavailable) == (3, 2, 3)
    assert (status.updatedNumberScheduled, status.numberMisscheduled) == (2, 1)
    assert status.observedGeneration == 4
    assert not status.HasField("collisionCount")
    assert status_of(daemonset, there, NEW, 2, NOW).collisionCount == 2


def test_when_time_alone_changes_something() -> None:
    ledger, daemonset = Ledger(), web(min_ready=60)
    assert next_look(daemonset, [new("a")], [], ledger, NOW) is None
    ledger.begin_creating(["b"], NOW)
    assert next_look(daemonset, [new("a")], [], ledger, NOW) == TTL.total_seconds()
    assert next_look(daemonset, [new("a", ready=10)], [], ledger, NOW) == 50
    held = [NOW + timedelta(seconds=8)]
    assert next_look(daemonset, [new("a", ready=10)], held, ledger, NOW) == 8
