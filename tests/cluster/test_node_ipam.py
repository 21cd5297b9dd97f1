"""The address controller in a real API server: nodes come, go, wait and return; the controller is killed meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

from api.client import Client
from api.podranges import CLUSTER, WISH, PodRange, range_of
from control_plane.controllers.nodeipam import main as nodeipam
from control_plane.controllers.nodeipam.allocation import Parts
from control_plane.main import _recorded
from proto.v1.cluster_pb2 import Event, Node
from tests.cluster.whole import Cluster, run

FOUR = Parts.of("10.0.0.0/22", 24)
Story = Callable[[Cluster], Coroutine[Any, Any, None]]


def play(story: Story) -> None:
    part = _recorded("node-ipam-controller", partial(nodeipam.run, parts=FOUR))
    run(story, nodes=0, parts=lambda: (part,))


async def join(world: Cluster, *names: str, wish: str = "", own: str = "") -> None:
    for name in names:
        node = Node()
        node.metadata.name, node.spec.podCIDR = name, own
        if wish:
            node.metadata.annotations[WISH] = wish
        await world.client.create(node)


async def ranges(client: Client) -> dict[str, str]:
    """Of the nodes that have one."""
    nodes = (await client.list(Node)).items
    return {node.metadata.name: node.spec.podCIDR for node in nodes if node.spec.podCIDR}


async def until_all(world: Cluster, *names: str) -> dict[str, str]:
    """These nodes have ranges, no two the same."""

    async def there() -> bool:
        return (await ranges(world.client)).keys() == set(names)

    await world.until(there)
    found = await ranges(world.client)
    assert len(set(found.values())) == len(names)
    return found


async def told(world: Cluster, name: str, reason: str) -> str:
    async def events() -> list[str]:
        found = (await world.client.list(Event)).items
        return [e.message for e in found if (e.involvedObject.name, e.reason) == (name, reason)]

    await world.until(lambda: has(events()))
    return (await events())[0]


async def has(found: Awaitable[list[str]]) -> bool:
    return bool(await found)


def test_a_node_is_told_its_part_and_the_whole() -> None:
    async def story(world: Cluster) -> None:
        await join(world, "a", wish="10.0.2.0/24")
        await until_all(world, "a")
        node = await world.client.get(Node, "a")
        assert range_of(node) == PodRange("10.0.2.0/24", "10.0.0.0/22")
        assert list(node.spec.podCIDRs) == ["10.0.2.0/24"]
        assert dict(node.metadata.annotations) == {CLUSTER: "10.0.0.0/22"}

    play(story)


def test_who_comes_too_late_is_told_and_waits_for_the_first_part_that_is_free() -> None:
    async def story(world: Cluster) -> None:
        await join(world, *"abcd")
        before = await until_all(world, *"abcd")
        await join(world, "late")
        assert "All 4 ranges of 10.0.0.0/22 are in use" in await told(
            world, "late", "CIDRNotAvailable"
        )
        await world.client.delete(Node, "b")
        after = await until_all(world, *"acd", "late")
        assert after["late"] == before["b"]

    play(story)


def test_a_controller_that_was_killed_gives_nothing_twice() -> None:
    async def story(world: Cluster) -> None:
        await join(world, *"ab")
        before = await until_all(world, *"ab")
        world.stop_controllers()
        await join(world, *"cd")
        world.start_controllers(world.client)
        after = await until_all(world, *"abcd")
        assert {name: after[name] for name in "ab"} == before

    play(story)


def test_what_a_node_brings_is_left_to_it_and_a_quarrel_is_told() -> None:
    async def story(world: Cluster) -> None:
        await join(world, "own", own="10.0.0.0/24")
        await join(world, "elsewhere", own="10.64.0.0/24")
        await join(world, "a")
        found = await until_all(world, "own", "elsewhere", "a")
        assert found["own"] == "10.0.0.0/24"
        await join(world, "second", own="10.0.0.128/25")
        assert "overlaps with that of own" in await told(world, "second", "CIDROverlap")

    play(story)


def test_a_node_that_comes_again_may_have_what_it_had() -> None:
    async def story(world: Cluster) -> None:
        await join(world, *"abc")
        before = await until_all(world, *"abc")
        await world.client.delete(Node, "b")
        await join(world, "b", wish=before["b"])
        assert await until_all(world, *"abc") == before

    play(story)


def test_many_at_once() -> None:
    async def story(world: Cluster) -> None:
        async with asyncio.TaskGroup() as tasks:
            for name in "abcd":
                tasks.create_task(join(world, name))
        await until_all(world, *"abcd")

    play(story)
