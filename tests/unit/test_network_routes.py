"""Which ways lead to the pods of other nodes."""

from ipaddress import IPv4Interface

import pytest

from api.podranges import PodRange
from node_agent.network.routes import Peer, Route, Tunnel, hardware_address, peers, ways
from node_agent.network.routetable import RouteTable
from node_agent.network.tunnel import network_number
from node_agent.options import Overlay
from proto.v1.cluster_pb2 import Node, NodeAddress

OWN = PodRange("10.244.0.0/24", "10.244.0.0/16")
HERE = [IPv4Interface("192.168.1.11/24"), IPv4Interface("172.17.0.1/16")]
NEAR = Peer("n2", "192.168.1.12", "10.244.1.0/24")
FAR = Peer("n3", "192.168.9.13", "10.244.2.0/24")


def node(name: str, address: str, pods: str, *, age: int = 1) -> Node:
    """`age`: the larger, the younger."""
    made = Node()
    made.metadata.name, made.spec.podCIDR = name, pods
    made.metadata.creationTimestamp.seconds = age
    if address:
        made.status.addresses.append(NodeAddress(type="InternalIP", address=address))
    return made


def names(*nodes: Node) -> list[str]:
    return [peer.node for peer in peers(nodes, "me", OWN)]


def test_other_nodes_are_peers() -> None:
    others = [
        node("n3", "192.168.9.13", "10.244.2.0/24"),
        node("n2", "192.168.1.12", "10.244.1.0/24"),
    ]
    assert peers([*others, node("me", "192.168.1.11", "10.244.0.0/24")], "me", OWN) == [NEAR, FAR]


@pytest.mark.parametrize(
    ("address", "pods"),
    [
        ("", "10.244.1.0/24"),
        ("192.168.1.12", ""),
        ("127.0.0.1", "10.244.1.0/24"),
        ("0.0.0.0", "10.244.1.0/24"),
        ("banana", "10.244.1.0/24"),
        ("fd00::1", "10.244.1.0/24"),
        ("192.168.1.12", "fd00::/64"),
        ("192.168.1.12", "10.64.0.0/24"),  # hollow, or of another cluster
        ("192.168.1.12", "0.0.0.0/0"),  # it would like to see all packets
        ("192.168.1.12", "10.244.0.0/16"),
        ("192.168.1.12", "10.244.0.128/25"),  # ours
    ],
)
def test_a_node_that_says_nothing_usable_is_none(address: str, pods: str) -> None:
    assert names(node("n2", address, pods)) == []


def test_of_two_who_claim_the_same_range_the_older_has_it() -> None:
    young = node("a", "192.168.1.12", "10.244.1.0/24", age=9)
    old = node("b", "192.168.1.13", "10.244.1.0/25", age=2)
    assert names(young, old) == ["b"]
    assert names(old, young) == ["b"]


@pytest.mark.parametrize(
    ("overlay", "routes", "lost"),
    [
        (
            "auto",
            {Route("10.244.1.0/24", "192.168.1.12"), Route("10.244.2.0/24", "10.244.2.0", True)},
            (),
        ),
        (
            "vxlan",
            {
                Route("10.244.1.0/24", "10.244.1.0", True),
                Route("10.244.2.0/24", "10.244.2.0", True),
            },
            (),
        ),
        ("none", {Route("10.244.1.0/24", "192.168.1.12")}, ("n3",)),
    ],
)
def test_plainly_on_the_same_segment_and_else_through_the_tunnel(
    overlay: Overlay, routes: set[Route], lost: tuple[str, ...]
) -> None:
    found = ways([NEAR, FAR], HERE, overlay)
    assert (found.routes, found.out_of_reach) == (routes, lost)
    tunneled = {route.to for route in routes if route.tunnel}
    assert {f"{end.inner}/24" for end in found.tunnels} == tunneled


def test_each_end_of_the_tunnel_is_known_beforehand() -> None:
    assert ways([FAR], HERE, "auto").tunnels == {
        Tunnel(inner="10.244.2.0", mac="02:76:c0:a8:09:0d", outer="192.168.9.13")
    }
    assert hardware_address("192.168.9.13") == "02:76:c0:a8:09:0d"


def test_a_node_on_this_very_machine_needs_no_route() -> None:
    assert ways([Peer("n2", "192.168.1.11", "10.244.1.0/24")], HERE, "vxlan").routes == frozenset()


def test_names_fit_the_kernel_and_tell_nodes_apart() -> None:
    tables = [RouteTable(cluster="c", node=name, address="192.168.1.11") for name in ("n1", "n2")]
    assert len({table.device for table in tables} | {table.metric for table in tables}) == 4
    assert all(len(table.device) <= 15 and table.metric >= 1 << 16 for table in tables)
    assert 1 <= network_number("10.244.0.0/16") < 1 << 24
