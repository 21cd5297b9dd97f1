"""Quotas and bounds in a running API server: exact under concurrency, and counted anew when something goes (S#26)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.client import Client, Delete, Selection
from api.errors import ApiError, Forbidden
from api.informer import Informers
from control_plane.apiserver.server import ApiServer
from control_plane.controllers import quota
from control_plane.store.contract import Store
from control_plane.store.memory import MemoryStore
from control_plane.store.open import open_store
from proto.v1.cluster_pb2 import Namespace
from proto.v1.limits_pb2 import LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod
from tests.apiserver import nothing_left, pod, serving

HOME = Selection(namespace="default")


def limited(name: str = "q", scopes: tuple[str, ...] = (), **hard: int | str) -> ResourceQuota:
    made = ResourceQuota(metadata=ObjectMeta(name=name, namespace="default"))
    made.spec.hard.update({key.replace("_", "."): str(amount) for key, amount in hard.items()})
    made.spec.scopes.extend(scopes)
    return made


@asynccontextmanager
async def counting(client: Client) -> AsyncIterator[None]:
    """The controller, as long as the block runs."""
    informers = Informers(client)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(quota.run(client, informers)),
            tasks.create_task(informers.run()),
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()


def run(scenario: Any, store: Store | None = None) -> None:
    async def whole() -> None:
        async with (
            asyncio.timeout(120),
            serving(store or MemoryStore(), grpc=False) as world,
            counting(world.client),
        ):
            await scenario(world.client)

    async def clean() -> None:
        await whole()
        await nothing_left()

    asyncio.run(clean())


async def used(client: Client, name: str = "q") -> dict[str, str]:
    return dict((await client.get(ResourceQuota, name, "default")).status.used)


async def uses(client: Client, name: str = "q", **expected: str) -> None:
    wanted = {key.replace("_", "."): amount for key, amount in expected.items()}
    while await used(client, name) != wanted:  # noqa: ASYNC110 (the server's to know)
        await asyncio.sleep(0.01)


async def attempt(action: Coroutine[Any, Any, Any]) -> str:
    """What the refusal said; "": there was none."""
    try:
        await action
    except Forbidden as refused:
        return refused.message
    return ""


def test_the_first_pod_too_many_is_refused_in_kubernetes_words() -> None:
    async def scenario(client: Client) -> None:
        await client.create(limited(pods=2))
        await client.create(pod("a"))
        await client.create(pod("b"))
        with pytest.raises(Forbidden) as refused:
            await client.create(pod("c"))
        assert refused.value.message == (
            'pods "c" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2'
        )
        assert await used(client) == {"pods": "2"}

    run(scenario)


def test_what_was_there_before_the_quota_counts() -> None:
    async def scenario(client: Client) -> None:
        await client.create(pod("a"))
        await client.create(limited(pods=1))
        assert "exceeded quota" in await attempt(client.create(pod("b")))

    run(scenario)


def test_what_goes_makes_room() -> None:
    async def scenario(client: Client) -> None:
        await client.create(limited(pods=2))
        ended = await client.create(pod("a"))
        await client.create(pod("b"))
        ended.status.phase = "Succeeded"
        await client.update(ended, subresource="status")
        await uses(client, pods="1")
        await client.delete(Pod, "b", "default", Delete(grace=0))
        await uses(client, pods="0")
        await client.create(pod("c"))
        await uses(client, pods="1")

    run(scenario)


def test_any_kind_can_be_counted() -> None:
    async def scenario(client: Client) -> None:
        made = limited()
        made.spec.hard["count/limitranges"] = "0"
        await client.create(made)
        bounds = LimitRange(metadata=ObjectMeta(name="b", namespace="default"))
        bounds.spec.limits.add(type="Pod").max["cpu"] = "1"
        assert "count/limitranges=1" in await attempt(client.create(bounds))

    run(scenario)


def test_an_update_that_comes_into_scope_is_charged() -> None:
    async def scenario(client: Client) -> None:
        await client.create(limited("short", ("Terminating",), pods=1))
        await client.create(pod("a"))
        await client.create(pod("b"))
        await uses(client, "short", pods="0")
        change = {"spec": {"activeDeadlineSeconds": 600}}
        await client.patch(Pod, "a", "default", change)
        assert await used(client, "short") == {"pods": "1"}
        assert "exceeded quota: short" in await attempt(client.patch(Pod, "b", "default", change))

    run(scenario)


def test_a_dry_run_takes_nothing() -> None:
    async def scenario(client: Client) -> None:
        await client.create(limited(pods=1))
        await client.create(pod("a"), dry_run=True)
        await uses(client, pods="0")
        await client.create(pod("a"))
        assert "exceeded quota" in await attempt(client.create(pod("b"), dry_run=True))

    run(scenario)


def test_a_quota_that_nobody_counts_lets_nobody_in() -> None:
    """Without the controller nobody knows what there is; after some patience that is said."""

    async def whole() -> None:
        async with asyncio.timeout(60), serving(MemoryStore(), grpc=False) as world:
            await world.client.create(limited(pods=5))
            told = await attempt(world.client.create(pod("a")))
            assert told.endswith("status unknown for quota: q, resources: pods")

    asyncio.run(whole())


def test_bounds_hold_from_the_moment_they_are_made() -> None:
    """Nothing is remembered for longer than it is true: rules count for the very next request."""

    async def scenario(client: Client) -> None:
        await client.create(pod("before"))
        item = LimitRangeItem(type="Container", max={"cpu": "1"}, default={"cpu": "500m"})
        spec = LimitRangeSpec(limits=[item])
        await client.create(
            LimitRange(metadata=ObjectMeta(name="b", namespace="default"), spec=spec)
        )
        made = await client.create(pod("after"))
        assert dict(made.spec.containers[0].resources.limits) == {"cpu": "500m"}
        greedy = pod("greedy")
        greedy.spec.containers[0].resources.limits["cpu"] = "2"
        assert await attempt(client.create(greedy)) == (
            'pods "greedy" is forbidden: maximum cpu usage per Container is 1, but limit is 2'
        )
        await client.delete(LimitRange, "b", "default")
        await client.create(greedy)

    run(scenario)


def test_a_namespace_with_rules_can_be_emptied() -> None:
    async def scenario(client: Client) -> None:
        await client.create(limited(pods=1))
        await client.delete(ResourceQuota, "q", "default")
        await client.create(pod("a"))
        await client.create(pod("b"))
        before = await client.get(Namespace, "default")
        assert not before.metadata.HasField("deletionTimestamp")

    run(scenario)


# Many at once


async def storm(clients: list[Client], plan: list[tuple[str, int]], most: int) -> None:
    """Create and delete, all at once, through several servers; there are never more than there may be."""

    async def act(number: int, verb: str, target: int) -> None:
        client = clients[number % len(clients)]
        with suppress(ApiError):
            if verb == "create":
                await client.create(pod(f"p{target}"))
            else:
                await client.delete(Pod, f"p{target}", "default", Delete(grace=0))

    async def watch() -> None:
        while True:
            there = (await clients[0].list(Pod, HOME)).items
            assert len(there) <= most
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(watch())
        async with asyncio.TaskGroup() as writers:
            for number, (verb, target) in enumerate(plan):
                writers.create_task(act(number, verb, target))
        looking.cancel()


@asynccontextmanager
async def another(store: Store) -> AsyncIterator[Client]:
    """A second API server on the same store: it knows nothing of the first."""
    server = ApiServer(store)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(server.run())
        yield server.client
        following.cancel()


STEPS = st.lists(
    st.tuples(st.sampled_from(["create", "create", "create", "delete"]), st.integers(0, 9)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(plan=STEPS, most=st.integers(0, 6))
def test_however_many_create_at_once_the_limit_holds(
    plan: list[tuple[str, int]], most: int
) -> None:
    """Through two API servers, with the controller counting in between; in the end the number is right."""
    store = MemoryStore()

    async def scenario(client: Client) -> None:
        await client.create(limited(pods=most))
        async with another(store) as other:
            await storm([client, other], plan, most)
        there = len((await client.list(Pod, HOME)).items)
        await uses(client, pods=str(there))

    run(scenario, store)


def test_every_place_is_given_away_once(tmp_path: Any) -> None:
    """On SQLite: of 60 that come at once exactly 25 get in, and nobody has to come again."""

    async def whole() -> None:
        store = await open_store(f"sqlite://{tmp_path}/store.db")
        try:
            async with serving(store, grpc=False) as world, counting(world.client):
                await world.client.create(limited(pods=25))
                told = await asyncio.gather(
                    *(attempt(world.client.create(pod(f"p{n}"))) for n in range(60))
                )
                assert sum(not each for each in told) == 25
                assert all("exceeded quota" in each for each in told if each)
                await uses(world.client, pods="25")
        finally:
            await store.close()

    asyncio.run(whole())


def test_services_are_counted_by_what_they_take() -> None:
    async def scenario(client: Client) -> None:
        wanted = {"services": 3, "services.nodeports": 2, "services.loadbalancers": 1}
        made = limited()
        made.spec.hard.update({name: str(count) for name, count in wanted.items()})
        await client.create(made)

        def service(name: str, type: str, ports: int = 1) -> Service:
            made = Service(metadata=ObjectMeta(name=name, namespace="default"))
            made.spec.type = type
            for number in range(80, 80 + ports):
                made.spec.ports.add(name=f"p{number}", port=number)
            return made

        await client.create(service("balanced", "LoadBalancer"))
        await client.create(service("plain", "ClusterIP", 5))
        told = await attempt(client.create(service("wide", "NodePort", 2)))
        assert "requested: services.nodeports=2,used: services.nodeports=1" in told.replace(
            ", ", ","
        )
        told = await attempt(client.create(service("second", "LoadBalancer")))
        assert "services.loadbalancers=1" in told
        patch = {"spec": {"type": "NodePort"}}
        told = await attempt(client.patch(Service, "plain", "default", patch, patch_type="merge"))
        assert "services.nodeports" in told
        await client.delete(Service, "balanced", "default")
        await uses(client, services="1", services_nodeports="0", services_loadbalancers="0")
        await client.create(service("wide", "NodePort", 2))
        assert (await used(client))["services.nodeports"] == "2"

    run(scenario)
