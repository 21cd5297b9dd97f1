"""Services in the kernel, with real packets: each feature, in network namespaces that stand for node, pods and clients."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api.informer import Informers
from node_agent.network.kernelnews import About, listening
from node_agent.network.proxy.conntrack import forget
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.nft import Program, open_nft
from node_agent.network.proxy.proxy import PRODUCER, ServiceProxy
from proto.v1.network_pb2 import EndpointSlice, Service
from tests.apiserver import until
from tests.e2e.cli_runner import ROOT
from tests.namespaces import command, inside, places
from tests.service_world import (
    DEADLINE,
    Backer,
    Opened,
    ServiceWorld,
    endpoint_slice,
    in_service_world,
    question,
    service,
    unanswered,
)

pytestmark = pytest.mark.root
VIP = "10.96.77.1"


def test_a_cluster_ip_leads_pods_and_the_node_to_all_backends_over_tcp_and_udp() -> None:
    """S#81. Pods keep their address."""

    async def scenario(world: ServiceWorld) -> None:
        a, b, c = await world.pod("a"), await world.pod("b"), await world.pod("c", here=False)
        await world.put(service("web", VIP, "TCP", "UDP"), endpoint_slice("web", b, c))
        for netns in (a.netns, world.places.node):
            assert await world.answering(netns, VIP, 80) == {"b", "c"}
            assert (await world.ask(netns, VIP, 80, udp=True))[0] in ("b", "c")
        assert (await world.ask(a.netns, VIP, 80))[1] == a.address

    in_service_world(scenario)


def test_a_pod_reaches_itself_through_its_service() -> None:
    async def scenario(world: ServiceWorld) -> None:
        a = await world.pod("a")
        await world.put(service("web", VIP, "TCP", "UDP"), endpoint_slice("web", a))
        assert (await world.ask(a.netns, VIP, 80))[0] == "a"
        assert (await world.ask(a.netns, VIP, 80, udp=True))[0] == "a"

    in_service_world(scenario)


def test_nobody_behind_it_and_other_ports_are_refused_at_once() -> None:
    async def scenario(world: ServiceWorld) -> None:
        a, b = await world.pod("a"), await world.pod("b")
        web = service("web", VIP, "TCP", "UDP", type="NodePort")
        web.spec.ports[0].nodePort = 30080
        await world.put(web, endpoint_slice("web"))
        for netns in (a.netns, world.places.node, world.places.outside):
            with pytest.raises(ConnectionRefusedError):
                await world.ask(netns, VIP, 80)
            with pytest.raises((ConnectionRefusedError, PermissionError)):  # the latter: here
                await world.ask(netns, VIP, 80, udp=True)
            with pytest.raises(ConnectionRefusedError):
                await world.ask(netns, "192.0.2.1", 30080)
        await world.put(service("other", "10.96.77.2"), endpoint_slice("other", b))
        with pytest.raises(ConnectionRefusedError):
            await world.ask(a.netns, "10.96.77.2", 81)
        assert (await world.ask(a.netns, "10.96.77.2", 80))[0] == "b"

    in_service_world(scenario)


def test_a_node_port_is_at_every_address_of_the_node_and_at_no_other_machines() -> None:
    """S#82. From outside the pod sees the node; the address that stays within is kept."""

    async def scenario(world: ServiceWorld) -> None:
        a, b, c = await world.pod("a"), await world.pod("b"), await world.pod("c", here=False)
        web = service("web", VIP, "TCP", type="NodePort")
        web.spec.ports[0].nodePort = 30080
        behind = endpoint_slice("web", b, c)
        await world.put(web, behind)
        outside, node = world.places.outside, world.places.node
        assert await world.answering(outside, "192.0.2.1", 30080) == {"b", "c"}
        for netns in (node, a.netns):
            assert await world.answering(netns, "192.0.2.1", 30080) == {"b", "c"}
            assert await world.answering(netns, world.network.gateway, 30080) == {"b", "c"}
        seen = {await world.ask(outside, "192.0.2.1", 30080) for _ in range(30)}
        assert dict(seen) == {
            "b": world.network.gateway,
            "c": "192.0.2.1",
        }
        with pytest.raises(ConnectionRefusedError):
            await world.ask(a.netns, "192.0.2.2", 30080)

        assert await world.answering(node, "127.0.0.1", 30080) == {"b"}
        await world.put(again(behind, c))
        with pytest.raises(ConnectionRefusedError):
            await world.ask(node, "127.0.0.1", 30080)
        assert await world.answering(node, "192.0.2.1", 30080, times=3) == {"c"}

    in_service_world(scenario)


