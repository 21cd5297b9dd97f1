"""The pod network with real namespaces, real sandboxes, real packets.

Each scenario plays in a network namespace of its own that stands for the node (so nothing else on
the machine can disturb it, nor be disturbed), with a second one outside of it, reached by a cable:

    pods ── hl-… [node] 192.0.2.1 ──────── 192.0.2.2 [outside]

The last tests play in the machine's own namespace, beside the real Docker rules.
"""

import asyncio
import re
import socket
import subprocess
import uuid
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from node_agent.network.commands import NetworkFailure
from node_agent.network.ipam import AddressPool
from node_agent.network.pod_network import PodNetwork
from node_agent.network.rules import HostPort
from node_agent.runtime.docker import DockerRuntime
from node_agent.runtime.interface import SandboxSpec
from tests.local_images import have_local_images
from tests.namespaces import command, inside

pytestmark = [pytest.mark.root, pytest.mark.docker]
DEADLINE = 60.0  # seconds; generous, nothing here is a measurement
OWN = "/proc/self/ns/net"


def state() -> str:
    """All that a pod network might leave behind in this namespace."""
    # Names and addresses: whether a bridge is up follows its last link with a delay.
    links = re.sub(r"(?m)^(\S+) +\S+ +(\S+).*$", r"\1 \2", command("ip", "-brief", "link", "show"))
    ruleset = re.sub(r"packets \d+ bytes \d+", "", command("nft", "list", "ruleset"))
    return links + ruleset + command("iptables", "-w", "-S")


def seen_from(server_netns: str, client_netns: str, address: str, port: int, to: int = 0) -> str:
    """Serve at `to` (or `port`) in one namespace, connect from another: which address is seen?"""
    server = inside(server_netns, lambda: socket.create_server(("0.0.0.0", to or port)))
    with server:
        server.settimeout(DEADLINE)
        client = inside(client_netns, lambda: socket.create_connection((address, port), DEADLINE))
        with client:
            connection, peer = server.accept()
            with connection:
                connection.sendall(b"hello")
                assert client.recv(5) == b"hello"
            return str(peer[0])


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    have_local_images()


@dataclass(frozen=True)
class Lab:
    """A node's namespace and one outside, by path."""

    node: str
    outside: str


@pytest.fixture
def lab() -> Iterator[Lab]:
    tag = uuid.uuid4().hex[:6]
    node, outside = f"hltest-{tag}-node", f"hltest-{tag}-out"
    try:
        for name in (node, outside):
            command("ip", "netns", "add", name)
            command("ip", "-n", name, "link", "set", "lo", "up")
        cable = ("link", "add", "up0", "type", "veth", "peer", "name", "down0", "netns", outside)
        command("ip", "-n", node, *cable)
        for name, link, address in ((node, "up0", "192.0.2.1"), (outside, "down0", "192.0.2.2")):
            command("ip", "-n", name, "address", "add", f"{address}/24", "dev", link)
            command("ip", "-n", name, "link", "set", link, "up")
        yield Lab(f"/run/netns/{node}", f"/run/netns/{outside}")
    finally:
        for name in (node, outside):
            subprocess.run(["ip", "netns", "delete", name], check=False, capture_output=True)


class Node:
    """What the agent of one node has: a runtime, a network, a pool of addresses."""

    def __init__(self, cluster: str, state: Path, *, node: str = "n1", cidr: str = "10.99.1.0/24"):
        self.cluster, self.state, self.name = cluster, state, node
        self.runtime = DockerRuntime(cluster=cluster, node=node, state=state)
        self.network = PodNetwork(
            cluster=cluster, node=node, pod_cidr=cidr, cluster_cidr="10.99.0.0/16"
        )
        self.pool = AddressPool(cidr)

    async def pod(self, uid: str) -> tuple[str, str]:
        """Start a sandbox and wire it: its address and the path of its namespace."""
        address = self.pool.allocate(uid)
        sandbox = await self.runtime.create_sandbox(
            SandboxSpec(uid, f"pod-{uid}", "default", ip=address)
        )
        netns = await self.runtime.netns_path(sandbox.id)
        await self.network.attach(netns, uid, address)
        return address, netns

    async def clean(self) -> None:
        for pod in await self.runtime.list():
            for sandbox in pod.sandboxes:
                await self.runtime.remove_sandbox(sandbox.id)
        await self.network.down()
        await self.runtime.close()


