"""What every client promises about the nodes' rules: reported as long as a node lives, waited for, and no longer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from api.errors import BadRequest, Forbidden, Unavailable
from control_plane.apiserver import progress
from control_plane.apiserver.identity import AUTHENTICATED, CALLER, NODES, User
from proto.v1.service_pb2 import RulesReport
from tests.apiserver import World, run_scenario

Run = Callable[[Any], None]
LONG = 9.0  # seconds; nothing here waits as long


@pytest.fixture(params=["local", "grpc"])
def run(request: pytest.FixtureRequest) -> Run:
    return lambda scenario: run_scenario("memory://", request.param == "grpc", scenario)


class Node:
    """It reports what it is told to, until it is ended."""

    def __init__(self, world: World, name: str) -> None:
        self._name, self._queue = name, asyncio.Queue[int | None]()
        self.task = asyncio.ensure_future(world.client.report_rules(self._reports()))

    async def _reports(self) -> AsyncIterator[RulesReport]:
        while (version := await self._queue.get()) is not None:
            yield RulesReport(node=self._name, version=version)

    def reached(self, version: int) -> None:
        self._queue.put_nowait(version)

    async def end(self) -> None:
        self._queue.put_nowait(None)
        await self.task


async def is_behind(world: World, version: int, *nodes: str) -> None:
    """Until the server says so: reports take a moment."""
    while set(await world.client.await_rules(version, 0.01)) != set(nodes):  # noqa: ASYNC110
        await asyncio.sleep(0.01)


def test_it_waits_for_the_last_of_the_nodes(run: Run) -> None:
    async def scenario(world: World) -> None:
        assert await world.client.await_rules(7, LONG) == []  # nobody reports
        a, b = Node(world, "a"), Node(world, "b")
        a.reached(7)
        b.reached(6)
        await is_behind(world, 7, "b")
        await is_behind(world, 8, "a", "b")
        waiting = asyncio.ensure_future(world.client.await_rules(7, LONG))
        assert not (await asyncio.wait((waiting,), timeout=0.1))[0]
        b.reached(9)
        assert await waiting == []
        for node in (a, b):
            await node.end()

    run(scenario)


def test_a_node_whose_stream_ends_is_not_waited_for(run: Run) -> None:
    async def scenario(world: World) -> None:
        a = Node(world, "a")
        a.reached(1)
        await is_behind(world, 5, "a")
        waiting = asyncio.ensure_future(world.client.await_rules(5, LONG))
        a.task.cancel()
        assert await waiting == []

    run(scenario)


def test_a_node_that_is_silent_is_not_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World) -> None:
        a = Node(world, "a")
        a.reached(1)
        await is_behind(world, 5, "a")
        monkeypatch.setattr(progress, "SILENCE", 0.0)
        assert await world.client.await_rules(5, LONG) == []
        await a.end()

    run(scenario)


def test_a_server_that_goes_sends_the_nodes_away(run: Run) -> None:
    async def scenario(world: World) -> None:
        a = Node(world, "a")
        a.reached(1)
        await is_behind(world, 5, "a")
        world.server.send_away()
        with pytest.raises(Unavailable):
            await a.task

    run(scenario)


def test_a_node_speaks_for_itself_and_only_nodes_ask() -> None:
    async def scenario(world: World) -> None:
        async def one(report: RulesReport) -> None:
            async def reports() -> AsyncIterator[RulesReport]:
                yield report

            await world.client.report_rules(reports())

        with pytest.raises(BadRequest, match="must name its node"):
            await one(RulesReport(version=1))
        CALLER.set(User("system:node:a", (NODES, AUTHENTICATED)))
        await one(RulesReport(node="a", version=1))
        assert await world.client.await_rules(1, LONG) == []
        with pytest.raises(Forbidden, match='"system:node:a" cannot report the rules of node b'):
            await one(RulesReport(node="b", version=1))
        CALLER.set(User("jane", (AUTHENTICATED,)))
        with pytest.raises(Forbidden, match="only nodes can"):
            await world.client.await_rules(1, LONG)

    run_scenario("memory://", False, scenario)
