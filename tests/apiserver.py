"""A whole API server for tests: a store, the server, and a client of either kind."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from api.client import Client
from api.grpc_client import GrpcClient, connect
from control_plane.apiserver.allocation.ranges import DEFAULT, Ranges
from control_plane.apiserver.server import UNLOGGED, ApiServer, Door, Service
from control_plane.apiserver.trail import Trail
from control_plane.store.contract import Store
from control_plane.store.open import open_store
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from tests import pki


@dataclass
class World:
    store: Store
    server: ApiServer
    client: Client
    address: str = ""  # only with gRPC


@asynccontextmanager
async def serving(
    store: Store,
    *,
    grpc: bool,
    services: Sequence[Service] = (),
    trail: Trail = UNLOGGED,
    ranges: Ranges = DEFAULT,
) -> AsyncIterator[World]:
    """A prepared server over the store, and a client."""
    server = ApiServer(store, services=services, ranges=ranges)
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(server.run())
        try:
            await server.prepare()
            if not grpc:
                yield World(store, server, server.client)
                return
            async with server.listening(
                Door("127.0.0.1:0", pki.door()), to_agents=pki.to_agents, trail=trail
            ) as (port,):
                address = f"127.0.0.1:{port}"
                client: GrpcClient
                async with connect(address, pki.admin(), manager="test") as client:
                    yield World(store, server, client, address)
        finally:
            following.cancel()


async def until(holds: Callable[[], object]) -> None:
    """Wait for something to become true; how long is the test's timeout to say."""
    while not holds():  # noqa: ASYNC110 (nobody would set an event)
        await asyncio.sleep(0.005)


Scenario = Callable[[World], Coroutine[Any, Any, None]]


def run_scenario(store_url: str, grpc: bool, scenario: Scenario) -> None:
    """Run it, then see that no task is left."""

    async def whole() -> None:
        store = await open_store(store_url)
        try:
            async with asyncio.timeout(120), serving(store, grpc=grpc) as world:
                await scenario(world)
        finally:
            await store.close()
        await nothing_left()

    asyncio.run(whole())


async def nothing_left() -> None:
    """Until no task but this one is there; a task that was told to end needs its turn to do so."""
    async with asyncio.timeout(10):
        await until(lambda: not ours(asyncio.all_tasks() - {asyncio.current_task()}))


def ours(tasks: Any) -> set[Any]:
    """grpc.aio keeps a task of its own for as long as the process lives."""
    return {task for task in tasks if "PollerCompletionQueue" not in repr(task)}


def pod(name: str = "web", namespace: str = "default", **labels: str) -> Pod:
    return Pod(
        metadata=ObjectMeta(name=name, namespace=namespace, labels=labels),
        spec=PodSpec(containers=[Container(name="app", image="helmling/hello:v1")]),
    )