Scenario = Callable[[Node], Coroutine[Any, Any, None]]


def play(node: Node, scenario: Scenario) -> None:
    """Play a scenario in the present thread's namespace: all it made must be gone afterwards."""
    before = state()

    async def scene() -> None:
        try:
            async with asyncio.timeout(DEADLINE * 2):
                await node.network.ensure()
                await scenario(node)
        finally:
            await node.clean()

    asyncio.run(scene())
    assert state() == before


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> Callable[[Scenario], None]:
    node = Node(f"test-{uuid.uuid4().hex[:8]}", tmp_path)
    return lambda scenario: inside(lab.node, lambda: play(node, scenario))


def test_pods_reach_each_other_under_their_own_addresses(run: Callable[[Scenario], None]) -> None:
    async def scenario(node: Node) -> None:
        (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
        assert (a, b) == ("10.99.1.2", "10.99.1.3")
        assert seen_from(in_a, in_b, a, 80) == b
        assert seen_from(in_b, in_a, b, 80) == a
        assert seen_from(in_a, in_a, "127.0.0.1", 80) == "127.0.0.1"

    run(scenario)


def test_node_and_pods_reach_each_other(run: Callable[[Scenario], None], lab: Lab) -> None:
    async def scenario(node: Node) -> None:
        a, in_a = await node.pod("a")
        assert seen_from(in_a, lab.node, a, 80) == node.network.gateway
        assert seen_from(lab.node, in_a, "192.0.2.1", 8080) == a

    run(scenario)


def test_pods_go_out_under_the_nodes_address(run: Callable[[Scenario], None], lab: Lab) -> None:
    async def scenario(node: Node) -> None:
        _, in_a = await node.pod("a")
        assert seen_from(lab.outside, in_a, "192.0.2.2", 80) == "192.0.2.1"

    run(scenario)


@pytest.mark.parametrize("docker_user", [False, True])
def test_a_forward_policy_of_drop_does_not_cut_pods_off(
    run: Callable[[Scenario], None], lab: Lab, docker_user: bool
) -> None:
    def as_docker_does() -> None:
        command("iptables", "-w", "-P", "FORWARD", "DROP")
        if docker_user:
            command("iptables", "-w", "-N", "DOCKER-USER")
            command("iptables", "-w", "-A", "FORWARD", "-j", "DOCKER-USER")

    inside(lab.node, as_docker_does)

    async def scenario(node: Node) -> None:
        (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
        assert seen_from(in_a, in_b, a, 80) == b
        assert seen_from(lab.outside, in_a, "192.0.2.2", 80) == "192.0.2.1"

    run(scenario)


def test_a_host_port_leads_to_its_pod_from_everywhere(
    run: Callable[[Scenario], None], lab: Lab
) -> None:
    async def scenario(node: Node) -> None:
        (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
        await node.network.set_host_ports([HostPort("tcp", 8080, a, 80)])
        for client, address, seen in (
            (lab.outside, "192.0.2.1", "192.0.2.2"),
            (lab.node, "192.0.2.1", "192.0.2.1"),
            (lab.node, "127.0.0.1", node.network.gateway),
            (in_b, "192.0.2.1", b),
            (in_a, "192.0.2.1", node.network.gateway),  # the pod itself
        ):
            assert seen_from(in_a, client, address, 8080, to=80) == seen
        await node.network.set_host_ports([])
        with pytest.raises(ConnectionRefusedError):
            seen_from(in_a, lab.outside, "192.0.2.1", 8080, to=80)

    run(scenario)


def test_pods_do_not_reach_the_nodes_loopback(run: Callable[[Scenario], None], lab: Lab) -> None:
    async def scenario(node: Node) -> None:
        _, in_a = await node.pod("a")
        route = ("ip", "route", "add", "127.0.0.5/32", "via", node.network.gateway, "dev", "eth0")
        setting = Path("/proc/sys/net/ipv4/conf/eth0/route_localnet")
        inside(in_a, lambda: setting.write_text("1"))
        inside(in_a, lambda: command("ip", "route", "del", "table", "local", "127.0.0.0/8"))
        inside(in_a, lambda: command(*route))

        def connect() -> None:
            with socket.socket() as client:
                client.settimeout(1)
                client.bind((node.pool.owned()["a"], 0))
                client.connect(("127.0.0.5", 7070))

        server = inside(lab.node, lambda: socket.create_server(("127.0.0.5", 7070)))
        with server, pytest.raises(TimeoutError):
            inside(in_a, connect)

    run(scenario)


def test_after_a_restart_of_the_agent_everything_is_found_again(
    run: Callable[[Scenario], None], tmp_path: Path
) -> None:
    async def scenario(node: Node) -> None:
        (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
        reborn = Node(node.cluster, tmp_path)
        pods = await reborn.runtime.list()
        taken = [(pod.pod_uid, pod.sandboxes[-1].ip) for pod in pods]
        assert reborn.pool.adopt(taken) == []
        assert reborn.pool.owned() == {"a": a, "b": b}
        assert await reborn.network.attached(["a", "b", "c"]) == {"a", "b"}
        await reborn.network.ensure()
        assert await reborn.network.ensure() == []
        assert await reborn.pod("a") == (a, in_a)
        assert seen_from(in_a, in_b, a, 80) == b
        assert (await reborn.pod("c"))[0] == "10.99.1.4"
        await reborn.runtime.close()

    run(scenario)


@pytest.mark.parametrize(
    "damage",
    [
        ("ip", "address", "flush", "dev", "eth0"),
        ("ip", "link", "set", "eth0", "down"),
        ("ip", "route", "flush", "table", "main"),
        ("ip", "link", "delete", "eth0"),
        ("ip", "link", "set", "eth0", "down", "name", "eth7"),
    ],
    ids=lambda words: " ".join(words[1:]),
)
def test_a_half_wired_pod_is_healed_by_wiring_it_again(
    run: Callable[[Scenario], None], damage: tuple[str, ...]
) -> None:
    async def scenario(node: Node) -> None:
        (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
        inside(in_a, lambda: command(*damage))
        assert await node.pod("a") == (a, in_a)
        assert seen_from(in_a, in_b, a, 80) == b

    run(scenario)


def test_a_new_sandbox_of_the_same_pod_gets_the_cable(run: Callable[[Scenario], None]) -> None:
    """Also when the old namespace, and with it the old cable, is still there."""

    async def scenario(node: Node) -> None:
        a, _ = await node.pod("a")
        _, in_b = await node.pod("b")
        second = await node.runtime.create_sandbox(
            SandboxSpec("a", "pod-a", "default", attempt=1, ip=a)
        )
        in_a = await node.runtime.netns_path(second.id)
        await node.network.attach(in_a, "a", a)
        assert seen_from(in_a, in_b, a, 80) == "10.99.1.3"

    run(scenario)


def test_an_address_given_to_another_pod_works_at_once(run: Callable[[Scenario], None]) -> None:
    async def scenario(node: Node) -> None:
        (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
        assert seen_from(in_a, in_b, a, 80) == b
        await node.network.detach("a")
        await node.network.detach("a")
        sandbox = await node.runtime.create_sandbox(SandboxSpec("c", "c", "default", ip=a))
        in_c = await node.runtime.netns_path(sandbox.id)
        await node.network.attach(in_c, "c", a)
        assert seen_from(in_c, in_b, a, 80) == b

    run(scenario)


def test_links_of_pods_that_are_no_more_are_collected(run: Callable[[Scenario], None]) -> None:
    async def scenario(node: Node) -> None:
        for uid in "abc":
            await node.pod(uid)
        assert await node.network.garbage_collect(["a", "b", "c"]) == []
        gone = await node.network.garbage_collect(["b"])
        assert sorted(gone) == sorted([node.network.link("a"), node.network.link("c")])
        assert await node.network.attached("abc") == {"b"}

    run(scenario)


def test_ensure_repairs_what_others_broke_and_else_does_nothing(
    run: Callable[[Scenario], None], lab: Lab
) -> None:
    async def scenario(node: Node) -> None:
        a, in_a = await node.pod("a")
        await node.network.set_host_ports([HostPort("tcp", 8080, a, 80)])
        assert await node.network.ensure() == []
        for damage in (
            ("nft", "flush", "ruleset"),
            ("nft", "flush", "chain", "ip", node.network.name, "out"),
            ("nft", "delete", "table", "ip", node.network.name),
            ("ip", "address", "flush", "dev", node.network.bridge),
            ("ip", "link", "set", node.network.bridge, "down"),
            ("sysctl", "-qw", "net.ipv4.ip_forward=0"),
        ):
            command(*damage)
            assert await node.network.ensure() != [], damage
            assert await node.network.ensure() == [], damage
            assert seen_from(lab.outside, in_a, "192.0.2.2", 80) == "192.0.2.1"
            assert seen_from(in_a, lab.outside, "192.0.2.1", 8080, to=80) == "192.0.2.2"

    run(scenario)


def test_two_nodes_in_one_namespace_do_not_disturb_each_other(
    run: Callable[[Scenario], None], tmp_path: Path
) -> None:
    async def scenario(node: Node) -> None:
        other = Node(node.cluster, tmp_path / "2", node="n2", cidr="10.99.2.0/24")
        try:
            await other.network.ensure()
            (a, in_a), (b, in_b) = await node.pod("a"), await other.pod("a")
            assert (a, b) == ("10.99.1.2", "10.99.2.2")
            assert seen_from(in_a, in_b, a, 80) == b, "under its own address: both are pods"
            assert await node.network.garbage_collect(["a"]) == []
        finally:
            await other.clean()
        assert await node.network.ensure() == []
        assert seen_from(in_a, in_a, a, 80) == a

    run(scenario)


def test_twenty_pods_are_wired_at_once(run: Callable[[Scenario], None]) -> None:
    async def scenario(node: Node) -> None:
        async with asyncio.TaskGroup() as tasks:
            pods = [tasks.create_task(node.pod(f"p{n}")) for n in range(20)]
        first, last = pods[0].result(), pods[-1].result()
        assert seen_from(first[1], last[1], first[0], 80) == last[0]
        assert len({pod.result()[0] for pod in pods}) == 20

    run(scenario)


def test_what_cannot_be_wired_says_why(run: Callable[[Scenario], None]) -> None:
    async def scenario(node: Node) -> None:
        with pytest.raises(NetworkFailure, match="/proc/0/ns/net"):
            await node.network.attach("/proc/0/ns/net", "a", "10.99.1.9")
        assert await node.network.attached(["a"]) == set()

    run(scenario)


def test_beside_the_real_docker_rules(tmp_path: Path) -> None:
    """In the machine's own namespace, where others work too: only what is ours is compared."""
    cluster = f"test-{uuid.uuid4().hex[:8]}"
    node = Node(cluster, tmp_path, cidr="10.98.77.0/24")
    network = node.network

    async def scene() -> None:
        try:
            async with asyncio.timeout(DEADLINE * 2):
                await network.ensure()
                assert await network.ensure() == []
                (a, in_a), (b, in_b) = await node.pod("a"), await node.pod("b")
                assert seen_from(in_a, in_b, a, 80) == b
                assert seen_from(in_a, OWN, a, 80) == network.gateway
                assert network.bridge in state()
        finally:
            await node.clean()

    asyncio.run(scene())
    left = state()
    assert network.name not in left
    assert network.bridge not in left
    assert network.link("a") not in left
