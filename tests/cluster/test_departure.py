"""A pod that is to end waits until it has left the rules of all nodes, and never long: a real server, reports by hand."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from api.errors import Unavailable
from api.informer import Informer
from node_agent.network.proxy import departure
from node_agent.network.proxy.departure import Departures
from node_agent.network.proxy.proxy import Current
from node_agent.network.proxy.reporter import RulesReporter
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import EndpointSlice
from proto.v1.pod_pb2 import Pod
from tests.apiserver import World, run_scenario, until

NEVER = 1000.0  # seconds: what waits so long is stuck, and the scenario's own timeout says so


@pytest.fixture(autouse=True)
def _times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(departure, "LONGEST", NEVER)
    monkeypatch.setattr(departure, "UNDER_WAY", 0.0)


def pod(uid: str = "u1") -> Pod:
    return Pod(metadata=ObjectMeta(name="web", namespace="default", uid=uid))


def naming(uid: str, *, name: str = "web-1", terminating: bool = False) -> EndpointSlice:
    made = EndpointSlice(addressType="IPv4", metadata=ObjectMeta(name=name, namespace="default"))
    made.metadata.labels["kubernetes.io/service-name"] = "web"
    endpoint = made.endpoints.add(addresses=["10.1.0.2"])
    endpoint.targetRef.kind, endpoint.targetRef.uid = "Pod", uid
    endpoint.conditions.ready = not terminating
    endpoint.conditions.serving = True
    endpoint.conditions.terminating = terminating
    return made


class Node:
    """A node that reports; its rules are current as far as the test says."""

    def __init__(self, world: World, name: str, tasks: asyncio.TaskGroup) -> None:
        self.current = Current()
        self.task = tasks.create_task(RulesReporter(world.client, name, self.current).run())


@asynccontextmanager
async def playing(world: World) -> AsyncIterator[tuple[Departures, asyncio.TaskGroup]]:
    slices = Informer(world.client, EndpointSlice)
    async with asyncio.TaskGroup() as tasks:
        departures = Departures(slices, world.client)
        running = tasks.create_task(slices.run())
        await slices.wait_synced()
        yield departures, tasks
        running.cancel()


def run(scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    run_scenario("memory://", False, scenario)


def test_a_pod_behind_no_service_does_not_wait_and_nobody_is_asked() -> None:
    async def scenario(world: World) -> None:
        async with playing(world) as (departures, tasks):
            node = Node(world, "n1", tasks)
            node.current.reached(1)
            await departures.left(pod(), 30)
            node.task.cancel()

    run(scenario)


def test_it_waits_for_the_slices_and_then_for_every_node() -> None:
    async def scenario(world: World) -> None:
        first = await world.client.create(naming("u1"))
        async with playing(world) as (departures, tasks):
            a, b = Node(world, "a", tasks), Node(world, "b", tasks)
            for node in (a, b):
                node.current.reached(int(first.metadata.resourceVersion))
            leaving = tasks.create_task(departures.left(pod(), 30))
            changed = naming("u1", terminating=True)
            changed.metadata.CopyFrom(first.metadata)
            version = int((await world.client.update(changed)).metadata.resourceVersion)
            a.current.reached(version)
            assert not (await asyncio.wait((leaving,), timeout=0.1))[0]
            b.current.reached(version)
            await leaving
            for node in (a, b):
                node.task.cancel()

    run(scenario)


def test_it_waits_for_every_slice_that_names_it() -> None:
    async def scenario(world: World) -> None:
        await world.client.create(naming("u1", terminating=True))
        other = await world.client.create(naming("u1", name="web-2"))
        async with playing(world) as (departures, tasks):
            leaving = tasks.create_task(departures.left(pod(), 30))
            assert not (await asyncio.wait((leaving,), timeout=0.1))[0]
            await world.client.delete(EndpointSlice, other.metadata.name, "default")
            await leaving

    run(scenario)


@pytest.mark.parametrize(("longest", "grace"), [(0.05, 30.0), (NEVER, 0.05)])
def test_it_is_never_longer_than_some_seconds_nor_than_the_grace_period(
    monkeypatch: pytest.MonkeyPatch, longest: float, grace: float
) -> None:
    """The controller stands still; and then: it does not, but a node does."""
    monkeypatch.setattr(departure, "LONGEST", longest)

    async def scenario(world: World) -> None:
        await world.client.create(naming("u1"))
        await world.client.create(naming("u2", name="web-2", terminating=True))
        async with playing(world) as (departures, tasks):
            await departures.left(pod("u1"), grace)
            node = Node(world, "a", tasks)
            node.current.reached(1)
            await until(lambda: world.server._registry.progress._behind(2) == ["a"])
            await departures.left(pod("u2"), grace)
            node.task.cancel()

    run(scenario)


def test_without_a_server_nobody_waits() -> None:
    class Away:
        async def await_rules(self, version: int, timeout: float) -> list[str]:
            raise Unavailable("nobody answers")

    async def scenario(world: World) -> None:
        await world.client.create(naming("u1", terminating=True))
        slices = Informer(world.client, EndpointSlice)
        departures = Departures(slices, Away())  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(slices.run())
            await slices.wait_synced()
            await departures.left(pod(), 30)
            running.cancel()

    run(scenario)
