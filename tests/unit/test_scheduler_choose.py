"""The fast way to choose a node must agree with the slow one, whatever happens in between."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from control_plane.scheduler.choose import Chooser
from control_plane.scheduler.explain import explain
from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.shape import Shapes
from control_plane.scheduler.snapshot import NodeInfo, Snapshot
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod
from tests.scheduler_objects import SHAPES, cluster, message, node, pod
from tests.unit import scheduler_reference as reference

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
APPS, NAMESPACES = ("web", "db"), {"default": {"team": "a"}, "other": {"team": "b"}}

labels = st.fixed_dictionaries({"app": st.sampled_from(APPS)}, optional={"v": st.just("1")})
selector = st.sampled_from(
    [
        {"matchLabels": {"app": "web"}},
        {"matchLabels": {"app": "db"}},
        {"matchExpressions": [{"key": "v", "operator": "DoesNotExist"}]},
        {},
    ]
)
key = st.sampled_from([HOST, ZONE, "rack"])
scope: Any = st.sampled_from(
    [{}, {"namespaces": ["other"]}, {"namespaceSelector": {"matchLabels": {"team": "b"}}}]
)
extra: Any = st.sampled_from([{}, {"matchLabelKeys": ["v"]}, {"mismatchLabelKeys": ["v"]}])
# Strategies are made here, once: to make and check one costs more than to draw from it.
term = st.builds(
    lambda e, ls, k, sc: {"labelSelector": ls, "topologyKey": k, **sc, **e},
    extra,
    selector,
    key,
    scope,
)
weighted = st.builds(lambda w, t: {"weight": w, "podAffinityTerm": t}, st.integers(1, 9), term)
expression = st.sampled_from(
    [
        {"key": "disk", "operator": "In", "values": ["ssd"]},
        {"key": "disk", "operator": "NotIn", "values": ["ssd"]},
        {"key": "cores", "operator": "Gt", "values": ["4"]},
        {"key": ZONE, "operator": "Exists"},
    ]
)
by_label = st.builds(
    lambda e: {"matchExpressions": e}, st.lists(expression, min_size=1, max_size=2)
)
field = st.builds(
    lambda o, n: {"key": "metadata.name", "operator": o, "values": [n]},
    st.sampled_from(["In", "In", "NotIn"]),
    st.sampled_from(["n0", "n1", "n9"]),
)
by_name = st.builds(
    lambda f, e: {"matchFields": f, "matchExpressions": e},
    st.lists(field, min_size=1, max_size=2),
    st.lists(expression, max_size=1),
)
node_term = st.one_of(by_label, by_label, by_name)
wish = st.builds(lambda w, t: {"weight": w, "preference": t}, st.integers(1, 9), node_term)
few_terms, few_weighted = st.lists(term, max_size=1), st.lists(weighted, max_size=2)
few_wishes, some_node_terms = (
    st.lists(wish, max_size=2),
    st.lists(node_term, min_size=1, max_size=2),
)


@st.composite
def affinity(draw: Any) -> dict[str, Any]:
    required, preferred = (
        f"{w}DuringSchedulingIgnoredDuringExecution" for w in ("required", "preferred")
    )
    found: dict[str, Any] = {}
    for name in ("podAffinity", "podAntiAffinity"):
        if draw(st.booleans()):
            found[name] = {
                required: draw(few_terms),
                preferred: draw(few_weighted),
            }
    if draw(st.booleans()):
        found["nodeAffinity"] = {preferred: draw(few_wishes)}
        if draw(st.booleans()):
            found["nodeAffinity"][required] = {"nodeSelectorTerms": draw(some_node_terms)}
    return found


spread = st.fixed_dictionaries(
    {
        "maxSkew": st.integers(1, 2),
        "topologyKey": key,
        "whenUnsatisfiable": st.sampled_from(["DoNotSchedule", "ScheduleAnyway"]),
        "labelSelector": selector,
    },
    optional={
        "minDomains": st.integers(1, 4),
        "nodeAffinityPolicy": st.just("Ignore"),
        "nodeTaintsPolicy": st.just("Honor"),
        "matchLabelKeys": st.just(["v"]),
    },
)
toleration = st.sampled_from(
    [
        {"operator": "Exists"},
        {"key": "gpu", "value": "yes"},
        {"effect": "PreferNoSchedule", "operator": "Exists"},
    ]
)
ports = st.sampled_from(
    [
        [],
        [],
        [{"containerPort": 80, "hostPort": 80}],
        [{"containerPort": 80, "hostPort": 80, "hostIP": "10.0.0.1"}],
    ]
)


container = st.fixed_dictionaries(
    {
        "name": st.just("c"),
        "image": st.sampled_from(["web", "db:1"]),
        "ports": ports,
        "resources": st.fixed_dictionaries(
            {
                "requests": st.fixed_dictionaries(
                    {},
                    optional={
                        "cpu": st.sampled_from(["100m", "1500m"]),
                        "memory": st.sampled_from(["64Mi", "3Gi"]),
                        "example.com/gpu": st.just("1"),
                    },
                )
            }
        ),
    }
)
simple: Any = st.fixed_dictionaries(
    {
        "labels": labels,
        "namespace": st.sampled_from(list(NAMESPACES)),
        "owner": st.sampled_from(["", "rs1", "rs2"]),
        "terminating": st.sampled_from([False, False, False, True]),
        "containers": st.lists(container, min_size=1, max_size=1),
        "tolerations": st.lists(toleration, max_size=1),
    }
)
few_spreads, a_few_affinities = st.lists(spread, max_size=2), affinity()


@st.composite
def pods(draw: Any) -> Pod:
    fields = draw(simple)
    if draw(st.booleans()):
        return pod(**fields)
    spreads = draw(few_spreads)
    return pod(**fields, affinity=draw(a_few_affinities), topologySpreadConstraints=spreads)


taint = st.sampled_from(
    [
        {"key": "gpu", "value": "yes", "effect": "NoSchedule"},
        {"key": "slow", "effect": "PreferNoSchedule"},
        {"key": "old", "effect": "PreferNoSchedule"},
    ]
)
image = st.sampled_from(
    [{"names": ["web"], "sizeBytes": "900000000"}, {"names": ["db:1"], "sizeBytes": "90000000"}]
)
of_nodes: Any = st.fixed_dictionaries(
    {
        "cpu": st.sampled_from(["2", "4"]),
        "memory": st.sampled_from(["4Gi", "8Gi"]),
        "pods": st.sampled_from(["3", "110"]),
        "labels": st.fixed_dictionaries(
            {},
            optional={
                ZONE: st.sampled_from(["a", "b"]),
                "rack": st.sampled_from(["1", "2", "3"]),
                "disk": st.sampled_from(["ssd", "hdd"]),
                "cores": st.sampled_from(["2", "8", "many"]),
            },
        ),
        "taints": st.lists(taint, max_size=2, unique_by=lambda t: t["key"]),
        "unschedulable": st.sampled_from([False] * 5 + [True]),
        "ready": st.sampled_from(["True"] * 5 + ["False", None]),
        "images": st.lists(image, max_size=1),
    },
    optional={"example.com/gpu": st.just("2")},
)
seldom = st.sampled_from([False] * 5 + [True])


@st.composite
def nodes(draw: Any, number: int) -> Node:
    found = node(f"n{number}", **draw(of_nodes))
    if draw(seldom):
        found.metadata.labels[HOST] = "n0"  # two nodes that call themselves the same
    return found


MANY = 6
ANY_POD, ANY_NODE = pods(), [nodes(number) for number in range(MANY)]
SHAPES_OF_PODS = st.lists(ANY_POD, min_size=1, max_size=3)
ACTIONS = st.sampled_from(["schedule"] * 6 + ["remove", "node", "place", "leave"])


class Pair:
    """The same cluster twice: as the scheduler keeps it, and as plain objects."""

    def __init__(self) -> None:
        self.snapshot, self.shapes = Snapshot(), Shapes()
        self.chooser = Chooser(self.snapshot)
        self.nodes: dict[str, Node] = {}
        self.pods: dict[str, Pod] = {}
        self.count = 0
        for name, its_labels in NAMESPACES.items():
            self.snapshot.set_namespace(name, its_labels)

    def world(self) -> reference.World:
        order = [self.nodes[info.name] for info in self.snapshot.nodes]
        return reference.World(order, list(self.pods.values()), NAMESPACES)

    def set_node(self, new: Node) -> None:
        self.nodes[new.metadata.name] = new
        self.snapshot.set_node(new)

    def remove_node(self, name: str) -> None:
        if self.nodes.pop(name, None):
            self.snapshot.remove_node(name)

    def place(self, new: Pod, name: str) -> None:
        self.count += 1
        placed = Pod()
        placed.CopyFrom(new)
        placed.spec.nodeName = name
        self.pods[f"p{self.count}"] = placed
        self.snapshot.place(f"p{self.count}", str(self.count), self.shapes.of(new), name)

    def remove(self, position: int) -> None:
        if self.pods:
            gone = list(self.pods)[position % len(self.pods)]
            del self.pods[gone]
            self.snapshot.remove(gone)

    def schedule(self, new: Pod) -> None:
        shape = self.shapes.of(new)
        result = self.chooser.choose(shape)
        refused, scores = reference.judge(new, self.world())
        said = {v.node: v for v in explain(shape, self.snapshot)}
        against = {n: sorted(r.words for r in v.refusals) for n, v in said.items() if v.refusals}
        assert against == {n: sorted(reasons) for n, reasons in refused.items()}
        assert {n: v.score for n, v in said.items() if not v.refusals} == scores
        if isinstance(result, NodeInfo):
            assert scores[result.name] == max(scores.values())
            self.place(new, result.name)
        else:
            self.check_refusal(result, refused, scores)

    @staticmethod
    def check_refusal(
        result: Unschedulable, refused: dict[str, list[str]], scores: dict[str, int]
    ) -> None:
        assert not scores
        told: dict[str, int] = {}
        for reasons in refused.values():
            for words in reasons:
                told[words] = told.get(words, 0) + 1
        found: dict[str, int] = {}
        for refusal, number in result.tally.items():
            found[refusal.words] = found.get(refusal.words, 0) + number
        assert found == told


@settings(
    max_examples=250,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_fast_and_slow_agree(data: st.DataObject) -> None:
    """After any sequence of placements, deletions and changes of nodes: an equally good node, or the same refusals."""
    pair = Pair()
    for number in range(data.draw(st.integers(1, MANY - 1))):
        pair.set_node(data.draw(ANY_NODE[number]))
    kinds = data.draw(SHAPES_OF_PODS)
    for _ in range(data.draw(st.integers(8, 25))):  # to draw nodes costs more than to use them
        action = data.draw(ACTIONS)
        if action == "schedule":
            replica = Pod()
            replica.CopyFrom(data.draw(st.sampled_from(kinds)))
            if data.draw(
                st.booleans()
            ):  # like a StatefulSet's: a label of its own that nobody looks at
                replica.metadata.labels["name"] = f"web-{pair.count}"
            pair.schedule(replica)
        elif action == "remove":
            pair.remove(data.draw(st.integers(0, 50)))
        elif action == "node":
            pair.set_node(data.draw(ANY_NODE[data.draw(st.integers(0, MANY - 1))]))
        elif action == "leave":
            pair.remove_node(f"n{data.draw(st.integers(0, MANY - 1))}")
        else:  # somebody else puts a pod somewhere, perhaps on a node that we do not know
            pair.place(data.draw(ANY_POD), f"n{data.draw(st.integers(0, MANY))}")


def test_the_same_cluster_always_gives_the_same_answer() -> None:
    """Of equally good nodes the one with fewer pods is taken, then the one known longer."""
    pair = Pair()
    for number in range(3):
        pair.set_node(node(f"n{number}", cpu="400", memory="800Gi"))
    for _ in range(6):
        pair.schedule(pod(cpu="1m"))
    assert [p.spec.nodeName for p in pair.pods.values()] == ["n0", "n1", "n2"] * 2


def _only_on(name: str, **fields: Any) -> Pod:
    by_name = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}
    return pod(affinity={"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [by_name]}}}, **fields)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (_only_on("n1"), "n1"),
        (
            _only_on("n1", cpu="9"),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
            "The pod can only be on node n1.",
        ),
        (
            _only_on("n9"),
            "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]. "
            "The pod can only be on node n9.",
        ),
        (
            _only_on("n2"),
            "0/3 nodes are available: 1 node(s) were unschedulable, "
            "2 node(s) didn't satisfy plugin(s) [NodeAffinity]. The pod can only be on node n2.",
        ),
        (
            _only_on("n0", labels={"app": "web"}),
            "0/3 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, "
            "2 node(s) didn't satisfy plugin(s) [NodeAffinity]. The pod can only be on node n0.",
        ),
    ],
)
def test_a_pod_for_one_node_is_told_about_that_node(wanted: Pod, told: str) -> None:
    there = [node("n0"), node("n1", cpu="4"), node("n2", unschedulable=True)]
    snapshot = cluster(*there)
    apart = _apart_from("web")
    snapshot.place("default/a", "a", SHAPES.of(apart), "n0")
    assert message(Chooser(snapshot).choose(SHAPES.of(wanted))) == told


def test_pods_for_one_node_each_leave_the_rankings_of_others_alone() -> None:
    """A DaemonSet on a thousand nodes has a thousand shapes of pods, and none of them needs to look at all nodes."""
    snapshot = cluster(*[node(f"n{number}") for number in range(100)])
    chooser = Chooser(snapshot)
    chooser.choose(SHAPES.of(pod(cpu="1")))
    [ranking] = chooser._rankings.values()
    for number in range(100):
        chooser.choose(SHAPES.of(_only_on(f"n{number}")))
    assert list(chooser._rankings.values()) == [ranking]


def _apart_from(app: str) -> Pod:
    term = {"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": HOST}
    return pod(affinity={"podAntiAffinity": {REQUIRED: [term]}})


def test_labels_that_a_term_looks_at_tell_pods_apart() -> None:
    """Two pods alike but for a label: a pod that is there refuses one of them only."""
    pair = Pair()
    pair.set_node(node("n1"))
    pair.place(_apart_from("web"), "n1")
    for app in ("db", "web", "db"):
        pair.schedule(pod(labels={"app": app}))
    assert [p.metadata.labels["app"] for p in pair.pods.values()][1:] == ["db", "db"]


def test_a_ranking_without_company_notices_the_first_pod_with_terms() -> None:
    pair = Pair()
    for cpu in ("4", "5"):  # the second time the label is known: nothing else gives the pod away
        pair.set_node(node("n1", cpu=cpu))  # rankings are made anew, and there is no company yet
        pair.schedule(pod(labels={"app": "web"}))
        pair.remove(0)
        pair.place(_apart_from("web"), "n1")
        pair.schedule(pod(labels={"app": "web"}))  # is refused
        pair.remove(0)
    assert not pair.pods


def test_a_new_topology_key_is_noticed() -> None:
    """The ranking knows company by host names; then a pod comes that keeps others out of its zone."""
    pair = Pair()
    for number in range(2):
        pair.set_node(node(f"n{number}", labels={ZONE: "a"}))
    pair.place(_apart_from("web"), "n0")
    pair.schedule(pod(labels={"app": "web"}))
    pair.remove(1)
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": ZONE}
    pair.place(pod(affinity={"podAntiAffinity": {REQUIRED: [term]}}), "n0")
    pair.schedule(pod(labels={"app": "web"}))  # is refused
    assert len(pair.pods) == 2
