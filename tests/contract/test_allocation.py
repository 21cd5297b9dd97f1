"""Addresses and node ports of Services, over every store: nobody ever has what another has, and nothing is lost."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from api.client import Client
from api.errors import ApiError, Internal, Invalid
from api.services import virtual_address
from control_plane.apiserver.allocation.claims import ROOT
from control_plane.apiserver.allocation.ranges import Ranges, read_network, read_ports
from control_plane.apiserver.allocation.repair import repair
from control_plane.apiserver.server import ApiServer
from control_plane.store.contract import Store
from control_plane.store.open import open_store
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import Service, ServiceSpec
from tests.apiserver import nothing_left
from tests.contract.conftest import Run, Scenario

SMALL = Ranges(read_network("10.96.0.0/28"), read_ports("30000-30007"))
FREE = 12  # addresses that are given without being asked for


def service(name: str, type: str = "ClusterIP", *ports: int, **fields: str) -> Service:
    spec = ServiceSpec(type=type, **fields)  # type: ignore[arg-type]
    for number in ports or (80,):
        spec.ports.add(name=f"p{number}", port=number)
    return Service(metadata=ObjectMeta(name=name, namespace="default"), spec=spec)


@pytest.fixture
def run(store_url: str) -> Run:
    """Unsealed: the server looks at what a store has been before, and all tests share an etcd."""

    async def whole(scenario: Scenario) -> None:
        store = await open_store(store_url)
        try:
            async with asyncio.timeout(120):
                await scenario(store)
        finally:
            await store.close()
        await nothing_left()

    return lambda scenario: asyncio.run(whole(scenario))


@asynccontextmanager
async def servers(
    store: Store, count: int = 1, ranges: Ranges = SMALL
) -> AsyncIterator[list[Client]]:
    """Several API servers over one store."""
    made = [ApiServer(store, ranges=ranges) for _ in range(count)]
    async with asyncio.TaskGroup() as tasks:
        following = [tasks.create_task(server.run()) for server in made]
        for server in made:
            await server.prepare()
        yield [server.client for server in made]
        for task in following:
            task.cancel()


async def held(store: Store) -> dict[str, str]:
    """Who holds what."""
    found = await store.list(ROOT)
    return {item.key.removeprefix(ROOT): item.value.decode() for item in found.items}


def test_a_service_gets_an_address_and_holds_it_until_it_goes(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            made = await client.create(service("web"))
            assert list(made.spec.clusterIPs) == [made.spec.clusterIP]
            assert await held(store) == {f"addresses/{made.spec.clusterIP}": "default/web"}
            await client.delete(Service, "web", "default")
            assert await held(store) == {}

    run(scenario)


def test_what_is_asked_for_is_given_and_refused_when_somebody_has_it(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            await client.create(service("a", clusterIP="10.96.0.7"))
            with pytest.raises(Invalid) as refused:
                await client.create(service("b", clusterIP="10.96.0.7"))
            assert refused.value.message == (
                'Service "b" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.7"]: '
                "failed to allocate IP 10.96.0.7: provided IP is already allocated"
            )
            with pytest.raises(Invalid, match=r"not in the valid range.*10\.96\.0\.0/28"):
                await client.create(service("b", clusterIP="10.97.0.7"))
            taken = service("c", "NodePort")
            taken.spec.ports[0].nodePort = 30001
            await client.create(taken)
            taken.metadata.name = "d"
            with pytest.raises(Invalid, match="provided port is already allocated"):
                await client.create(taken)
            taken.spec.ports[0].nodePort = 29999
            with pytest.raises(Invalid, match="range of valid ports is 30000-30007"):
                await client.create(taken)

    run(scenario)


def test_many_at_once_on_several_servers_never_get_the_same_and_the_last_are_told(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store, 3) as clients:
            outcomes = await asyncio.gather(
                *(clients[n % 3].create(service(f"s{n}")) for n in range(20)),
                return_exceptions=True,
            )
            given = [each.spec.clusterIP for each in outcomes if isinstance(each, Service)]
            refused = [each for each in outcomes if isinstance(each, BaseException)]
            assert len(given) == len(set(given)) == FREE
            assert all(isinstance(each, Internal) for each in refused)
            assert "range is full: 10.96.0.0/28" in str(refused[0])
            assert "--service-cidr" in str(refused[0])
            await clients[0].delete(
                Service, (await clients[0].list(Service)).items[0].metadata.name, "default"
            )
            await clients[1].create(service("late"))
            assert len(await held(store)) == FREE

    run(scenario)


def test_one_of_many_who_ask_for_the_same_gets_it(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store, 2) as clients:
            wishes = [service(f"s{n}", clusterIP="10.96.0.9") for n in range(8)]
            outcomes = await asyncio.gather(
                *(clients[n % 2].create(wish) for n, wish in enumerate(wishes)),
                return_exceptions=True,
            )
            assert sum(isinstance(each, Service) for each in outcomes) == 1
            assert sum(isinstance(each, Invalid) for each in outcomes) == 7
            assert len(await held(store)) == 1

    run(scenario)


def test_another_type_takes_what_it_needs_and_lets_the_rest_go(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            made = await client.create(service("web", "ClusterIP", 80, 81))
            address = made.spec.clusterIP

            async def become(type: str, **fields: str) -> Service:
                patch = {"spec": {"type": type, **fields}}
                return await client.patch(Service, "web", "default", patch, patch_type="merge")

            ported = await become("NodePort")
            ports = [port.nodePort for port in ported.spec.ports]
            assert len(set(ports)) == 2
            assert set(ports) <= set(range(30000, 30008))
            assert await held(store) == {
                f"addresses/{address}": "default/web",
                **{f"nodeports/{port}": "default/web" for port in ports},
            }
            balanced = await become("LoadBalancer", externalTrafficPolicy="Local")
            assert [port.nodePort for port in balanced.spec.ports] == ports
            assert balanced.spec.healthCheckNodePort in set(range(30000, 30008)) - set(ports)
            assert len(await held(store)) == 4
            plain = await become("ClusterIP")
            assert await held(store) == {f"addresses/{address}": "default/web"}
            assert [port.nodePort for port in plain.spec.ports] == [0, 0]
            named = await become("ExternalName", externalName="db.example.com")
            assert (virtual_address(named.spec), await held(store)) == ("", {})
            again = await become("ClusterIP")
            assert await held(store) == {f"addresses/{again.spec.clusterIP}": "default/web"}

    run(scenario)


def test_full_node_ports_are_told_and_hold_nothing_back(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            await client.create(service("a", "NodePort", *range(80, 86)))
            with pytest.raises(Internal, match=r"failed to allocate a nodePort: range is full"):
                await client.create(service("b", "NodePort", *range(80, 83)))
            assert len(await held(store)) == 7
            await client.create(service("b", "NodePort", 80, 81))

    run(scenario)


def test_a_dry_run_takes_nothing_and_knows_what_is_taken(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            shown = await client.create(service("a"), dry_run=True)
            assert shown.spec.clusterIP.startswith("10.96.0.")
            assert await held(store) == {}
            await client.create(service("b", clusterIP="10.96.0.9"))
            with pytest.raises(Invalid, match="already allocated"):
                await client.create(service("a", clusterIP="10.96.0.9"), dry_run=True)
            await client.delete(Service, "b", "default")

    run(scenario)


def test_a_headless_service_holds_nothing(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            made = await client.create(service("db", clusterIP="None"))
            assert (list(made.spec.clusterIPs), await held(store)) == (["None"], {})

    run(scenario)


def test_updates_at_once_take_one_port_and_not_two(run: Run) -> None:
    """Two clients make the same service a NodePort: whoever is second finds that it is one."""

    async def scenario(store: Store) -> None:
        async with servers(store, 2) as clients:
            await clients[0].create(service("web"))
            patch = {"spec": {"type": "NodePort"}}
            both = await asyncio.gather(
                *(c.patch(Service, "web", "default", patch, patch_type="merge") for c in clients)
            )
            assert len({each.spec.ports[0].nodePort for each in both}) == 1
            assert len(await held(store)) == 2

    run(scenario)


def test_a_start_repairs_what_somebody_else_has_broken(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            made = await client.create(service("web", "NodePort"))
            expected = await held(store)
            assert await repair(store) == 0
            await store.txn({}, {f"{ROOT}addresses/{made.spec.clusterIP}": None})
            await store.txn({}, {f"{ROOT}nodeports/30999": b"default/gone"})
            assert await repair(store) == 2
            assert await held(store) == expected
            assert await repair(store) == 0

    run(scenario)


def test_a_store_that_does_not_answer_is_told_as_such(run: Run) -> None:
    async def scenario(store: Store) -> None:
        async with servers(store) as (client,):
            await store.close()
            with pytest.raises(ApiError) as refused:
                await client.create(service("web"))
            assert refused.value.reason == "ServiceUnavailable"

    run(scenario)
