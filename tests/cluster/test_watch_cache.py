"""The watch cache in trouble: slow watchers, compaction under it, a store that goes away, watchers that hang up."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import pytest

from api import kinds
from api.client import EVERYTHING, Selection
from api.errors import Expired, Timeout, Unavailable
from api.informer import Informer
from control_plane.apiserver import reads, watchcache, watcher
from control_plane.apiserver.server import ApiServer
from control_plane.store.contract import Batch, Item, Listing, StoreUnavailable
from control_plane.store.memory import MemoryStore
from proto.v1.cluster_pb2 import Node
from proto.v1.meta_pb2 import ObjectMeta
from tests.apiserver import World, nothing_left, serving, until


def node(name: str = "n1", **labels: str) -> Node:
    return Node(metadata=ObjectMeta(name=name, labels=labels))


def run(scenario: Any, store: Any = None, grpc: bool = False) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), serving(store or MemoryStore(), grpc=grpc) as world:
            await scenario(world)
        await nothing_left()

    asyncio.run(main())


def watching(world: World, version: str, which: Selection = EVERYTHING) -> Any:
    return aclosing(world.client.watch(Node, which, version=version))  # type: ignore[type-var]


def test_a_watcher_that_falls_too_far_behind_is_told_to_list_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watcher, "PENDING", 5)

    async def scenario(world: World) -> None:
        await world.client.create(node())
        start = (await world.client.list(Node)).version
        async with watching(world, start) as batches:
            await world.client.create(node("first"))
            assert (await anext(batches))[0].object.metadata.name == "first"
            for number in range(10):  # nobody takes these
                await world.client.create(node(f"x{number}"))
            await world.client.list(Node)
            with pytest.raises(Expired, match="too old resource version"):
                await anext(batches)

    run(scenario)


def test_a_version_before_the_history_is_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchcache, "HISTORY", 5)

    async def scenario(world: World) -> None:
        first = (await world.client.create(node())).metadata.resourceVersion
        for number in range(10):
            last = await world.client.create(node(f"x{number}"))
        await world.client.list(Node)
        with pytest.raises(Expired, match=rf"^too old resource version: {first} \(\d+\)$"):
            async with watching(world, first) as batches:
                await anext(batches)
        await world.client.create(node("after"))
        async with watching(world, last.metadata.resourceVersion) as batches:
            assert (await anext(batches))[0].object.metadata.name == "after"

    run(scenario)


class Troubled(MemoryStore):
    """A store whose watches can be broken from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.broken = asyncio.Event()
        self.reset: Exception | None = None

    async def _check(self) -> None:
        if self.away:
            raise StoreUnavailable("the disk is on holiday")

    async def get(self, key: str) -> Item | None:
        await self._check()
        return await super().get(key)

    async def list(self, prefix: str, **how: Any) -> Listing:
        await self._check()
        return await super().list(prefix, **how)

    async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
        await self._check()
        return await super().txn(expect, write)

    async def revision(self) -> int:
        await self._check()
        return await super().revision()

    async def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        await self._check()
        async with aclosing(super().watch(prefix, after=after)) as batches:
            while True:
                more = asyncio.ensure_future(anext(batches))
                broken = asyncio.ensure_future(self.broken.wait())
                try:
                    await asyncio.wait([more, broken], return_when="FIRST_COMPLETED")
                    if self.broken.is_set():
                        raise self.reset or StoreUnavailable("the watch broke")
                    yield more.result()
                finally:
                    for task in (more, broken):
                        task.cancel()
                    await asyncio.gather(more, broken, return_exceptions=True)


def test_when_the_store_comes_back_watchers_have_missed_nothing() -> None:
    async def scenario(world: World) -> None:
        store = world.store
        assert isinstance(store, Troubled)
        start = (await world.client.list(Node)).version
        async with watching(world, start) as batches:
            await world.client.create(node("a"))
            assert (await anext(batches))[0].object.metadata.name == "a"
            store.away = True
            store.broken.set()
            for call in (
                world.client.list(Node),
                world.client.get(Node, "a"),
                world.client.create(node("b")),
            ):
                with pytest.raises(Unavailable, match="the store does not answer"):
                    await call
            store.broken.clear()
            store.away = False
            await world.client.create(node("b"))
            assert (await anext(batches))[0].object.metadata.name == "b"
            assert len((await world.client.list(Node)).items) == 2

    run(scenario, Troubled())


