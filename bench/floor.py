"""The floor: the same work done bare, so that a figure of ours has something to stand beside.

`sqlite_commit` is a durable insert with nobody around it; `two_starts` is what a pod costs when one asks Docker for it
by hand: a sandbox and one container in its network.
"""

import sqlite3
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import docker


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
