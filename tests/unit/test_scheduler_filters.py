"""Each filter's rules as a table: a pod, a cluster, and what is said about the node n1."""

from typing import Any

import pytest

from control_plane.scheduler.choose import Chooser
from control_plane.scheduler.explain import reasons
from control_plane.scheduler.refusal import Unschedulable
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod
from tests.scheduler_objects import SHAPES, cluster, node, pod

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
FITS = ""
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def reason(wanted: Pod, *objects: Node | Pod, on: str = "n1") -> str:
    """Why the pod cannot be on the node; empty if it can. The fast way has to come to the same end."""
    snapshot = cluster(*objects)
    said = dict(reasons(wanted, snapshot))
    result = Chooser(snapshot).choose(SHAPES.of(wanted))
    assert isinstance(result, Unschedulable) == all(said.values())
    return said[on]


UNTOLERATED = "node(s) had untolerated taint {dedicated: db}"
TAINT = {"key": "dedicated", "value": "db", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("toleration", "expected"),
    [
        ({}, UNTOLERATED),  # no key and Equal: only a taint without a value
        ({"key": "dedicated", "value": "db"}, FITS),
        ({"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoSchedule"}, FITS),
        ({"key": "dedicated", "value": "web"}, UNTOLERATED),
        ({"key": "other", "value": "db"}, UNTOLERATED),
        ({"key": "dedicated", "operator": "Exists"}, FITS),
        ({"operator": "Exists"}, FITS),
        ({"operator": "Exists", "effect": "NoExecute"}, UNTOLERATED),
        ({"operator": "Exists", "effect": "NoSchedule"}, FITS),
    ],
)
def test_tolerations(toleration: dict[str, str], expected: str) -> None:
    assert reason(pod(tolerations=[toleration]), node("n1", taints=[TAINT])) == expected


@pytest.mark.parametrize(
    ("effect", "expected"),
    [("NoSchedule", UNTOLERATED), ("NoExecute", UNTOLERATED), ("PreferNoSchedule", FITS)],
)
def test_effects_of_taints(effect: str, expected: str) -> None:
    assert reason(pod(), node("n1", taints=[{**TAINT, "effect": effect}])) == expected


def test_the_first_untolerated_taint_is_named() -> None:
    taints = [{**TAINT, "effect": "PreferNoSchedule"}, {"key": "b", "effect": "NoExecute"}, TAINT]
    assert reason(pod(), node("n1", taints=taints)) == "node(s) had untolerated taint {b: }"


CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}


def test_a_cordoned_node() -> None:
    assert reason(pod(), node("n1", unschedulable=True)) == "node(s) were unschedulable"
    assert reason(pod(tolerations=[CORDON]), node("n1", unschedulable=True)) == FITS


@pytest.mark.parametrize(
    ("ready", "key"),
    [("False", "not-ready"), ("Unknown", "unreachable"), (None, "unreachable")],
)
def test_a_node_that_is_not_ready(ready: str | None, key: str) -> None:
    """Even before anybody has tainted it; who tolerates that taint may go there."""
    silent = node("n1", ready=ready)
    assert reason(pod(), silent) == "node(s) were not ready"
    for effect, expected in (("NoSchedule", FITS), ("NoExecute", "node(s) were not ready")):
        toleration = {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": effect}
        assert reason(pod(tolerations=[toleration]), silent) == expected


MISMATCH = "node(s) didn't match Pod's node affinity/selector"
NOT_NAMED = "node(s) didn't satisfy plugin(s) [NodeAffinity]"
LABELS = {"disk": "ssd", "cores": "8", "odd": "many"}


@pytest.mark.parametrize(
    ("key", "operator", "values", "expected"),
    [
        ("disk", "In", ["hdd", "ssd"], FITS),
        ("disk", "In", ["hdd"], MISMATCH),
        ("none", "In", ["ssd"], MISMATCH),
        ("disk", "NotIn", ["ssd"], MISMATCH),
        ("disk", "NotIn", ["hdd"], FITS),
        ("none", "NotIn", ["hdd"], FITS),
        ("disk", "Exists", [], FITS),
        ("none", "Exists", [], MISMATCH),
        ("disk", "DoesNotExist", [], MISMATCH),
        ("none", "DoesNotExist", [], FITS),
        ("cores", "Gt", ["7"], FITS),
        ("cores", "Gt", ["8"], MISMATCH),
        ("cores", "Lt", ["9"], FITS),
        ("cores", "Lt", ["8"], MISMATCH),
        ("odd", "Gt", ["1"], MISMATCH),
        ("none", "Lt", ["1"], MISMATCH),
        ("cores", "Gt", ["x"], MISMATCH),
    ],
)
def test_node_affinity_operators(key: str, operator: str, values: list[str], expected: str) -> None:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}
    assert reason(pod(affinity=_node_affinity(term)), node("n1", labels=LABELS)) == expected


