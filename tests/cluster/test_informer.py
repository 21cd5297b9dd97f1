"""Informers against a real server: what their copy shows and what their handlers are told, whatever happens."""

import asyncio
from contextlib import aclosing
from typing import Any

from api.client import Selection
from api.errors import Expired, Unavailable
from api.informer import Informer, Informers, by_namespace, by_owner
from control_plane.store.memory import MemoryStore
from proto.v1.cluster_pb2 import Lease, Node
from proto.v1.meta_pb2 import ObjectMeta, OwnerReference
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.apiserver import World, pod, serving, until


def run(scenario: Any) -> None:
    async def main() -> None:
        async with asyncio.timeout(10_000), serving(MemoryStore(), grpc=False) as world:
            await scenario(world)

    fake_time.run(main())


class Unreliable:
    """A client whose calls fail when told to. `ApiServer.send_away` cuts its watches."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.lists: list[str] = []  # the versions asked for
        self.watches = 0
        self.failures: list[Exception] = []  # raised by the next calls

    async def list(self, kind: Any, which: Any, *, version: str = "") -> Any:
        self.lists.append(version)
        if self.failures:
            raise self.failures.pop(0)
        return await self._client.list(kind, which, version=version)

    async def watch(self, kind: Any, which: Any, *, version: str) -> Any:
        self.watches += 1
        if self.failures:
            raise self.failures.pop(0)
        async with aclosing(self._client.watch(kind, which, version=version)) as batches:
            async for batch in batches:
                yield batch


def names(informer: Informer[Any]) -> set[str]:
    return set(informer.objects)


def test_the_copy_follows_and_handlers_are_told() -> None:
    async def scenario(world: World) -> None:
        await world.client.create(pod("a"))
        informers = Informers(world.client)
        pods = informers.of(Pod)
        assert informers.of(Pod) is pods
        assert informers.of(Pod, Selection(labels="a=b")) is not pods
        told: list[tuple[str | None, str | None]] = []

        def phase(each: Pod | None) -> str | None:
            return each.status.phase if each else None

        pods.add_handler(lambda old, new: told.append((phase(old), phase(new))))
        assert not pods.has_synced
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informers.run())
            await informers.wait_synced()
            assert names(pods) == {"default/a"}
            running_pod = await world.client.get(Pod, "a", "default")
            running_pod.status.phase = "Running"
            await world.client.update(running_pod, subresource="status")
            await until(lambda: len(told) == 2)
            await world.client.delete(Pod, "a", "default")
            await until(lambda: not pods.objects)
            assert told == [(None, "Pending"), ("Pending", "Running"), ("Running", None)]
            late: list[Any] = []
            await world.client.create(pod("b"))
            await until(lambda: pods.objects)
            pods.add_handler(lambda old, new: late.append((old, new.metadata.name)))
            assert late == [(None, "b")]
            nodes = informers.of(Node)  # asked for while running: it runs too
            await nodes.wait_synced()
            running.cancel()

    run(scenario)


def test_the_first_list_shows_what_was_written_just_now() -> None:
    """The server's cache is a moment behind its store: who begins to watch then must not see the past."""

    async def scenario(world: World) -> None:
        pods = Informer(world.client, Pod)
        await world.client.create(pod("a"))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(pods.run())
            await pods.wait_synced()
            assert names(pods) == {"default/a"}
            running.cancel()

    run(scenario)


def test_a_cut_line_is_resumed_without_listing_again() -> None:
    async def scenario(world: World) -> None:
        client = Unreliable(world.client)
        informer = Informer(client, Pod)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            await informer.wait_synced()
            await world.client.create(pod("a"))
            await until(lambda: names(informer) == {"default/a"})
            client.failures = [Unavailable("no"), Unavailable("still no")]
            world.server.send_away()
            await world.client.create(pod("missed"))
            await until(lambda: not client.failures)
            await until(lambda: names(informer) == {"default/a", "default/missed"})
            assert client.lists == [""]
            running.cancel()

    run(scenario)


def test_after_expired_the_difference_is_told() -> None:
    async def scenario(world: World) -> None:
        client = Unreliable(world.client)
        informer = Informer(client, Pod)  # type: ignore[arg-type]
        told: list[tuple[bool, bool, str]] = []
        informer.add_handler(
            lambda old, new: told.append((bool(old), bool(new), (new or old).metadata.name))
        )
        for name in ("stays", "goes"):
            await world.client.create(pod(name))
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            await until(lambda: names(informer) == {"default/stays", "default/goes"})
            told.clear()
            client.failures = [Expired("too old"), Unavailable("and the list fails once")]
            client.failures.append(Expired("too old"))
            world.server.send_away()
            await world.client.delete(Pod, "goes", "default")
            await world.client.create(pod("new"))
            await until(lambda: names(informer) == {"default/stays", "default/new"})
            assert sorted(told) == [(False, True, "new"), (True, False, "goes")]
            assert client.lists == ["", "", ""]
            running.cancel()

    run(scenario)


def test_a_server_that_is_away_is_asked_ever_more_rarely() -> None:
    async def scenario(world: World) -> None:
        client = Unreliable(world.client)
        client.failures = [Unavailable("no")] * 20
        informer = Informer(client, Pod)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            await informer.wait_synced()
            assert 14 * 2.5 < asyncio.get_running_loop().time() < 20 * 5
            running.cancel()

    run(scenario)


def test_indices_follow() -> None:
    async def scenario(world: World) -> None:
        informer = Informer(world.client, Pod)
        informer.add_index("node", lambda each: [each.spec.nodeName])
        informer.add_index("owner", by_owner)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            owned = pod("a")
            owner = OwnerReference(apiVersion="v1", kind="Node", name="n", uid="u1")
            owned.metadata.ownerReferences.append(owner)
            await world.client.create(owned)
            await until(lambda: informer.objects)
            informer.add_index("namespace", by_namespace)
            assert [p.metadata.name for p in informer.by_index("owner", "u1")] == ["a"]
            assert [p.metadata.name for p in informer.by_index("node", "")] == ["a"]
            await world.client.bind("default", "a", "", "n1")
            await until(lambda: informer.by_index("node", "n1"))
            assert informer.by_index("node", "") == []
            assert len(informer.by_index("namespace", "default")) == 1
            await world.client.delete(Pod, "a", "default")
            await world.client.delete(Pod, "a", "default")
            going = await world.client.get(Pod, "a", "default")
            assert going.metadata.HasField("deletionTimestamp")
            running.cancel()

    run(scenario)


def test_a_store_put_back_to_an_older_state_is_noticed() -> None:
    """The version we know is in the server's future: everything is looked at anew."""

    async def scenario(world: World) -> None:
        client = Unreliable(world.client)
        informer = Informer(client, Lease)  # type: ignore[arg-type]
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            await informer.wait_synced()
            informer.version = "999999"
            ghost = Lease(metadata=ObjectMeta(name="ghost", namespace="default"))
            informer.objects["default/ghost"] = ghost
            world.server.send_away()
            await until(lambda: not informer.objects)
            running.cancel()

    run(scenario)