def test_when_the_store_has_forgotten_the_cache_begins_anew_and_says_so() -> None:
    """A gap is never papered over: watchers are told, and an informer shows the difference."""

    async def scenario(world: World) -> None:
        store = world.store
        assert isinstance(store, Troubled)
        await world.client.create(node("stays"))
        await world.client.create(node("goes"))
        start = (await world.client.list(Node)).version
        informer = Informer(world.client, Node)
        told: list[tuple[str, bool]] = []
        informer.add_handler(
            lambda old, new: told.append(((new or old).metadata.name, new is not None))
        )
        async with asyncio.TaskGroup() as tasks:
            keeping = tasks.create_task(informer.run())
            await informer.wait_synced()
            async with watching(world, start) as batches:
                waiting = asyncio.ensure_future(anext(batches))
                await asyncio.sleep(0)
                store.away = True
                store.broken.set()  # the cache sees nothing of what follows
                await MemoryStore.txn(store, {}, {"/registry/nodes/goes": None})
                revision = await MemoryStore.revision(store)
                fresh = node("new").SerializeToString()
                await MemoryStore.txn(store, {}, {"/registry/nodes/new": fresh})
                await MemoryStore.compact(store, revision + 1)
                store.broken.clear()
                store.away = False
                with pytest.raises(Expired):
                    await waiting
            await until(lambda: set(informer.objects) == {"stays", "new"})
            keeping.cancel()
        assert ("goes", False) in told
        assert ("new", True) in told
        names = [n.metadata.name for n in (await world.client.list(Node)).items]
        assert names == ["new", "stays"]

    run(scenario, Troubled())


@pytest.mark.parametrize("grpc", [False, True])
def test_watchers_that_hang_up_leave_nothing(grpc: bool) -> None:
    async def scenario(world: World) -> None:
        start = (await world.client.list(Node)).version
        cache = world.server.cache.of(kinds.of(Node))

        async def watch() -> None:
            async with watching(world, start, Selection(labels="a=b")) as batches:
                async for _ in batches:
                    pass

        before = asyncio.all_tasks()
        async with asyncio.TaskGroup() as tasks:
            watches = [tasks.create_task(watch()) for _ in range(30)]
            await until(lambda: len(list(cache.watchers())) == 30)
            for task in watches:
                task.cancel()
        await until(lambda: not (list(cache.watchers()) or len(asyncio.all_tasks()) > len(before)))

    run(scenario, grpc=grpc)


def test_a_stopping_server_sends_watchers_away_with_unavailable() -> None:
    async def main() -> None:
        store = MemoryStore()
        async with asyncio.timeout(60):
            async with serving(store, grpc=True) as world:
                start = (await world.client.list(Node)).version
                batches = world.client.watch(Node, version=start)
                waiting = asyncio.ensure_future(anext(batches))
                cache = world.server.cache.of(kinds.of(Node))
                await until(lambda: list(cache.watchers()))
                world.server.send_away()
                with pytest.raises(Unavailable, match="going down"):
                    await waiting
        await nothing_left()

    asyncio.run(main())


def test_a_new_server_takes_up_watchers_of_the_old_one() -> None:
    """The cache begins a little in the past: a restart does not make every client list again."""

    async def main() -> None:
        store = MemoryStore()
        async with serving(store, grpc=False) as world:
            old = (await world.client.create(node("before"))).metadata.resourceVersion
            await world.client.create(node("missed"))
        async with (
            asyncio.timeout(30),
            serving(store, grpc=False) as world,
            watching(world, old) as batches,
        ):
            assert (await anext(batches))[0].object.metadata.name == "missed"

    asyncio.run(main())


def test_bookmarks_let_a_quiet_watcher_resume(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "BOOKMARK_EVERY", 0.01)

    async def scenario(world: World) -> None:
        start = (await world.client.list(Node)).version
        async with watching(world, start, Selection(labels="never=there")) as batches:
            made = await world.client.create(node())
            async for batch in batches:
                (event,) = batch
                assert event.type == "BOOKMARK"
                assert event.object == Node(
                    apiVersion="v1",
                    kind="Node",
                    metadata=ObjectMeta(resourceVersion=event.object.metadata.resourceVersion),
                )
                if event.object.metadata.resourceVersion == made.metadata.resourceVersion:
                    break

    run(scenario)


def test_a_list_waits_for_a_version_that_is_about_to_come() -> None:
    async def scenario(world: World) -> None:
        now = int((await world.client.list(Node)).version)
        waiting = asyncio.ensure_future(world.client.list(Node, version=str(now + 1)))
        await asyncio.sleep(0)
        await world.client.create(node())
        assert len((await waiting).items) == 1

    run(scenario)


def test_the_future_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PATIENCE", 0.01)

    async def scenario(world: World) -> None:
        with pytest.raises(Timeout, match="Too large resource version: 999, current: "):
            await world.client.list(Node, version="999")

    run(scenario)


def test_a_server_that_has_not_begun_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reads, "PATIENCE", 0.01)

    async def main() -> None:
        server = ApiServer(MemoryStore())
        with pytest.raises(Unavailable, match="still reading its store"):
            await server.client.list(Node, version="0")

    asyncio.run(main())