def again(old: EndpointSlice, *pods: Backer, unready: tuple[str, ...] = ()) -> EndpointSlice:
    """The same slice with others behind it."""
    name = old.metadata.labels["kubernetes.io/service-name"]
    new = endpoint_slice(name, *pods, unready=unready)
    new.metadata.CopyFrom(old.metadata)
    return new


def test_a_pod_that_is_not_ready_gets_nothing_unless_it_is_leaving_and_nobody_else_is_there() -> (
    None
):
    """S#85."""

    async def scenario(world: ServiceWorld) -> None:
        a, b = await world.pod("a"), await world.pod("b")
        node = world.places.node
        web, behind = service("web", VIP), endpoint_slice("web", a, b, unready=("b",))
        await world.put(web, behind)
        assert await world.answering(node, VIP, 80) == {"a"}

        leaving = again(behind, a, b, unready=("a", "b"))
        leaving.endpoints[0].conditions.serving = True
        leaving.endpoints[0].conditions.terminating = True
        await world.put(leaving)
        assert await world.answering(node, VIP, 80) == {"a"}

        both = again(leaving, a, b, unready=("a",))
        both.endpoints[0].conditions.CopyFrom(leaving.endpoints[0].conditions)
        await world.put(both)
        assert await world.answering(node, VIP, 80) == {"b"}

    in_service_world(scenario)


def test_a_sticky_service_leads_each_client_to_the_pod_it_had() -> None:
    """S#84. As long as the pod is there; others come and go."""

    async def scenario(world: ServiceWorld) -> None:
        pods = [await world.pod(name) for name in "abcd"]
        client, node = pods[0].netns, world.places.node
        web = service("web", VIP, "TCP", "UDP", type="NodePort")
        web.spec.ports[0].nodePort = 30080
        web.spec.sessionAffinity = "ClientIP"
        web.spec.sessionAffinityConfig.clientIP.timeoutSeconds = 600
        behind = endpoint_slice("web", *pods[1:])
        await world.put(web, behind)
        ways = [(client, VIP, 80), (node, VIP, 80), (world.places.outside, "192.0.2.1", 30080)]
        had = []
        for way in ways:
            (mine,) = await world.answering(*way, times=15)
            had.append(mine)

        gone = had[0]
        behind = again(behind, *(pod for pod in pods[1:] if pod.name != gone))
        await world.put(behind)
        (mine,) = await world.answering(*ways[0], times=15)
        assert mine != gone
        for way, before in zip(ways[1:], had[1:], strict=True):
            now = await world.answering(*way, times=5)
            assert len(now) == 1
            assert now == {before} or before == gone
        await world.put(again(behind, *pods[1:]))
        assert await world.answering(*ways[0], times=15) == {mine}

    in_service_world(scenario)


def test_a_sticky_client_is_forgotten_after_its_time() -> None:
    async def scenario(world: ServiceWorld) -> None:
        pods = [await world.pod(name) for name in "abc"]
        web = service("web", VIP)
        web.spec.sessionAffinity = "ClientIP"
        web.spec.sessionAffinityConfig.clientIP.timeoutSeconds = 1
        await world.put(web, endpoint_slice("web", *pods))
        seen = set()
        async with asyncio.timeout(60):
            while len(seen) < 2:
                seen |= await world.answering(world.places.node, VIP, 80, times=3)
                await asyncio.sleep(1.2)  # longer than the second it is remembered

    in_service_world(scenario)


