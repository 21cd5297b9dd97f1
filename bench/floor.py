"""The floor: the same work done bare, so that a figure of ours has something to stand beside.

`grpc_echo` is a gRPC call that does nothing; `sqlite_commit` is a durable insert with nobody around it; `two_starts` is
what a pod costs when one asks Docker for it by hand: a sandbox and one container in its network.
"""

import asyncio
import sqlite3
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import docker
import grpc


@dataclass(frozen=True)
class Rate:
    """How many per second, and how long one took (milliseconds)."""

    per_second: float
    p50: float
    p99: float


def rate_of(latencies: list[float], seconds: float) -> Rate:
    """From single latencies (seconds) and the length of the whole run (seconds)."""
    ordered = sorted(latencies)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000 for q in (0.5, 0.99)]
    return Rate(len(ordered) / seconds, *at)


async def hammer(call: Callable[[int], Awaitable[object]], *, clients: int, total: int) -> Rate:
    """`clients` tasks share `total` calls; each sends its next call when the last was answered."""
    latencies: list[float] = []
    numbers = iter(range(total))

    async def client() -> None:
        for number in numbers:
            begun = time.perf_counter()
            await call(number)
            latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for _ in range(clients):
            tasks.create_task(client())
    return rate_of(latencies, time.perf_counter() - begun)


async def serve_echo(ready: Callable[[int], None]) -> None:
    """A gRPC server that answers every call with the bytes it got. Runs until cancelled."""

    async def echo(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return request

    handler = grpc.unary_unary_rpc_method_handler(echo)
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("bench", {"Echo": handler}),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    ready(port)
    await server.wait_for_termination()


async def grpc_echo(port: int, *, clients: int, total: int) -> Rate:
    payload = b"x" * 1024
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = channel.unary_unary("/bench/Echo")
        return await hammer(lambda _: call(payload), clients=clients, total=total)


def sqlite_commit(*, total: int) -> Rate:
    """One durable transaction (synchronous=FULL) after the other, 1 KiB each."""
    with tempfile.TemporaryDirectory() as folder:
        db = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        db.execute("CREATE TABLE log (revision INTEGER PRIMARY KEY, value BLOB)")
        latencies = []
        begun = time.perf_counter()
        for _ in range(total):
            start = time.perf_counter()
            db.execute("INSERT INTO log (value) VALUES (?)", (b"x" * 1024,))
            latencies.append(time.perf_counter() - start)
        seconds = time.perf_counter() - begun
        db.close()
    return rate_of(latencies, seconds)


def two_starts(client: docker.DockerClient, *, pause: str, image: str, name: str) -> float:
    """Seconds for a sandbox without network and one container that joins it, both running."""
    begun = time.perf_counter()
    sandbox = client.containers.create(
        pause,
        name=f"{name}-sandbox",
        network_mode="none",
        ipc_mode="shareable",
        labels={"helmling.bench": "1"},
    )
    sandbox.start()
    inside = f"container:{sandbox.id}"
    app = client.containers.create(
        image,
        name=f"{name}-app",
        network_mode=inside,
        ipc_mode=inside,
        labels={"helmling.bench": "1"},
    )
    app.start()
    return time.perf_counter() - begun


def remove_all(client: docker.DockerClient) -> None:
    for container in client.containers.list(all=True, filters={"label": "helmling.bench=1"}):
        container.remove(force=True)
