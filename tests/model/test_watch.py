"""Any interleaving of writes, with watchers that begin and resume anywhere: each sees exactly what changed for it.

The oracle is a list of the writes with the labels before and after. What a watcher with a selector must see follows
from it by S#7 alone; what the watch cache does to get there (shared batches, triggers, pending lists) does not matter.
"""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from api.client import Selection
from control_plane.store.memory import MemoryStore
from proto.v1.cluster_pb2 import Node
from proto.v1.meta_pb2 import ObjectMeta
from tests.apiserver import World, serving, until

NAMES = ("a", "b", "c")
TIERS = ("web", "db")
SELECTIONS = {
    "all": Selection(),
    "tier": Selection(labels="tier=web"),
    "not": Selection(labels="tier!=web"),
    "name": Selection(fields="metadata.name=a"),
    "cordoned": Selection(fields="spec.unschedulable=true"),
}

Look = (
    tuple[str, bool] | None
)  # an object's tier, and whether it is cordoned; None: it is not there


@dataclass
class Written:
    """One write as the oracle knows it."""

    name: str
    before: Look
    after: Look
    version: int


def chosen(selection: str, name: str, look: Look) -> bool:
    if look is None:
        return False
    tier, cordoned = look
    return {
        "all": True,
        "tier": tier == "web",
        "not": tier != "web",
        "name": name == "a",
        "cordoned": cordoned,
    }[selection]


def expected(log: Sequence[Written], selection: str, after: int) -> list[tuple[str, str, int]]:
    found = []
    for each in log:
        if each.version <= after:
            continue
        was = chosen(selection, each.name, each.before)
        now = chosen(selection, each.name, each.after)
        kind = {
            (False, True): "ADDED",
            (True, True): "MODIFIED",
            (True, False): "DELETED",
        }.get((was, now))
        if kind:
            found.append((kind, each.name, each.version))
    return found


@dataclass
class Model:
    world: World
    log: list[Written] = field(default_factory=list)
    state: dict[str, Look] = field(default_factory=dict)

    async def write(self, name: str, look: Look) -> None:
        before = self.state.get(name)
        if before == look:
            return
        client = self.world.client
        if look is None:
            await client.delete(Node, name)
            version = await self.world.store.revision()
        else:
            node = Node(metadata=ObjectMeta(name=name, labels={"tier": look[0]}))
            node.spec.unschedulable = look[1]
            done = await (client.update(node) if before else client.create(node))
            version = int(done.metadata.resourceVersion)
        self.state[name] = look
        self.log.append(Written(name, before, look, version))


async def follow(world: World, selection: str, after: int, found: list[Any]) -> None:
    """Collect events until cancelled."""
    which = SELECTIONS[selection]
    async with aclosing(world.client.watch(Node, which, version=str(after))) as batches:  # type: ignore[type-var]
        async for batch in batches:
            for event in batch:
                meta = event.object.metadata
                found.append((event.type, meta.name, int(meta.resourceVersion)))


@st.composite
def plays(draw: st.DrawFn) -> list[Any]:
    look = st.none() | st.tuples(st.sampled_from(TIERS), st.booleans())
    write = st.tuples(st.sampled_from(NAMES), look)
    watch = st.tuples(st.just("watch"), st.sampled_from(sorted(SELECTIONS)), st.floats(0, 1))
    turns = st.tuples(st.just("run"), st.sampled_from([1, 3, 12]))  # of the event loop
    return draw(st.lists(write | watch | turns | write, min_size=5, max_size=40))


@given(plays())
@settings(max_examples=150, deadline=None)
def test_watchers_see_exactly_the_changes(play: list[Any]) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), serving(MemoryStore(), grpc=False) as world:
            await perform(world, play)

    asyncio.run(main())


async def turns_of_the_loop(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def perform(world: World, play: list[Any]) -> None:
    model = Model(world)
    first = await world.store.revision()
    watchers: list[tuple[str, int, list[Any]]] = []
    async with asyncio.TaskGroup() as tasks:
        running = []
        for step in play:
            if step[0] == "run":
                await turns_of_the_loop(step[1])
                continue
            if step[0] != "watch":
                await model.write(*step)
                continue
            _, selection, where = step
            after = first + round((await world.store.revision() - first) * where)
            watchers.append((selection, after, []))
            running.append(tasks.create_task(follow(world, *watchers[-1])))
        wanted = [expected(model.log, selection, after) for selection, after, _ in watchers]
        for (_, _, found), want in zip(watchers, wanted, strict=True):
            await until(lambda found=found, want=want: len(found) >= len(want))
        await turns_of_the_loop(20)  # in which an event too many would come
        for task in running:
            task.cancel()
    assert [found for _, _, found in watchers] == wanted
