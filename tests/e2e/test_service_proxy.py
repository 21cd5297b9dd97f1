"""Services in the kernel, with real packets: each feature, in network namespaces that stand for node, pods and clients."""

import asyncio
import socket

import pytest

from node_agent.network.proxy.nft import Program
from tests.namespaces import command
from tests.service_world import (
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
        await world.put(web, endpoint_slice("web", b, c))
        outside, node = world.places.outside, world.places.node
        assert await world.answering(outside, "192.0.2.1", 30080) == {"b", "c"}
        for netns in (node, a.netns):
            assert await world.answering(netns, "192.0.2.1", 30080) == {"b", "c"}
            assert await world.answering(netns, world.network.gateway, 30080) == {"b", "c"}
        seen = {await world.ask(outside, "192.0.2.1", 30080) for _ in range(30)}
        assert {who: address for who, address in seen} == {
            "b": world.network.gateway,
            "c": "192.0.2.1",
        }
        with pytest.raises(ConnectionRefusedError):
            await world.ask(a.netns, "192.0.2.2", 30080)

        await world.put(endpoint_slice_again(await _slice(world), b))
        assert await world.answering(node, "127.0.0.1", 30080) == {"b"}

    in_service_world(scenario)


async def _slice(world: ServiceWorld):  # type: ignore[no-untyped-def]
    from proto.v1.network_pb2 import EndpointSlice

    return await world.client.get(EndpointSlice, "web-1", "default")


def endpoint_slice_again(old, *pods, unready=()):  # type: ignore[no-untyped-def]
    """The same slice with other pods behind it."""
    new = endpoint_slice("web", *pods, unready=unready)
    new.metadata.CopyFrom(old.metadata)
    return new
