"""How many calls a second the API takes, with so many clients: creates, gets, and a watch with many watchers.

    python -m bench.api_load [--clients 1,16,64] [--seconds 5] [--watchers 100,200] [--kubeconfig FILE] [--json]

Starts a control plane of its own on SQLite (synchronous=FULL) in a scratch directory, in a process of its own,
unless told where one runs. The clients are processes too: a client in Python costs as much as the server, and one
process of them would measure itself. All share the machine's cores, as in the figures it is compared with.
"""

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

PROCESSES = 2  # clients are spread over so many processes

SERVER = """
import sys
from pathlib import Path
from control_plane.main import Options, log_to_stderr, run
log_to_stderr("warning")
ready = lambda address: print(address, flush=True)
run(Options(Path(sys.argv[1]), port=0, token_port=0, ready=ready))
"""


@dataclass(frozen=True)
class Rate:
    what: str
    clients: int
    per_second: float
    p50_ms: float
    p99_ms: float
    server_us: float = (
        0.0  # processor time of the server per call, which others on the machine disturb least
    )


def pod(name: str) -> Any:
    from proto.v1.meta_pb2 import ObjectMeta
    from proto.v1.pod_pb2 import Container, Pod, PodSpec, ResourceRequirements

    needs = ResourceRequirements(requests={"cpu": "100m", "memory": "64Mi"})
    containers = [Container(name="app", image="helmling/hello:v1", resources=needs)]
    meta = ObjectMeta(name=name, namespace="default", labels={"app": "bench"})
    # Another scheduler's: what is measured is the API, and not who else is at work.
    return Pod(metadata=meta, spec=PodSpec(containers=containers, schedulerName="nobody"))


def administrator(conf: str) -> Any:
    """A client of the cluster that this kubeconfig tells of."""
    from api.grpc_client import connect
    from cli.kubeconfig import of_file

    target = of_file(conf)
    return connect(target.address, target.identity)


async def callers(conf: str, verb: str, names: Sequence[str], seconds: float) -> list[float]:
    """One caller per name, each as fast as it can for so long. The time of every call, in seconds."""
    from proto.v1.pod_pb2 import Pod

    took: list[float] = []

    async def call(name: str) -> None:
        async with administrator(conf) as client:
            await client.version()
            number, end = 0, time.perf_counter() + seconds
            while (begin := time.perf_counter()) < end:
                if verb == "create":
                    await client.create(pod(f"{name}-{number}"))
                elif verb == "version":
                    await client.version()
                else:
                    await client.get(Pod, "target", "default")
                took.append(time.perf_counter() - begin)
                number += 1

    async with asyncio.TaskGroup() as tasks:
        for name in names:
            tasks.create_task(call(name))
    return took


def _callers(conf: str, verb: str, names: Sequence[str], seconds: float) -> list[float]:
    return asyncio.run(callers(conf, verb, names, seconds))


