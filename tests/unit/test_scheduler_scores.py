"""Each score's rules as a table: what the nodes get, of 100, times the score's weight."""

from typing import Any

import pytest

from control_plane.scheduler.explain import explain
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod
from tests.scheduler_objects import SHAPES, cluster, node, pod

HOST, ZONE = "kubernetes.io/hostname", "topology.kubernetes.io/zone"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def scores(name: str, wanted: Pod, *objects: Node | Pod) -> dict[str, int]:
    verdicts = explain(SHAPES.of(wanted), cluster(*objects))
    return {v.node: v.scores[name] for v in sorted(verdicts, key=lambda v: v.node) if v.scores}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (pod(cpu="1", memory="2Gi"), 75),  # a quarter of both
        (pod(cpu="4", memory="8Gi"), 0),
        (pod(cpu="1", memory="8Gi"), 37),  # (75 + 0) / 2
        (pod(), 97),  # taken for 100m and 200Mi: 97 and 97
    ],
)
def test_least_allocated(wanted: Pod, expected: int) -> None:
    assert scores("NodeResourcesFit", wanted, node("n1")) == {"n1": expected}


def test_least_allocated_counts_what_is_there() -> None:
    there = (node("n1"), node("n2"), pod("a", cpu="2", memory="4Gi", on="n1"), pod("b", on="n2"))
    found = scores("NodeResourcesFit", pod(cpu="1", memory="2Gi"), *there)
    assert found == {"n1": 25, "n2": 72}


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (pod(cpu="2", memory="4Gi"), 100),
        (pod(cpu="4"), 50),  # all of one, nothing of the other
        (pod(cpu="2"), 75),
        (pod(cpu="1", memory="6Gi"), 75),
        (pod(cpu="1001m", memory="2Gi"), 99),  # rounded down
        (pod(), 0),  # it changes no balance
    ],
)
def test_balanced_allocation(wanted: Pod, expected: int) -> None:
    found = scores("NodeResourcesBalancedAllocation", wanted, node("n1"))
    assert found == {"n1": expected}


def test_fewer_unwanted_taints() -> None:
    def taints(*keys: str) -> list[dict[str, str]]:
        return [{"key": key, "effect": "PreferNoSchedule"} for key in keys]

    nodes = (node("n0"), node("n1", taints=taints("a")), node("n2", taints=taints("a", "b")))
    assert scores("TaintToleration", pod(), *nodes) == {"n0": 300, "n1": 150, "n2": 0}
    tolerant = pod(tolerations=[{"key": "b", "operator": "Exists"}])
    assert scores("TaintToleration", tolerant, *nodes) == {"n0": 300, "n1": 0, "n2": 0}


def test_preferred_node_affinity() -> None:
    def wish(weight: int, value: str) -> dict[str, Any]:
        expression = {"key": "disk", "operator": "In", "values": [value]}
        return {"weight": weight, "preference": {"matchExpressions": [expression]}}

    nodes = (node("n0"), node("n1", labels={"disk": "ssd"}), node("n2", labels={"disk": "hdd"}))
    wishes = [wish(80, "ssd"), wish(20, "hdd"), {"weight": 50, "preference": {}}]
    wanted = pod(affinity={"nodeAffinity": {PREFERRED: wishes}})
    assert scores("NodeAffinity", wanted, *nodes) == {"n0": 0, "n1": 200, "n2": 50}
    assert scores("NodeAffinity", wanted, node("n0")) == {"n0": 0}


def _images(*sizes: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"names": [name], "sizeBytes": str(size * 2**20)} for name, size in sizes]


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ((), 0),
        ((("main:1", 10),), 0),  # not worth mentioning
        ((("main:1", 2000),), 100),
        ((("main:1", 2 * 511 + 1),), 50),  # (511.5 - 23) / 977: it is on half of the nodes
        ((("main:2", 2000),), 0),  # another tag
    ],
)
def test_image_locality(images: Any, expected: int) -> None:
    found = scores("ImageLocality", pod(), node("n1", images=_images(*images)), node("n2"))
    assert found == {"n1": expected, "n2": 0}


def test_images_without_a_tag_are_latest() -> None:
    wanted = pod(containers=[{"name": "c", "image": "registry:5000/app"}])
    image = _images(("registry:5000/app:latest", 1000))
    assert scores("ImageLocality", wanted, node("n1", images=image)) == {"n1": 100}


NODES = (
    node("n1", labels={ZONE: "a"}),
    node("n2", labels={ZONE: "a"}),
    node("n3", labels={ZONE: "b"}),
)


def _likes(affinity: str, weight: int, key: str = ZONE) -> dict[str, Any]:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": key}
    return {affinity: {PREFERRED: [{"weight": weight, "podAffinityTerm": term}]}}


def test_preferred_company() -> None:
    there = pod("a", labels={"app": "web"}, on="n1")
    near, apart = pod(affinity=_likes("podAffinity", 5)), pod(affinity=_likes("podAntiAffinity", 5))
    assert scores("InterPodAffinity", near, *NODES, there) == {"n1": 200, "n2": 200, "n3": 0}
    assert scores("InterPodAffinity", apart, *NODES, there) == {"n1": 0, "n2": 0, "n3": 200}
    assert scores("InterPodAffinity", near, *NODES) == {"n1": 0, "n2": 0, "n3": 0}


def test_preferences_of_the_pods_that_are_there() -> None:
    web = pod(labels={"app": "web"})
    likes = pod("a", affinity=_likes("podAffinity", 10), on="n3")
    dislikes = pod("b", affinity=_likes("podAntiAffinity", 10, HOST), on="n1")
    found = scores("InterPodAffinity", web, *NODES, likes, dislikes)
    assert found == {"n1": 0, "n2": 100, "n3": 200}


def test_who_must_be_near_attracts() -> None:
    term = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": ZONE}
    required = {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    there = pod("a", labels={"app": "web"}, affinity=required, on="n3")
    found = scores("InterPodAffinity", pod(labels={"app": "web"}), *NODES, there)
    assert found == {"n1": 0, "n2": 0, "n3": 200}


def test_siblings_are_spread_over_hosts_and_zones() -> None:
    """A controller's pods, without having asked for it."""
    there = (pod("a", owner="rs", on="n1"), pod("b", owner="other", on="n3"))
    found = scores("PodTopologySpread", pod(owner="rs"), *NODES, *there)
    # ln(3 + 2) for a host, ln(2 + 2) for a zone; 2 and 4 for maxSkew 3 and 5: 9, 7 and 6
    assert found == {"n1": 2 * (100 * 6 // 9), "n2": 2 * (100 * 8 // 9), "n3": 200}
    lonely = scores("PodTopologySpread", pod(), *NODES, *there)
    assert lonely == {"n1": 0, "n2": 0, "n3": 0}


def test_a_wish_to_be_spread() -> None:
    """Nodes without the label get nothing."""
    wish = {"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "ScheduleAnyway"}
    wish["labelSelector"] = {"matchLabels": {"app": "web"}}
    wanted = pod(labels={"app": "web"}, topologySpreadConstraints=[wish])
    there = [pod(f"p{i}", labels={"app": "web"}, on="n1") for i in range(2)]
    found = scores("PodTopologySpread", wanted, *NODES, node("n4"), *there)
    assert found == {"n1": 0, "n2": 0, "n3": 200, "n4": 0}