SSD = {"key": "disk", "operator": "In", "values": ["ssd"]}
HDD = {"key": "disk", "operator": "In", "values": ["hdd"]}
N1 = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
N2 = {"key": "metadata.name", "operator": "In", "values": ["n2"]}


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([{"matchExpressions": [HDD]}, {"matchExpressions": [SSD]}], FITS),  # one of the terms
        ([{"matchExpressions": [HDD, SSD]}], MISMATCH),  # all of the expressions
        ([{"matchFields": [N1]}], FITS),
        ([{"matchFields": [N2]}], NOT_NAMED),
        ([{"matchFields": [N2]}, {"matchFields": [N1]}], FITS),
        ([{"matchFields": [N2]}, {"matchExpressions": [HDD]}], MISMATCH),  # not only by name
        ([{"matchFields": [N1, N2]}], NOT_NAMED),
        ([{"matchFields": [N1], "matchExpressions": [HDD]}], MISMATCH),
        ([{}], MISMATCH),  # a term without conditions matches nothing
        ([{}, {"matchExpressions": [SSD]}], FITS),
    ],
)
def test_node_affinity_terms(terms: list[dict[str, Any]], expected: str) -> None:
    assert reason(pod(affinity=_node_affinity(*terms)), node("n1", labels=LABELS)) == expected


def test_node_selector_and_affinity_must_both_hold() -> None:
    there = node("n1", labels=LABELS)
    assert reason(pod(nodeSelector={"disk": "ssd", "cores": "8"}), there) == FITS
    assert reason(pod(nodeSelector={"disk": "ssd", "cores": "9"}), there) == MISMATCH
    both = pod(nodeSelector={"disk": "ssd"}, affinity=_node_affinity({"matchExpressions": [HDD]}))
    assert reason(both, there) == MISMATCH


TAKEN = "node(s) didn't have free ports for the requested pod ports"


@pytest.mark.parametrize(
    ("mine", "theirs", "expected"),
    [
        ({"hostPort": 80}, {"hostPort": 80}, TAKEN),
        ({"hostPort": 80}, {"hostPort": 81}, FITS),
        ({"hostPort": 80, "protocol": "UDP"}, {"hostPort": 80}, FITS),
        ({"hostPort": 80, "protocol": "TCP"}, {"hostPort": 80}, TAKEN),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80, "hostIP": "10.0.0.2"}, FITS),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80, "hostIP": "10.0.0.1"}, TAKEN),
        ({"hostPort": 80, "hostIP": "10.0.0.1"}, {"hostPort": 80}, TAKEN),
        ({"hostPort": 80}, {"hostPort": 80, "hostIP": "10.0.0.1"}, TAKEN),
        (
            {"containerPort": 80},
            {"containerPort": 80},
            FITS,
        ),  # everybody has addresses of their own
    ],
)
def test_host_ports(mine: dict[str, Any], theirs: dict[str, Any], expected: str) -> None:
    assert reason(_listening(mine), node("n1"), _listening(theirs, "other", on="n1")) == expected