def test_internal_policy_local_stays_on_the_node() -> None:
    """S#87. With nobody here the packet goes nowhere; with nobody anywhere it is refused."""

    async def scenario(world: ServiceWorld) -> None:
        a, b, c = await world.pod("a"), await world.pod("b"), await world.pod("c", here=False)
        web = service("web", VIP)
        web.spec.internalTrafficPolicy = "Local"
        behind = endpoint_slice("web", b, c)
        await world.put(web, behind)
        assert await world.answering(a.netns, VIP, 80) == {"b"}
        behind = again(behind, c)
        await world.put(behind)
        assert await unanswered(world.ask(a.netns, VIP, 80))
        await world.put(again(behind))
        with pytest.raises(ConnectionRefusedError):
            await world.ask(a.netns, VIP, 80)

    in_service_world(scenario)


def test_external_policy_local_keeps_the_clients_address() -> None:
    """S#87. Clients outside reach the pods of this node only; the cluster's own reach all."""

    async def scenario(world: ServiceWorld) -> None:
        a, b, c = await world.pod("a"), await world.pod("b"), await world.pod("c", here=False)
        web = service("web", VIP, type="NodePort")
        web.spec.ports[0].nodePort = 30080
        web.spec.externalTrafficPolicy = "Local"
        web.spec.externalIPs.append("198.51.100.7")
        behind = endpoint_slice("web", b, c)
        await world.put(web, behind)
        outside = world.places.outside
        for address, port in (("192.0.2.1", 30080), ("198.51.100.7", 80)):
            seen = {await world.ask(outside, address, port) for _ in range(10)}
            assert seen == {("b", "192.0.2.2")}
            assert await world.answering(a.netns, address, port) == {"b", "c"}
        await world.put(again(behind, c))
        for address, port in (("192.0.2.1", 30080), ("198.51.100.7", 80)):
            assert await unanswered(world.ask(outside, address, port))
            assert await world.answering(a.netns, address, port, times=3) == {"c"}
        assert await world.answering(a.netns, VIP, 80, times=3) == {"c"}

    in_service_world(scenario)


def test_other_ports_of_an_external_address_are_whosever_they_are() -> None:
    """It may be a machine's; only the ports of the service are taken."""

    async def scenario(world: ServiceWorld) -> None:
        a, b = await world.pod("a"), await world.pod("b")
        web = service("web", VIP)
        web.spec.externalIPs.append("192.0.2.2")
        await world.put(web, endpoint_slice("web", b))
        machine = inside(world.places.outside, lambda: socket.create_server(("192.0.2.2", 9000)))
        with machine, world.connection(a.netns) as sock:
            await asyncio.get_running_loop().sock_connect(sock, ("192.0.2.2", 9000))
        assert (await world.ask(a.netns, "192.0.2.2", 80))[0] == "b"

    in_service_world(scenario)


def test_a_load_balancers_address_lets_through_whom_it_should() -> None:
    async def scenario(world: ServiceWorld) -> None:
        a = await world.pod("a")
        web = service("web", VIP, type="LoadBalancer")
        web.spec.ports[0].nodePort = 30080
        web.spec.loadBalancerSourceRanges[:] = ["203.0.113.0/24", "203.0.113.8/29", "192.0.2.2/32"]
        web.status.loadBalancer.ingress.add(ip="198.51.100.7")
        web.status.loadBalancer.ingress.add(ip="198.51.100.8", ipMode="Proxy")
        await world.put(web, endpoint_slice("web", a))
        assert (await world.ask(world.places.outside, "198.51.100.7", 80))[0] == "a"
        assert await unanswered(world.ask(world.places.other, "198.51.100.7", 80))
        assert "198.51.100.8" not in command("nft", "list", "table", "ip", world.keeper.name)

    in_service_world(scenario)


