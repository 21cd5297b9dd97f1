"""How long a pod stays on a tainted node, and which pods nobody else would remove (4f, S#54, S#63)."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from api import clock, conditions
from control_plane.controllers import podgc
from control_plane.controllers.podgc import ORPHAN, Quarantine, abandoned, failed, too_many
from control_plane.controllers.tainteviction.plan import driving_out, leaves_at
from proto.v1.cluster_pb2 import Node, Taint
from proto.v1.pod_pb2 import Pod
from tests.manifests import NOW, created


def taint(key: str = "a", value: str = "", added: int | None = 0) -> Taint:
    """`added`: seconds ago; None: it does not say."""
    made = Taint(key=key, value=value, effect="NoExecute")
    if added is not None:
        made.timeAdded.CopyFrom(clock.timestamp(NOW - timedelta(seconds=added)))
    return made


def pod(*tolerations: dict[str, Any], bound: int = 1000) -> Pod:
    """`bound`: seconds ago."""
    made: Pod = created("Pod", {"spec": {"tolerations": list(tolerations), "nodeName": "n1"}})
    made.status.conditions.add(
        type="PodScheduled",
        status="True",
        lastTransitionTime=clock.timestamp(NOW - timedelta(seconds=bound)),
    )
    return made


def bears(key: str = "a", seconds: int | None = None, **more: str) -> dict[str, Any]:
    made: dict[str, Any] = {"key": key, "operator": "Exists", "effect": "NoExecute", **more}
    return made if seconds is None else {**made, "tolerationSeconds": seconds}


def never(_: Taint) -> datetime:
    raise AssertionError("the taint says itself when it was added")


@pytest.mark.parametrize(
    ("subject", "present", "leaves"),
    [
        (pod(), [], None),
        (pod(), [taint()], 0),
        (pod(bears()), [taint()], None),
        (pod(bears(seconds=300)), [taint()], 300),
        (pod(bears(seconds=300)), [taint(added=200)], 100),
        (pod(bears(seconds=300), bound=50), [taint(added=200)], 250),  # it came later
        (pod(bears(seconds=0)), [taint()], 0),
        (pod(bears(seconds=-5)), [taint()], 0),
        (pod(bears("a", 300), bears("b", 60)), [taint("a"), taint("b")], 60),
        (pod(bears("a", 300)), [taint("a"), taint("b")], 0),
        (pod(bears("a"), bears("b", 60)), [taint("a"), taint("b")], 60),
        (pod(bears("", 60)), [taint("a")], 60),  # no key: every key
        (pod(bears("a", 60), bears("a")), [taint("a")], 60),  # the first that fits counts
        (pod({"key": "a", "value": "x", "effect": "NoExecute"}), [taint("a", "y")], 0),
        (pod({"key": "a", "value": "x", "effect": "NoExecute"}), [taint("a", "x")], None),
        (pod(bears("a", effect="NoSchedule")), [taint("a")], 0),
    ],
)
def test_when_a_pod_leaves(subject: Pod, present: list[Taint], leaves: int | None) -> None:
    due = leaves_at(subject, present, never)
    if leaves is None:
        assert due is None
    else:
        assert due is not None
        assert max(due, NOW) == NOW + timedelta(seconds=leaves)


def test_a_taint_that_does_not_say_since_when_counts_since_it_was_seen() -> None:
    subject, silent = pod(bears(seconds=60)), taint(added=None)
    assert leaves_at(subject, [silent], lambda _: NOW) == NOW + timedelta(seconds=60)


def test_only_noexecute_drives_out() -> None:
    node = Node()
    for effect in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
        node.spec.taints.add(key=effect, effect=effect)
    assert [each.key for each in driving_out(node)] == ["NoExecute"]


# Pods that nobody else would remove


def ended(name: str, age: int, *, evicted: bool = False, phase: str = "Succeeded") -> Pod:
    made: Pod = created("Pod", {"metadata": {"name": name}})
    made.metadata.creationTimestamp.seconds = 10_000 - age
    made.status.phase = "Failed" if evicted else phase
    made.status.reason = "Evicted" if evicted else ""
    return made


@pytest.mark.parametrize(
    ("kept", "names"),
    [(0, []), (4, []), (3, ["evicted"]), (2, ["evicted", "old"]), (1, ["evicted", "old", "a"])],
)
def test_of_those_that_ended_the_evicted_and_the_oldest_go_first(
    kept: int, names: list[str]
) -> None:
    pods = [
        ended("b", 10),
        ended("a", 10),
        ended("old", 50, phase="Failed"),
        ended("evicted", 1, evicted=True),
        ended("runs", 99, phase="Running"),
    ]
    assert [each.metadata.name for each in too_many(pods, kept)] == names


def going(name: str, node: str) -> Pod:
    made: Pod = created("Pod", {"metadata": {"name": name}, "spec": {"nodeName": node}})
    made.metadata.deletionTimestamp.CopyFrom(clock.timestamp(NOW))
    return made


def machine(ready: str, *keys: str) -> Node:
    made: Node = created("Node")
    made.status.conditions.add(type="Ready", status=ready)
    for key in keys:
        made.spec.taints.add(key=key, effect="NoExecute")
    return made


def test_pods_that_shall_end_and_have_no_node_to_confirm_it() -> None:
    out = podgc.OUT_OF_SERVICE
    nodes = {
        "well": machine("True"),
        "declared": machine("Unknown", out),
        "silent": machine("Unknown"),
        "alive": machine("True", out),
    }
    pods = [going(name or "nowhere", name) for name in ("", *nodes, "gone")]
    staying: Pod = created("Pod", {"spec": {"nodeName": "declared"}})
    found = [each.metadata.name for each in abandoned([*pods, staying], nodes)]
    assert found == ["nowhere", "declared"]


def test_a_node_must_be_missing_for_forty_seconds() -> None:
    quarantine, pods = Quarantine(), [going("a", "gone"), going("b", "there"), going("c", "")]
    nodes = {"there": machine("True")}
    assert quarantine.missing(pods, nodes, NOW) == []
    assert quarantine.missing(pods, nodes, NOW + timedelta(seconds=39)) == []
    assert quarantine.missing(pods, nodes, NOW + timedelta(seconds=40)) == ["gone"]


def test_a_node_that_comes_back_is_counted_anew() -> None:
    quarantine, pods = Quarantine(), [going("a", "gone")]
    quarantine.missing(pods, {}, NOW)
    quarantine.missing(pods, {"gone": machine("True")}, NOW + timedelta(seconds=20))
    assert quarantine.missing(pods, {}, NOW + timedelta(seconds=50)) == []


def test_an_orphan_is_marked_as_failed_and_says_why() -> None:
    marked = failed(ended("a", 1, phase="Running"), NOW, ORPHAN)
    assert marked is not None
    assert marked.status.phase == "Failed"
    said = conditions.find(marked.status.conditions, "DisruptionTarget")
    assert said is not None
    assert said.reason == "DeletionByPodGC"
    assert failed(ended("a", 1), NOW, ORPHAN) is None