def processor_seconds(pid: int) -> float:
    """What a process has used so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate(conf: str, verb: str, clients: int, seconds: float, pid: int = 0) -> Rate:
    names = [f"{verb}-{clients}-{number}-{time.time_ns()}" for number in range(clients)]
    count = min(PROCESSES, clients)
    shares = [names[part::count] for part in range(count)]
    context = multiprocessing.get_context("spawn")
    with context.Pool(count) as pool:
        before = processor_seconds(pid) if pid else 0.0
        parts = pool.starmap(_callers, [(conf, verb, share, seconds) for share in shares])
        used = processor_seconds(pid) - before if pid else 0.0
    took = [one for part in parts for one in part]
    return Rate(verb, clients, len(took) / seconds, *spread(took), used / len(took) * 1e6)


def spread(took: Sequence[float]) -> tuple[float, float]:
    """p50 and p99 in milliseconds."""
    cuts = quantiles(took, n=100)
    return cuts[49] * 1000, cuts[98] * 1000


def watched(conf: str, watchers: int, writes: int) -> Iterator[Rate]:
    """One writer, many watchers: how long until an event is there, and how many events arrive a second."""
    yield _watch_run("watch, 10 writes/s", conf, watchers, writes=40, pause=0.1)
    yield _watch_run("watch, full speed", conf, watchers, writes=writes, pause=0.0)


def _watch_run(what: str, conf: str, watchers: int, writes: int, pause: float) -> Rate:
    start = asyncio.run(_newest(conf))
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        waiting = pool.apply_async(_watchers, (conf, start, watchers, writes))
        time.sleep(2.0)  # all of them are there by then; who is late reads on from `start`
        begin = time.time()
        asyncio.run(_write(conf, writes, pause))
        took, end = waiting.get(timeout=120)
    return Rate(what, watchers, len(took) / (end - begin), *spread(took))


def _watchers(conf: str, start: str, count: int, writes: int) -> tuple[list[float], float]:
    """Seconds from sending to arrival, of every event at every watcher; and when the last one arrived."""
    return asyncio.run(_watch_all(conf, start, count, writes))


async def _watch_all(conf: str, start: str, count: int, writes: int) -> tuple[list[float], float]:
    from api.client import Selection
    from proto.v1.pod_pb2 import Pod

    took: list[float] = []
    which = Selection(fields="metadata.name=target")
    async with administrator(conf) as client:

        async def watch() -> None:
            left = writes
            async for batch in client.watch(Pod, which, version=start):
                now = time.time()
                sent = (float(event.object.metadata.annotations["sent"]) for event in batch)
                took.extend(now - each for each in sent)
                left -= len(batch)
                if left <= 0:
                    return

        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(watch())
    return took, time.time()


async def _newest(conf: str) -> str:
    from proto.v1.pod_pb2 import Pod

    async with administrator(conf) as client:
        return (await client.list(Pod, limit=1)).version


async def _write(conf: str, writes: int, pause: float) -> None:
    from proto.v1.pod_pb2 import Pod

    async with administrator(conf) as client:
        target = await client.get(Pod, "target", "default")
        for _ in range(writes):
            target.metadata.annotations["sent"] = repr(time.time())
            target.metadata.resourceVersion = ""
            await client.update(target)
            await asyncio.sleep(pause)


@contextlib.contextmanager
def a_server() -> Iterator[tuple[str, int]]:
    """A control plane of its own: its kubeconfig, and its process."""
    with tempfile.TemporaryDirectory(prefix="helmling-bench-") as scratch:
        command = [sys.executable, "-c", SERVER, scratch]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            process.stdout.readline()  # it is ready
            yield f"{scratch}/admin.conf", process.pid
            print(f"server: {resident(process.pid)} MB resident at the end", file=sys.stderr)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=30)


def resident(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) // 1024
    return 0


async def _target(conf: str) -> None:
    from api.errors import AlreadyExists

    async with administrator(conf) as client:
        with contextlib.suppress(AlreadyExists):
            await client.create(pod("target"))


def measure(conf: str, pid: int, arguments: argparse.Namespace) -> Iterator[Rate]:
    asyncio.run(_target(conf))
    for verb in ("version", "get", "create"):  # the first does nothing: what a call costs
        for clients in map(int, arguments.clients.split(",")):
            yield rate(conf, verb, clients, arguments.seconds, pid)
    for watchers in map(int, arguments.watchers.split(",")):
        yield from watched(conf, watchers, 500)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--clients", default="1,16,64")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--watchers", default="100,200")
    parser.add_argument("--kubeconfig", default="")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    given = contextlib.nullcontext((arguments.kubeconfig, 0))
    with given if arguments.kubeconfig else a_server() as (conf, pid):
        if not arguments.json:
            print(f"{'':22}{'clients':>8}{'per s':>10}{'p50 ms':>9}{'p99 ms':>9}{'server µs':>11}")
        for result in measure(conf, pid, arguments):
            if arguments.json:
                print(json.dumps(asdict(result)), flush=True)
            else:
                told = f"{result.what:22}{result.clients:8}{result.per_second:10.0f}"
                latency = f"{result.p50_ms:9.2f}{result.p99_ms:9.2f}"
                print(f"{told}{latency}{result.server_us:11.0f}", flush=True)


if __name__ == "__main__":
    main()