@pytest.mark.parametrize(
    ("wanted", "there", "expected"),
    [
        (pod(cpu="4"), {}, FITS),
        (pod(cpu="4001m"), {}, "Insufficient cpu"),
        (pod(cpu="5", memory="9Gi"), {}, "Insufficient cpu, Insufficient memory"),
        (pod(requests={"ephemeral-storage": "101Gi"}), {}, "Insufficient ephemeral-storage"),
        (pod(requests={"example.com/gpu": "1"}), {}, "Insufficient example.com/gpu"),
        (pod(requests={"example.com/gpu": "1"}), {"example.com/gpu": "1"}, FITS),
        (
            pod(requests={"example.com/gpu": "2"}),
            {"example.com/gpu": "1"},
            "Insufficient example.com/gpu",
        ),
        (pod(), {"pods": "0"}, "Too many pods"),
        (pod(cpu="5"), {"pods": "0"}, "Too many pods, Insufficient cpu"),
        (pod(cpu="3500m", overhead={"cpu": "500m"}), {}, FITS),
        (pod(cpu="3500m", overhead={"cpu": "501m"}), {}, "Insufficient cpu"),
    ],
)
def test_room(wanted: Pod, there: dict[str, Any], expected: str) -> None:
    assert reason(wanted, node("n1", **there)) == expected


def test_room_is_what_the_pods_there_leave() -> None:
    there = (node("n1"), pod("a", cpu="1", on="n1"), pod("b", cpu="2500m", on="n1"))
    assert reason(pod(cpu="500m"), *there) == FITS
    assert reason(pod(cpu="501m"), *there) == "Insufficient cpu"


def test_who_requests_nothing_fits_on_a_full_node() -> None:
    assert reason(pod(), node("n1", cpu="1"), pod("a", cpu="3", on="n1")) == FITS


NEAR = "node(s) didn't match pod affinity rules"
APART = "node(s) didn't match pod anti-affinity rules"
REPELLED = "node(s) didn't satisfy existing pods anti-affinity rules"
WEB = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": ZONE}
ZONES = (
    node("n1", labels={ZONE: "a"}),
    node("n2", labels={ZONE: "a"}),
    node("n3", labels={ZONE: "b"}),
    node("n4"),
)


def _company(near: Any = (), apart: Any = ()) -> dict[str, Any]:
    return {"podAffinity": {REQUIRED: list(near)}, "podAntiAffinity": {REQUIRED: list(apart)}}


@pytest.mark.parametrize(
    ("on", "expected"), [("n1", FITS), ("n2", FITS), ("n3", NEAR), ("n4", NEAR)]
)
def test_affinity(on: str, expected: str) -> None:
    """In the domain of a pod that matches; never where there is no such label."""
    there = pod("a", labels={"app": "web"}, on="n2")
    assert reason(pod(affinity=_company(near=[WEB])), *ZONES, there, on=on) == expected


def test_affinity_needs_one_pod_that_matches_all_terms() -> None:
    tier = {"labelSelector": {"matchLabels": {"tier": "front"}}, "topologyKey": HOST}
    wanted = pod(affinity=_company(near=[WEB, tier]))
    one = pod("a", labels={"app": "web", "tier": "front"}, on="n1")
    two = (pod("b", labels={"app": "web"}, on="n1"), pod("c", labels={"tier": "front"}, on="n1"))
    assert reason(wanted, *ZONES, *two) == NEAR
    assert reason(wanted, *ZONES, one) == FITS
    assert reason(wanted, *ZONES, one, on="n2") == NEAR  # another host


@pytest.mark.parametrize(
    ("app", "on", "expected"), [("web", "n1", FITS), ("web", "n4", NEAR), ("db", "n1", NEAR)]
)
def test_the_first_of_a_group_that_wants_to_be_together(app: str, on: str, expected: str) -> None:
    assert (
        reason(pod(labels={"app": app}, affinity=_company(near=[WEB])), *ZONES, on=on) == expected
    )


def test_the_second_of_the_group_follows_the_first() -> None:
    wanted = pod(labels={"app": "web"}, affinity=_company(near=[WEB]))
    assert reason(wanted, *ZONES, pod("a", labels={"app": "web"}, on="n3")) == NEAR


