"""Whom peers of policies mean, as tables; and for any history, which slices say so, with few writes (S#91)."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api import policies
from control_plane.controllers.networkpolicy.peers import (
    address,
    addresses,
    concerns,
    meant,
    name_server,
)
from control_plane.controllers.networkpolicy.plan import FULL, Plan, plan
from proto.v1.network_pb2 import (
    NetworkPolicy,
    NetworkPolicyPeer,
    PeerAddress,
    PeerSelector,
    PeerSlice,
    Service,
)
from proto.v1.pod_pb2 import Pod
from tests.manifests import created


def pod(ip: str = "10.244.0.5", *, phase: str = "Running", **more: Any) -> Pod:
    spec = {"nodeName": "n1", **more.pop("spec", {})}
    made: Pod = created("Pod", {"metadata": {"name": "p1", **more}, "spec": spec})
    made.metadata.uid, made.status.phase, made.status.podIP = "p1", phase, ip
    return made


def policy(spec: dict[str, Any], namespace: str = "default") -> NetworkPolicy:
    made: NetworkPolicy = created(
        "NetworkPolicy", {"metadata": {"name": "p", "namespace": namespace}, "spec": spec}
    )
    return made


def asked(spec: dict[str, Any]) -> list[PeerSelector]:
    return list(policies.asked(policy({"podSelector": {}, **spec})))


def labelled(**labels: str) -> dict[str, Any]:
    return {"matchLabels": labels}


# What a policy asks


def test_pods_alone_are_those_of_the_policys_namespace() -> None:
    [said] = asked({"ingress": [{"from": [{"podSelector": labelled(app="a")}]}]})
    assert said.namespace == "default"
    assert meant(said).namespace("default", {})
    assert not meant(said).namespace("other", {})


def test_a_selector_of_namespaces_alone_means_all_their_pods() -> None:
    [said] = asked({"ingress": [{"from": [{"namespaceSelector": labelled(team="x")}]}]})
    assert meant(said).namespace("any", {"team": "x"})
    assert not meant(said).namespace("any", {})
    assert meant(said).pod(pod())


def test_both_selectors_in_one_peer_are_and_in_two_are_or() -> None:
    both = {"namespaceSelector": labelled(team="x"), "podSelector": labelled(app="a")}
    [one] = asked({"ingress": [{"from": [both]}]})
    assert (one.namespaceSelector.matchLabels["team"], one.podSelector.matchLabels["app"]) == (
        "x",
        "a",
    )
    two = asked({"ingress": [{"from": [{key: both[key]} for key in both]}]})
    assert [each.namespace for each in two] == ["", "default"]


def test_addresses_are_no_question_nor_are_rules_for_a_direction_that_does_not_count() -> None:
    assert asked({"ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}) == []
    spec = {"policyTypes": ["Ingress"], "egress": [{"to": [{"podSelector": {}}]}]}
    assert asked(spec) == []


def test_a_named_port_to_anywhere_asks_about_everybody() -> None:
    assert asked({"egress": [{"ports": [{"port": "http"}]}]}) == [policies.everybody()]
    assert asked({"egress": [{"ports": [{"port": 80}]}]}) == []
    assert asked({"ingress": [{"ports": [{"port": "http"}]}]}) == []


def test_policies_that_ask_the_same_in_other_words_share_the_answer() -> None:
    def key(*expressions: dict[str, Any], namespace: str = "default") -> str:
        peer = NetworkPolicyPeer()
        for each in expressions:
            peer.podSelector.matchExpressions.add(**each)
        said = policies.selector(peer, namespace)
        assert said is not None
        return policies.key(said)

    a, b = (
        {"key": "a", "operator": "Exists"},
        {"key": "b", "operator": "In", "values": ["1", "2"]},
    )
    turned = {**b, "values": ["2", "1"]}
    assert key(a, b) == key(turned, a)
    assert len({key(a), key(b), key(), key(namespace="other")}) == 4


def test_no_selector_of_namespaces_is_another_question_than_an_empty_one() -> None:
    here, anywhere = asked(
        {"ingress": [{"from": [{"podSelector": {}}, {"namespaceSelector": {}}]}]}
    )
    assert policies.key(here) != policies.key(anywhere) == policies.key(policies.everybody())


# Who is meant


def test_a_pod_is_meant_while_it_has_an_address_and_runs() -> None:
    everybody = meant(policies.everybody())
    assert everybody.pod(pod())
    assert not everybody.pod(pod(ip=""))
    assert not everybody.pod(pod(phase="Succeeded"))
    assert not everybody.pod(pod(phase="Failed"))
    ending = pod()
    ending.metadata.deletionTimestamp.seconds = 1
    assert everybody.pod(ending)


def test_a_pod_on_its_nodes_network_is_meant_by_nobody() -> None:
    assert not meant(policies.everybody()).pod(pod(spec={"hostNetwork": True}))


def test_named_ports_of_containers_that_stay_are_told() -> None:
    def container(title: str, **port: Any) -> dict[str, Any]:
        return {"name": title, "image": "x", "ports": [{"containerPort": 80, **port}]}

    once = container("once", name="no")
    sidecar = {**container("side", name="admin", protocol="UDP"), "restartPolicy": "Always"}
    spec = {
        "containers": [container("a", name="http"), container("b")],
        "initContainers": [once, sidecar],
    }
    made = address(pod(spec=spec))
    assert [(p.name, p.protocol, p.port) for p in made.ports] == [
        ("http", "TCP", 80),
        ("admin", "UDP", 80),
    ]


def test_the_name_server_counts_as_a_pod_with_the_address_of_its_service() -> None:
    service = Service()
    service.spec.clusterIP = "10.96.0.10"
    service.spec.ports.add(name="dns", protocol="UDP", port=53)
    server = name_server(service)
    found = addresses(meant(policies.everybody()), [pod()], server)
    assert sorted(found) == ["10.244.0.5", "10.96.0.10"]
    assert [p.port for p in found["10.96.0.10"].ports] == [53]
    assert name_server(None) is None
    assert name_server(Service()) is None


def test_only_what_shows_in_a_slice_concerns() -> None:
    before = pod(labels={"app": "a"})
    reported = pod(labels={"app": "a"})
    reported.status.conditions.add(type="Ready", status="False")
    assert not concerns(before, reported)
    assert concerns(before, pod(labels={"app": "b"}))
    assert concerns(before, pod(ip="10.244.0.6", labels={"app": "a"}))
    assert concerns(before, pod(phase="Failed", labels={"app": "a"}))


# Which slices say so


WHOM = policies.everybody()


class Kept:
    """The slices, after a history of plans that were carried out."""

    def __init__(self) -> None:
        self.slices: dict[str, PeerSlice] = {}

    def follow(self, wanted: set[int]) -> Plan:
        named = {f"10.0.{n // 256}.{n % 256}" for n in wanted}
        made = plan(
            WHOM,
            {ip: PeerAddress(ip=ip) for ip in named},
            list(self.slices.values()),
            self.slices.__contains__,
        )
        for slice in made.delete:
            del self.slices[slice.metadata.name]
        for slice in made.create:
            assert slice.metadata.name not in self.slices
        for slice in (*made.create, *made.update):
            self.slices[slice.metadata.name] = slice
        said = [each.ip for slice in self.slices.values() for each in slice.addresses]
        assert sorted(said) == sorted(named)
        assert all(0 < len(slice.addresses) <= FULL for slice in self.slices.values())
        return made


def writes(made: Plan) -> int:
    return len(made.create) + len(made.update) + len(made.delete)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sets(st.integers(0, 350), max_size=350), max_size=6))
def test_after_any_history_the_slices_say_who_is_meant_and_nothing_twice(
    history: list[set[int]],
) -> None:
    kept = Kept()
    for wanted in history:
        kept.follow(wanted)
        assert writes(kept.follow(wanted)) == 0


def test_one_pod_more_or_less_is_one_write_however_many_there_are() -> None:
    kept = Kept()
    kept.follow(set(range(1000)))
    assert len(kept.slices) == 10
    assert writes(kept.follow(set(range(1001)))) == 1
    assert writes(kept.follow(set(range(1, 1001)))) == 1
    assert writes(kept.follow(set(range(1, 1002)))) == 1


def test_a_rollout_that_replaces_a_pod_fills_the_gap_with_one_write() -> None:
    kept = Kept()
    kept.follow(set(range(250)))
    made = kept.follow(set(range(250)) - {7} | {900})
    assert (len(made.create), len(made.update), len(made.delete)) == (0, 1, 0)
