"""The node's rules as text, and the two in Docker's chain."""

import shutil
import subprocess

import pytest

from node_agent.network.forwarding import present, wanted
from node_agent.network.pod_network import PodNetwork
from node_agent.network.rules import HostPort, Wiring, rules

WIRING = Wiring("helmling-1a2b3c4d", "hl-1a2b3c4d", "10.244.3.0/24", "10.244.0.0/16")


@pytest.mark.parametrize(
    ("port", "rule"),
    [
        (HostPort("tcp", 8080, "10.244.3.7", 80), "tcp dport 8080 dnat to 10.244.3.7:80"),
        (HostPort("udp", 53, "10.244.3.7", 53), "udp dport 53 dnat to 10.244.3.7:53"),
        (
            HostPort("tcp", 443, "10.244.3.7", 8443, "192.0.2.1"),
            "ip daddr 192.0.2.1 tcp dport 443 dnat to 10.244.3.7:8443",
        ),
        (
            HostPort("tcp", 443, "10.244.3.7", 8443, "0.0.0.0"),
            "    tcp dport 443 dnat to 10.244.3.7:8443",
        ),
    ],
)
def test_a_host_port_leads_to_its_pod(port: HostPort, rule: str) -> None:
    script = rules(WIRING, [port])
    assert rule in script
    assert "ip saddr 10.244.3.7 ip daddr 10.244.3.7 masquerade" in script


def test_pods_go_out_under_the_nodes_address_but_not_to_other_pods() -> None:
    line = 'oifname != "hl-1a2b3c4d" ip saddr 10.244.3.0/24 ip daddr != 10.244.0.0/16 masquerade'
    assert line in rules(WIRING)


def test_the_same_ports_make_the_same_text_whatever_their_order() -> None:
    ports = [HostPort("tcp", n, f"10.244.3.{n}", 80) for n in (5, 3, 4)]
    assert rules(WIRING, ports) == rules(WIRING, [*reversed(ports), ports[0]])


def test_the_script_replaces_our_table_and_names_no_other() -> None:
    lines = rules(WIRING).splitlines()
    assert lines[:2] == ["table ip helmling-1a2b3c4d {}", "delete table ip helmling-1a2b3c4d"]
    assert "flush" not in rules(WIRING)
    assert {line.split()[2] for line in lines if line.startswith("table")} == {WIRING.table}


@pytest.mark.root
def test_nft_accepts_the_script() -> None:
    ports = [HostPort(p, 80, "10.244.3.7", 80, "192.0.2.1") for p in ("tcp", "udp", "sctp")]
    nft = shutil.which("nft")
    assert nft, "nft is not installed"
    subprocess.run([nft, "--check", "-f", "-"], input=rules(WIRING, ports), text=True, check=True)


DOCKER = "-P FORWARD DROP\n-N DOCKER-USER\n-A DOCKER-USER -j RETURN\n"


@pytest.mark.parametrize(
    ("listing", "chain"),
    [
        (DOCKER, "DOCKER-USER"),
        ("-P FORWARD ACCEPT\n-N DOCKER-USER\n", "DOCKER-USER"),
        ("-P INPUT ACCEPT\n-P FORWARD DROP\n", "FORWARD"),
        ("-P FORWARD ACCEPT\n", None),
        ("", None),
    ],
)
def test_where_our_traffic_must_be_let_through(listing: str, chain: str | None) -> None:
    rest = ("-m", "comment", "--comment", "helmling-x", "-j", "ACCEPT")
    expected = [(chain, "-i", "hl-x", *rest), (chain, "-o", "hl-x", *rest)] if chain else []
    assert wanted(listing, "hl-x", "helmling-x") == expected


def test_rules_that_are_there_are_recognised_and_others_left_alone() -> None:
    listing = (
        DOCKER
        + "-A DOCKER-USER -i hl-x -m comment --comment helmling-x -j ACCEPT\n"
        + '-A FORWARD -o hl-x -m comment --comment "helmling-x" -j ACCEPT\n'
        + "-A FORWARD -i hl-xy -m comment --comment helmling-xy -j ACCEPT\n"
    )
    assert present(listing, "helmling-x") == [
        ("DOCKER-USER", "-i", "hl-x", "-m", "comment", "--comment", "helmling-x", "-j", "ACCEPT"),
        ("FORWARD", "-o", "hl-x", "-m", "comment", "--comment", "helmling-x", "-j", "ACCEPT"),
    ]


def test_names_fit_the_kernel_and_tell_nodes_apart() -> None:
    def network(node: str) -> PodNetwork:
        return PodNetwork(
            cluster="c", node=node, pod_cidr="10.1.0.0/24", cluster_cidr="10.1.0.0/16"
        )

    one, other = network("n1"), network("n2")
    uid = "0b5f9a3e-9d4c-4f0e-8b1a-2f6c7d8e9f00"
    names = {one.bridge, other.bridge, one.link(uid), other.link(uid), one.link("other")}
    assert len(names) == 5
    assert all(len(name) <= 15 for name in names)
    assert one.link(uid) == network("n1").link(uid)
