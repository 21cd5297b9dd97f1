"""NetworkPolicies in the kernel, with real packets: the documentation's recipes, one by one (S#91).

https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import socket
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from node_agent.network.policy.contents import Subject, contents
from tests.namespaces import command, inside
from tests.policy_world import LOCAL, NAME_SERVER, NODE, SERVICE, PolicyWorld, policy, policy_world

pytestmark = pytest.mark.root
PODS = "abcdef"


@pytest.fixture(scope="module")
def world() -> Iterator[PolicyWorld]:
    with policy_world() as made:
        yield made


def whom(world: PolicyWorld, asking: str) -> str:
    """Whom it reaches."""
    others = [name for name in PODS if name != asking]
    local = [name for name in others if asking in "abcd" or name in "abcd"]
    return "".join(name for name in local if world.reaches(asking, name))


def askers(world: PolicyWorld, asked: str) -> str:
    """Who reaches it; "o": somebody outside, "n": the node."""
    others = [name for name in PODS if name != asked]
    found = "".join(name for name in others if world.reaches(name, asked))
    return found + "".join(name[0] for name in ("outside", "node") if world.reaches(name, asked))


def app(name: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": {"app": name}}}


def team(name: str) -> dict[str, Any]:
    return {"namespaceSelector": {"matchLabels": {"team": name}}}


def test_without_a_policy_everybody_talks_to_everybody(world: PolicyWorld) -> None:
    world.apply()
    assert askers(world, "a") == "bcdefon"
    assert whom(world, "a") == "bcdef"
    assert world.reaches("a", "outside")


def test_deny_all_ingress(world: PolicyWorld) -> None:
    """The node itself still comes in: it asks whether the pod is well."""
    world.apply(policy({"policyTypes": ["Ingress"]}))
    assert askers(world, "a") == askers(world, "b") == "n"
    assert askers(world, "c") == "abdefon"
    assert whom(world, "a") == "cdef"


def test_deny_all_egress(world: PolicyWorld) -> None:
    world.apply(policy({"policyTypes": ["Egress"]}))
    assert whom(world, "a") == ""
    assert not world.reaches("a", "outside")
    assert askers(world, "a") == "cdefon"


def test_deny_all_both_ways_and_answers_still_come(world: PolicyWorld) -> None:
    world.apply(policy({"policyTypes": ["Ingress", "Egress"]}))
    assert (askers(world, "a"), whom(world, "a")) == ("n", "")


def test_allow_all_wins_over_deny_all(world: PolicyWorld) -> None:
    """Policies add up."""
    deny = policy({"policyTypes": ["Ingress", "Egress"]})
    allow = policy({"policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]})
    world.apply(deny, allow)
    assert (askers(world, "a"), whom(world, "b")) == ("bcdefon", "acdef")


def test_an_empty_list_of_rules_allows_nothing_and_an_empty_rule_everything(
    world: PolicyWorld,
) -> None:
    world.apply(policy({"ingress": []}))
    assert askers(world, "a") == "n"
    world.apply(policy({"ingress": [{}]}))
    assert askers(world, "a") == "bcdefon"


def test_rules_for_a_direction_that_the_policy_is_not_about_do_not_count(
    world: PolicyWorld,
) -> None:
    world.apply(policy({"policyTypes": ["Ingress"], "egress": [{"to": [app("b")]}]}))
    assert (whom(world, "a"), askers(world, "a")) == ("cdef", "n")


def test_pods_of_the_own_namespace_by_label(world: PolicyWorld) -> None:
    """c has the label, too, in another namespace."""
    world.apply(policy({**app("b"), "ingress": [{"from": [app("a")]}]}))
    assert askers(world, "b") == "aen"


def test_all_pods_of_a_namespace(world: PolicyWorld) -> None:
    world.apply(policy({**app("a"), "ingress": [{"from": [team("y")]}]}))
    assert askers(world, "a") == "cdfn"


def test_both_selectors_in_one_peer_are_and_in_two_are_or(world: PolicyWorld) -> None:
    world.apply(policy({**app("b"), "ingress": [{"from": [{**app("a"), **team("y")}]}]}))
    assert askers(world, "b") == "cn"
    world.apply(policy({**app("b"), "ingress": [{"from": [app("a"), team("y")]}]}))
    assert askers(world, "b") == "acdefn"


def test_addresses_but_some(world: PolicyWorld) -> None:
    block = {"cidr": "10.99.0.0/16", "except": ["10.99.1.12/31", "10.99.1.11/32"]}
    world.apply(policy({**app("a"), "ingress": [{"from": [{"ipBlock": block}]}]}))
    assert askers(world, "a") == "efn"
    world.apply(
        policy({**app("a"), "ingress": [{"from": [{"ipBlock": {"cidr": "192.0.2.2/32"}}]}]})
    )
    assert askers(world, "a") == "on"


def test_out_to_addresses(world: PolicyWorld) -> None:
    """As they are before the node puts its own address in front."""
    block = {"cidr": "0.0.0.0/0", "except": ["10.0.0.0/8"]}
    world.apply(policy({**app("a"), "egress": [{"to": [{"ipBlock": block}]}], "policyTypes": ["Egress"]}))  # fmt: skip
    assert whom(world, "a") == ""
    assert world.reaches("a", "outside")


def test_ports_by_number_range_protocol_and_name(world: PolicyWorld) -> None:
    def open_ports(*ports: dict[str, Any]) -> list[tuple[str, int]]:
        world.apply(policy({"ingress": [{"ports": list(ports)}]}, "y"))
        every = [("TCP", 80), ("TCP", 81), ("UDP", 80)]
        return [(pod, n) for pod in "cd" for p, n in every if world.reaches("a", pod, p, n)]

    assert open_ports({"port": 80}) == [("c", 80), ("d", 80)]
    assert open_ports({"port": 80, "endPort": 90}) == [("c", 80), ("c", 81), ("d", 80), ("d", 81)]
    assert open_ports({"protocol": "UDP"}) == open_ports({"port": 80, "protocol": "UDP"})
    assert open_ports({"port": "http"}) == [("c", 80), ("d", 81)]
    assert open_ports({"port": "unknown"}) == []


def test_names_of_ports_on_the_way_out_are_those_of_the_peers(world: PolicyWorld) -> None:
    for rule in ({"ports": [{"port": "http"}]}, {"ports": [{"port": "http"}], "to": [team("y")]}):
        world.apply(policy({**app("a"), "policyTypes": ["Egress"], "egress": [rule]}))
        assert [n for n in (80, 81) if world.reaches("a", "c", "TCP", n)] == [80]
        assert [n for n in (80, 81) if world.reaches("a", "d", "TCP", n)] == [81]
        assert world.reaches("a", "b", "TCP", 81) == ("to" not in rule)


def test_a_service_is_as_its_pods_are(world: PolicyWorld) -> None:
    """The policy is about pods, whichever way one comes to them; the refusal comes back on the same way."""
    world.apply(policy({**app("a"), "ingress": [{"from": [app("b")]}]}))
    assert [name for name in "bcd" if world.reaches(name, SERVICE)] == ["b"]
    assert world.reaches("node", SERVICE)
    world.apply(policy({**app("b"), "policyTypes": ["Egress"], "egress": [{"to": [app("a")]}]}))
    assert world.reaches("b", SERVICE)
    block = {"ipBlock": {"cidr": f"{SERVICE}/32"}}
    world.apply(policy({**app("b"), "policyTypes": ["Egress"], "egress": [{"to": [block]}]}))
    assert not world.reaches("b", SERVICE)


def test_a_pod_reaches_itself_through_its_service_whatever_policies_say(world: PolicyWorld) -> None:
    world.apply(policy({"policyTypes": ["Ingress", "Egress"]}))
    assert world.reaches("a", SERVICE)
    assert not world.reaches("b", SERVICE)


def test_the_nodes_name_server_counts_as_a_pod(world: PolicyWorld) -> None:
    """And nothing else of the node does: that is always within reach."""
    system = {"namespaceSelector": {"matchLabels": {"system": "yes"}}}
    names = {**system, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
    world.apply(policy({"policyTypes": ["Egress"]}))
    assert not world.reaches("a", NAME_SERVER, "UDP")
    assert world.reaches("a", NODE, "UDP")
    assert world.reaches("c", NAME_SERVER, "UDP")
    rule = {"to": [names], "ports": [{"port": 80, "protocol": "UDP"}]}
    world.apply(policy({"policyTypes": ["Egress"], "egress": [rule]}))
    assert world.reaches("a", NAME_SERVER, "UDP")
    assert not world.reaches("a", NAME_SERVER, "TCP")
    assert whom(world, "a") == ""
    world.apply(policy({"policyTypes": ["Egress"], "egress": [{"ports": rule["ports"]}]}))
    assert world.reaches("a", NAME_SERVER, "UDP")


def test_what_is_connected_stays_and_what_is_new_obeys(world: PolicyWorld) -> None:
    world.apply()
    here = world.seats["b"]
    with closing(inside(here.netns, lambda: socket.socket())) as sock:
        sock.settimeout(20)
        sock.connect((world.seats["a"].address, 80))
        world.apply(policy({"policyTypes": ["Ingress", "Egress"]}))
        sock.send(b"still?")
        assert sock.recv(100) == b"me"
    assert not world.reaches("b", "a")


def test_ports_of_one_bridge_cannot_talk_past_the_node(world: PolicyWorld) -> None:
    """Neither over IPv6, which nobody filters, nor with a route of its own to the neighbour."""
    world.apply(policy({"policyTypes": ["Ingress"]}))
    a, b = world.seats["a"], world.seats["b"]
    name = b.netns.removeprefix("/run/netns/")
    command("ip", "-n", name, "route", "add", a.address, "dev", "eth0", "scope", "link")
    try:
        with closing(inside(b.netns, lambda: socket.socket())) as sock:
            sock.settimeout(1)
            with pytest.raises(OSError, match=r"timed out|No route"):
                sock.connect((a.address, 80))
    finally:
        command("ip", "-n", name, "route", "delete", a.address)
    ours = command("ip", "-n", name, "-o", "-6", "address", "show", "dev", "eth0", "scope", "link")
    assert "fe80" in ours
    theirs = command(
        *("ip", "-n", a.netns.removeprefix("/run/netns/"), "-o", "-6", "address", "show"),
        *("dev", "eth0", "scope", "link"),
    )
    [address] = [word.split("/")[0] for word in theirs.split() if word.startswith("fe80")]
    server = inside(a.netns, lambda: socket.create_server(("::", 85), family=socket.AF_INET6))
    client = inside(b.netns, lambda: socket.socket(socket.AF_INET6))
    index = inside(b.netns, lambda: socket.if_nametoindex("eth0"))
    with closing(server), closing(client):
        client.settimeout(1)
        with pytest.raises(OSError, match=r"timed out|No route"):
            client.connect((address, 85, 0, index))


def test_a_pod_that_nobody_knows_any_more_talks_to_nobody() -> None:
    table = contents([Subject("10.99.1.10")], [], lambda key: ())
    assert list(table.sets["egress_of"].elements) == ["10.99.1.10"]
    assert list(table.sets["ingress_of"].elements) == ["10.99.1.10"]


def test_a_change_of_a_label_changes_few_elements(world: PolicyWorld) -> None:
    rules = policy({"ingress": [{"from": [app("a"), team("y")]}]})
    world.apply(rules)
    pod = LOCAL[3]
    pod.metadata.labels["app"] = "a"
    try:
        assert world.apply(rules) == ""  # it was meant already, as one of its namespace
        narrow = policy({"ingress": [{"from": [app("a")]}]}, "y")
        world.apply(narrow)
        pod.metadata.labels["app"] = "b"
        commands = world.apply(narrow).splitlines()
        assert len(commands) == 1
        assert commands[0].startswith("delete element")
    finally:
        pod.metadata.labels["app"] = "b"
        world.apply()