@pytest.mark.parametrize(
    ("on", "expected"), [("n1", APART), ("n2", APART), ("n3", FITS), ("n4", FITS)]
)
def test_anti_affinity(on: str, expected: str) -> None:
    there = pod("a", labels={"app": "web"}, on="n1")
    assert reason(pod(affinity=_company(apart=[WEB])), *ZONES, there, on=on) == expected


@pytest.mark.parametrize(
    ("on", "expected"), [("n1", REPELLED), ("n2", REPELLED), ("n3", FITS), ("n4", FITS)]
)
def test_anti_affinity_is_symmetric(on: str, expected: str) -> None:
    """The pod that is there does not want the new one."""
    there = pod("a", affinity=_company(apart=[WEB]), on="n2")
    assert reason(pod(labels={"app": "web"}), *ZONES, there, on=on) == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ({}, FITS),  # the pod's own namespace
        ({"namespaces": ["other"]}, APART),
        ({"namespaces": ["third"]}, FITS),
        ({"namespaceSelector": {}}, APART),  # all of them
        ({"namespaceSelector": {"matchLabels": {"team": "x"}}}, APART),
        ({"namespaceSelector": {"matchLabels": {"team": "y"}}}, FITS),
        ({"namespaceSelector": {"matchLabels": {"team": "y"}}, "namespaces": ["other"]}, APART),
    ],
)
def test_namespaces_of_terms(scope: dict[str, Any], expected: str) -> None:
    snapshot = cluster(
        node("n1", labels={ZONE: "a"}), pod("a", namespace="other", labels={"app": "web"}, on="n1")
    )
    snapshot.set_namespace("other", {"team": "x"})
    wanted = pod(affinity=_company(apart=[{**WEB, **scope}]))
    assert dict(reasons(wanted, snapshot))["n1"] == expected


@pytest.mark.parametrize(
    ("keys", "there", "expected"),
    [
        ({"matchLabelKeys": ["hash"]}, {"app": "web", "hash": "1"}, APART),
        ({"matchLabelKeys": ["hash"]}, {"app": "web", "hash": "2"}, FITS),
        ({"mismatchLabelKeys": ["hash"]}, {"app": "web", "hash": "1"}, FITS),
        ({"mismatchLabelKeys": ["hash"]}, {"app": "web", "hash": "2"}, APART),
        ({"matchLabelKeys": ["unknown"]}, {"app": "web"}, APART),
    ],
)
def test_label_keys(keys: dict[str, Any], there: dict[str, str], expected: str) -> None:
    wanted = pod(labels={"hash": "1"}, affinity=_company(apart=[{**WEB, **keys}]))
    assert reason(wanted, *ZONES, pod("a", labels=there, on="n1")) == expected


def test_a_term_without_selector_means_nobody() -> None:
    there = pod("a", labels={"app": "web"}, on="n1")
    assert reason(pod(affinity=_company(apart=[{"topologyKey": ZONE}])), *ZONES, there) == FITS


UNEVEN = "node(s) didn't match pod topology spread constraints"
NO_LABEL = f"{UNEVEN} (missing required label)"


def _spread(**more: Any) -> Pod:
    rule = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"}
    rule["labelSelector"] = {"matchLabels": {"app": "web"}}
    spec = {k: more.pop(k) for k in ("nodeSelector", "tolerations") if k in more}
    return pod(
        labels={"app": "web", "v": "1"}, topologySpreadConstraints=[{**rule, **more}], **spec
    )


def _web(name: str, on: str, **more: Any) -> Pod:
    return pod(name, labels={"app": "web"}, on=on, **more)


