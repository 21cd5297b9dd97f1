"""A real cluster on this machine: how long it takes to start, what it weighs, and what a pod costs beside Docker's API.

Everything runs in a data directory of its own and is gone afterwards. The pods are measured from the outside: `create`
is called, and the clock stops when the watch shows all containers running.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import docker

from api.client import Client, Delete, Selection
from api.errors import NotFound
from bench import api_load, floor
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec

HELMLING = [sys.executable, "-m", "cli.main"]
PAUSE, IMAGE = "helmling/pause:1", "helmling/hello:v1"


@dataclass(frozen=True)
class Cluster:
    data_dir: Path
    seconds_to_ready: float

    def pids(self) -> list[int]:
        """The server's and the agent's."""
        files = (self.data_dir / "run" / f"{part}.json" for part in ("server", "agent"))
        return [json.loads(file.read_text())["pid"] for file in files]

    @property
    def conf(self) -> str:
        """The administrator's kubeconfig."""
        return str(self.data_dir / "admin.conf")


def helmling(data_dir: Path, *arguments: str) -> None:
    done = subprocess.run(
        [*HELMLING, *arguments, "--data-dir", str(data_dir)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"helmling {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")


def seconds_of(data_dir: Path, *arguments: str, runs: int = 9) -> float:
    """How long the command takes on the wall clock, as a user waits for it: the median."""
    took = []
    for _ in range(runs):
        begun = time.perf_counter()
        helmling(data_dir, *arguments)
        took.append(time.perf_counter() - begun)
    return median(took)


@contextmanager
def cluster(*options: str) -> Iterator[Cluster]:
    """A cluster that was down, and is down again afterwards; timed from the command to the ready node."""
    with tempfile.TemporaryDirectory(prefix="helmling-bench-") as folder:
        data_dir = Path(folder) / "data"
        try:
            begun = time.perf_counter()
            helmling(data_dir, "up", *options)
            yield Cluster(data_dir, time.perf_counter() - begun)
        finally:
            helmling(data_dir, "down", "--wipe", "--yes")


def resident_mb(pids: Sequence[int]) -> float:
    """Resident memory of the processes together, in MB (10⁶ bytes)."""
    pages = sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids)
    return pages * 4096 / 1e6


def cpu_seconds(pids: Sequence[int]) -> float:
    """Processor time that they have used so far."""
    return sum(api_load.processor_seconds(pid) for pid in pids)


def hello(name: str) -> Pod:
    return Pod(
        metadata=ObjectMeta(name=name, namespace="default"),
        spec=PodSpec(
            containers=[Container(name="app", image=IMAGE, imagePullPolicy="IfNotPresent")],
            terminationGracePeriodSeconds=0,
        ),
    )


async def until_running(client: Client, names: set[str], version: str) -> None:
    waiting = set(names)
    async for batch in client.watch(Pod, Selection("default"), version=version):
        waiting -= {e.object.metadata.name for e in batch if e.object.status.phase == "Running"}
        if not waiting:
            return


async def until_gone(client: Client, names: set[str]) -> None:
    for name in names:
        await client.delete(Pod, name, "default", Delete(grace=0))
    for name in names:
        while True:
            try:
                await client.get(Pod, name, "default")
            except NotFound:
                break
            await asyncio.sleep(0.02)


async def through_helmling(client: Client, prefix: str, count: int) -> float:
    """Seconds from the first create to the last pod running."""
    names = {f"{prefix}-{i}" for i in range(count)}
    version = (await client.list(Pod, Selection("default"))).version
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(client.create(hello(name)))
    await until_running(client, names, version)
    seconds = time.perf_counter() - begun
    await until_gone(client, names)
    return seconds


def by_hand(engine: docker.DockerClient, prefix: str, count: int, *, at_once: int = 8) -> float:
    """Seconds for the same containers through Docker's API, `at_once` pods side by side."""
    begun = time.perf_counter()
    with ThreadPoolExecutor(at_once) as pool:
        started = [
            pool.submit(floor.two_starts, engine, pause=PAUSE, image=IMAGE, name=f"{prefix}-{i}")
            for i in range(count)
        ]
        for each in started:
            each.result()
    seconds = time.perf_counter() - begun
    floor.remove_all(engine)
    return seconds


@dataclass(frozen=True)
class Beside:
    """Ours and the floor's seconds, medians of pairs taken in turn."""

    ours: float
    floor: float

    @property
    def ratio(self) -> float:
        return self.ours / self.floor


async def beside(client: Client, engine: docker.DockerClient, *, count: int, rounds: int) -> Beside:
    pairs = []
    for i in range(rounds):
        theirs = await asyncio.to_thread(by_hand, engine, f"bench-hand-{count}-{i}", count)
        pairs.append((await through_helmling(client, f"bench-{count}-{i}", count), theirs))
    return Beside(median(ours for ours, _ in pairs), median(theirs for _, theirs in pairs))