def test_headless_and_external_name_and_somebody_elses_services_lead_nowhere() -> None:
    """S#83."""

    async def scenario(world: ServiceWorld) -> None:
        a = await world.pod("a")
        headless = service("headless", "None")
        name = Service()
        name.metadata.name, name.spec.type, name.spec.externalName = (
            "name",
            "ExternalName",
            "example.com",
        )
        theirs = service("theirs", VIP)
        theirs.metadata.labels["service.kubernetes.io/service-proxy-name"] = "other"
        await world.put(headless, name, theirs)
        await world.put(*(endpoint_slice(one, a) for one in ("headless", "name", "theirs")))
        rules = command("nft", "list", "table", "ip", world.keeper.name)
        assert "elements" not in rules
        await world.put(service("web", "10.96.77.2"), endpoint_slice("web", a))
        assert "10.96.77.2" in command("nft", "list", "table", "ip", world.keeper.name)

    in_service_world(scenario)


def test_udp_goes_on_to_another_pod_when_the_one_it_went_to_is_gone() -> None:
    """The client stays on its port, so for the kernel it is the same connection."""

    async def scenario(world: ServiceWorld) -> None:
        a, b = await world.pod("a"), await world.pod("b")
        web = service("web", VIP, "UDP", type="NodePort")
        web.spec.ports[0].nodePort = 30053
        behind = endpoint_slice("web", a)
        await world.put(web, behind)
        ways = [(b.netns, VIP, 80), (world.places.outside, "192.0.2.1", 30053)]
        with (
            world.connection(ways[0][0], udp=True) as inner,
            world.connection(ways[1][0], udp=True) as outer,
        ):
            for sock, (_, address, port) in ((inner, ways[0]), (outer, ways[1])):
                assert (await question(sock, address, port))[0] == "a"
            await world.put(again(behind, b))
            for sock, (_, address, port) in ((inner, ways[0]), (outer, ways[1])):
                assert (await question(sock, address, port))[0] == "b"

    in_service_world(scenario)


def test_udp_that_was_sent_before_there_was_a_service_is_led_when_there_is_one() -> None:
    async def scenario(world: ServiceWorld) -> None:
        a, b = await world.pod("a"), await world.pod("b")
        with world.connection(b.netns, udp=True) as sock:
            assert await unanswered(question(sock, VIP, 80))
            await world.put(service("web", VIP, "UDP"), endpoint_slice("web", a))
            assert (await question(sock, VIP, 80))[0] == "a"

    in_service_world(scenario)


def test_open_connections_and_sticky_clients_outlive_every_change_and_the_agent() -> None:
    async def scenario(world: ServiceWorld) -> None:
        pods = [await world.pod(name) for name in "abc"]
        node = world.places.node
        web, behind = service("web", VIP), endpoint_slice("web", *pods)
        web.spec.sessionAffinity = "ClientIP"
        await world.put(web, behind)
        with world.connection(node) as sock:
            (mine, _) = await question(sock, VIP, 80)
            await world.put(again(behind, *(pod for pod in pods if pod.name != mine)))
            assert await once_more(sock) == mine
            await world.put(again(await world.client.get(EndpointSlice, "web-1", "default"), *pods))
            (had,) = await world.answering(node, VIP, 80, times=3)
            async with another_agent(world) as proxy:
                async with asyncio.timeout(DEADLINE):
                    await until(lambda: proxy.current.version)
                assert await once_more(sock) == mine
                assert await world.answering(node, VIP, 80, times=15) == {had}

    in_service_world(scenario)


async def once_more(sock: socket.socket) -> str:
    """On the same connection."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE):
        await loop.sock_sendall(sock, b"who?")
        return (await loop.sock_recv(sock, 100)).decode().split()[0]


@asynccontextmanager
async def another_agent(world: ServiceWorld) -> AsyncIterator[ServiceProxy]:
    """It begins where the first one is, knowing nothing."""
    keeper = TableKeeper(world.keeper.name, (PRODUCER,))
    informers = Informers(world.client)
    services, slices = informers.of(Service), informers.of(EndpointSlice)
    async with asyncio.TaskGroup() as tasks:
        proxy = ServiceProxy(services, slices, world.place, keeper, forget)
        running = [tasks.create_task(one.run()) for one in (informers, proxy)]
        yield proxy
        for task in running:
            task.cancel()
    keeper.close()


ALONE = """
import asyncio, logging, subprocess
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.nft import Program, open_nft
from node_agent.network.proxy.table import Chain, Table