@pytest.mark.parametrize(
    ("there", "more", "expected"),
    [
        ([], {}, {"n1": FITS, "n3": FITS, "n4": NO_LABEL}),
        (["n1"], {}, {"n1": UNEVEN, "n2": UNEVEN, "n3": FITS}),
        (["n1", "n3"], {}, {"n1": FITS, "n3": FITS}),
        (["n1"], {"maxSkew": 2}, {"n1": FITS, "n3": FITS}),
        (["n1", "n2"], {"maxSkew": 2}, {"n1": UNEVEN, "n3": FITS}),
        (["n1", "n3"], {"minDomains": 2}, {"n1": FITS}),
        (["n1", "n3"], {"minDomains": 3}, {"n1": UNEVEN, "n3": UNEVEN}),
        (["n1"], {"whenUnsatisfiable": "ScheduleAnyway"}, {"n1": FITS, "n4": FITS}),
        (["n1"], {"labelSelector": {"matchLabels": {"app": "db"}}}, {"n1": FITS}),
        (["n1"], {"matchLabelKeys": ["v"]}, {"n1": FITS}),  # the pod there has no v=1
    ],
)
def test_spread(there: list[str], more: dict[str, Any], expected: dict[str, str]) -> None:
    pods = [_web(f"p{i}", on) for i, on in enumerate(there)]
    for on, words in expected.items():
        assert reason(_spread(**more), *ZONES, *pods, on=on) == words


def test_spread_counts_neither_pods_that_go_nor_those_of_other_namespaces() -> None:
    others = (_web("a", "n1", terminating=True), _web("b", "n1", namespace="other"))
    assert reason(_spread(), *ZONES, *others) == FITS


@pytest.mark.parametrize(("policy", "expected"), [("Honor", FITS), ("Ignore", UNEVEN)])
def test_spread_over_nodes_that_the_pod_may_be_on(policy: str, expected: str) -> None:
    """A zone that the node selector excludes is no empty domain, unless the policy says so."""
    nodes = (node("n1", labels={ZONE: "a", "disk": "ssd"}), node("n2", labels={ZONE: "b"}))
    wanted = _spread(nodeSelector={"disk": "ssd"}, nodeAffinityPolicy=policy)
    assert reason(wanted, *nodes, _web("a", "n1")) == expected


@pytest.mark.parametrize(("policy", "expected"), [("Honor", FITS), ("Ignore", UNEVEN)])
def test_spread_over_tainted_nodes(policy: str, expected: str) -> None:
    nodes = (node("n1", labels={ZONE: "a"}), node("n2", labels={ZONE: "b"}, taints=[TAINT]))
    assert reason(_spread(nodeTaintsPolicy=policy), *nodes, _web("a", "n1")) == expected


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ([], "no nodes available to schedule pods"),
        ([node("n1", cpu="1")], "0/1 nodes are available: 1 Insufficient cpu."),
        (
            [node("n1", cpu="1"), node("n2", taints=[TAINT]), node("n3", taints=[TAINT])],
            f"0/3 nodes are available: 1 Insufficient cpu, 2 {UNTOLERATED}.",
        ),
        (
            [node("n1", cpu="1", memory="1"), node("n2", cpu="1")],
            "0/2 nodes are available: 1 Insufficient memory, 2 Insufficient cpu.",
        ),
        (  # sorted as text: 10 before 2
            [node(f"n{i}", cpu="1") for i in range(10)]
            + [node(f"m{i}", ready="False") for i in range(2)],
            "0/12 nodes are available: 10 Insufficient cpu, 2 node(s) were not ready.",
        ),
        (  # each node by the first filter that objects
            [node("n1", cpu="1", unschedulable=True, taints=[TAINT])],
            "0/1 nodes are available: 1 node(s) were unschedulable.",
        ),
    ],
)
def test_messages(objects: list[Node], expected: str) -> None:
    result = Chooser(cluster(*objects)).choose(SHAPES.of(pod(cpu="2", memory="1Gi")))
    assert isinstance(result, Unschedulable)
    assert result.message == expected


def _node_affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}


def _listening(port: dict[str, Any], name: str = "web", on: str = "") -> Pod:
    container = {"name": "c", "image": "c", "ports": [{"containerPort": 8080, **port}]}
    return pod(name, on=on, containers=[container])