async def main(opened):
    keeper = TableKeeper("alone", ("me",), opened)
    async with asyncio.TaskGroup() as tasks:
        watching = tasks.create_task(keeper.run())
        await keeper.put("me", Table({}, {"made": Chain()}))
        for _ in range(3):
            subprocess.run(["nft", "add", "chain", "ip", "alone", "foreign"], check=True)
            while b"foreign" in subprocess.run(["nft", "list", "table", "ip", "alone"], capture_output=True).stdout:
                await asyncio.sleep(0.01)
        watching.cancel()
    await keeper.remove()
    keeper.close()

logging.basicConfig(format="%(message)s")
asyncio.run(main(OPENED))
"""


@pytest.mark.parametrize("opened", ["open_nft", "Program"])
def test_our_own_changes_are_no_drift_also_where_processes_have_other_numbers(opened: str) -> None:
    """In a process namespace, as in the lab: the kernel tells numbers as they are outside of it."""
    apart = ("unshare", "--net", "--pid", "--fork", "--mount-proc", sys.executable, "-c")
    done = subprocess.run(
        [*apart, ALONE.replace("OPENED", opened)],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True,
    )  # fmt: skip
    assert (
        done.stderr.splitlines()
        == ["table_changed_by_others table=alone because='nft changed it'"] * 3
    )


@pytest.mark.parametrize("opened", [open_nft, Program])
def test_what_others_do_to_the_table_is_repaired(opened: Opened) -> None:
    """Through the library, and through the program where there is no library."""

    async def scenario(world: ServiceWorld) -> None:
        a, b = await world.pod("a"), await world.pod("b")
        behind = endpoint_slice("web", a)
        await world.put(service("web", VIP), behind)
        table = f"ip {world.keeper.name}"
        before = shown(table)
        for damage in (
            f"delete table {table}",
            f"flush chain {table} lead",
            f"delete element {table} services {{ {VIP} . tcp . 80 }}",
            f"add rule {table} lead drop",
        ):
            command("nft", *damage.split())
            async with asyncio.timeout(DEADLINE):
                await until(lambda: shown(table) == before)
            assert (await world.ask(b.netns, VIP, 80))[0] == "a"
        await world.put(again(behind, b))
        assert await world.answering(a.netns, VIP, 80) == {"b"}
        await world.settled()
        command("nft", "add", "table", "ip", "somebody-elses")
        made = shown("ip somebody-elses")
        await world.settled()
        assert shown("ip somebody-elses") == made

    in_service_world(scenario, opened)


def shown(table: str) -> list[str]:
    done = subprocess.run(
        ["nft", "list", "table", *table.split()], check=False, capture_output=True, text=True
    )
    return sorted(done.stdout.splitlines())


def test_removing_takes_the_table_away_and_nothing_else() -> None:
    async def scenario(world: ServiceWorld) -> None:
        await world.settled()
        before = command("nft", "list", "tables").splitlines()
        await world.keeper.remove()
        after = command("nft", "list", "tables").splitlines()
        assert [line for line in before if line not in after] == [f"table ip {world.keeper.name}"]
        await world.keeper.remove()

    in_service_world(scenario)


def test_who_keeps_the_bridge_hears_of_every_table_but_those_of_services() -> None:
    heard: list[str] = []

    async def scenario() -> None:
        async with listening(About.RULES, lambda: heard.append(told[-1])):
            for table in ("helmling-00000000-cluster", "anybodys", "helmling-00000000"):
                told.append(table)
                command("nft", "add", "table", "ip", table)
                if table != "helmling-00000000-cluster":
                    await until(lambda: heard[-1:] == told[-1:])
                else:
                    await asyncio.sleep(0.05)  # to be heard, were it told

    told: list[str] = []
    with places() as there:
        inside(there.node, lambda: asyncio.run(scenario()))
    assert "helmling-00000000-cluster" not in heard
