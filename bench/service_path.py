"""What it costs to reach a pod by its service, beside other ways to do the same; and what one changed endpoint costs.

Everything plays in network namespaces: a real pod (nginx) wired by the real pod network, a client in another, and for
each way what it needs. The ways are measured in turn, round after round, and each beside the direct one, right before
and after it: whoever else uses the machine disturbs both alike, and only the ratio counts.

    client ── hl-… [node] ── pod
"""

import asyncio
import ctypes
import os
import re
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TypeVar

import docker

from node_agent.images import ensure
from node_agent.images.recipes import hello
from node_agent.network.pod_network import PodNetwork
from node_agent.network.proxy.chains import base
from node_agent.network.proxy.contents import Share, share
from node_agent.network.proxy.model import Backend, Frontend, Place
from node_agent.network.proxy.nft import Library, Nft, Program
from node_agent.network.proxy.table import Table, anew, diff, merged

T = TypeVar("T")
CLONE_NEWNET = 0x40000000
POD, CLIENT = "10.99.1.10", "10.99.1.11"
VIP, BARE, NODE = "10.96.0.1", "10.97.0.1", "10.99.1.1"
SERVICES, ENDPOINTS = 1000, 10
TABLE = "bench"
DOCKER_PROXY = "/usr/sbin/docker-proxy"
PLACE = Place("n1", "hl-bench", "10.99.1.0/24", "10.99.0.0/16")


def inside(netns: str, do: Callable[[], T]) -> T:
    """Run it in a thread that is in the namespace."""

    def body() -> T:
        descriptor = os.open(netns, os.O_RDONLY)
        if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"cannot enter {netns}")
        os.close(descriptor)
        return do()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(body).result()


def command(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


@contextmanager
def namespace() -> Iterator[str]:
    """Its name."""
    name = f"hlbench-{uuid.uuid4().hex[:8]}"
    command("ip", "netns", "add", name)
    try:
        command("ip", "-n", name, "link", "set", "lo", "up")
        yield name
    finally:
        command("ip", "netns", "delete", name)


@dataclass(frozen=True)
class Lab:
    """Names of the namespaces of node and client."""

    node: str
    client: str


@contextmanager
def lab() -> Iterator[Lab]:
    """A node with a pod at POD that answers HTTP, and a client at CLIENT."""
    engine = docker.from_env()
    ensure(engine, hello("v1"))
    container = engine.containers.run("helmling/hello:v1", detach=True, network_mode="none")
    try:
        container.reload()
        pod = f"/proc/{container.attrs['State']['Pid']}/ns/net"
        with namespace() as node, namespace() as client:
            network = PodNetwork(
                cluster=uuid.uuid4().hex, node="n1", pod_cidr=PLACE.pod_cidr, cluster_cidr=PLACE.cluster_cidr
            )  # fmt: skip

            async def wire() -> None:
                await network.ensure()
                await network.attach(pod, "pod", POD)
                await network.attach(f"/run/netns/{client}", "client", CLIENT)

            inside(f"/run/netns/{node}", lambda: asyncio.run(wire()))
            yield Lab(node, client)
    finally:
        container.remove(force=True)
        engine.close()


@contextmanager
def program(lab: Lab, *words: str) -> Iterator[None]:
    """On the node, for as long as it is measured."""
    process = subprocess.Popen(
        ["ip", "netns", "exec", lab.node, *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait()


# The ways. Each makes what it needs and says where the client goes.
Way = Callable[[Lab], AbstractContextManager[str]]


@contextmanager
def direct(lab: Lab) -> Iterator[str]:
    yield POD


@contextmanager
def bare(lab: Lab) -> Iterator[str]:
    """One rule, as one would write it by hand."""
    rule = f"ip daddr {BARE} tcp dport 80 dnat to {POD}:80"
    hook = "type nat hook prerouting priority dstnat;"
    with in_nft(lab, f"table ip by-hand {{ chain in {{ {hook}\n {rule}\n}}\n}}\n", "by-hand"):
        yield BARE


@contextmanager
def in_nft(lab: Lab, commands: str, table: str) -> Iterator[None]:
    netns = f"/run/netns/{lab.node}"
    inside(netns, lambda: Library().run(commands))
    try:
        yield
    finally:
        inside(netns, lambda: Library().run(f"delete table ip {table}\n"))


def cluster_ip(others: int) -> Way:
    """Our rules, with so many other services."""

    @contextmanager
    def way(lab: Lab) -> Iterator[str]:
        front = Frontend(VIP, "tcp", 80, frozenset([Backend(POD, 80, True)]))
        shares = [share([front], PLACE), *(one for one in many(others).values())]
        table = merged([base(PLACE), *(one.table for one in shares)])
        with in_nft(lab, anew(TABLE, table), TABLE):
            yield VIP

    return way


@contextmanager
def docker_proxy(lab: Lab) -> Iterator[str]:
    told = f"-proto tcp -host-ip 0.0.0.0 -host-port 8081 -container-ip {POD} -container-port 80"
    # It tells whoever started it, through its third file, that it listens.
    with program(lab, "bash", "-c", f"exec 3>/dev/null; exec {DOCKER_PROXY} {told}"):
        yield f"{NODE}:8081"


@contextmanager
def haproxy(lab: Lab) -> Iterator[str]:
    text = f"""defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen web
  bind 0.0.0.0:8082
  server pod {POD}:80
"""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "haproxy.cfg"
        path.write_text(text)
        with program(lab, "haproxy", "-db", "-f", str(path)):
            yield f"{NODE}:8082"


ASYNCIO_PROXY = """
import asyncio
async def pump(reader, writer):
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()
async def serve(reader, writer):
    there = await asyncio.open_connection("{pod}", 80)
    await asyncio.gather(pump(reader, there[1]), pump(there[0], writer), return_exceptions=True)
async def main():
    async with await asyncio.start_server(serve, "0.0.0.0", 8083, backlog=1000) as server:
        await server.serve_forever()
asyncio.run(main())
"""


@contextmanager
def python_proxy(lab: Lab) -> Iterator[str]:
    with program(lab, sys.executable, "-c", ASYNCIO_PROXY.format(pod=POD)):
        yield f"{NODE}:8083"


WAYS: dict[str, Way] = {
    "direct to the pod": direct,
    "one nft rule by hand": bare,
    "ClusterIP": cluster_ip(0),
    f"ClusterIP beside {SERVICES - 1} services": cluster_ip(SERVICES - 1),
    "docker-proxy": docker_proxy,
    "HAProxy, TCP": haproxy,
    "asyncio proxy": python_proxy,
}


def requests_per_second(lab: Lab, target: str, *, keep: bool, seconds: int) -> float:
    words = ["wrk", "-t1", "-c64", f"-d{seconds}s"]
    words += [] if keep else ["-H", "Connection: close"]
    shown = command("ip", "netns", "exec", lab.client, *words, f"http://{target}/version")
    found = re.search(r"Requests/sec:\s+([\d.]+)", shown)
    if found is None:
        raise RuntimeError(f"wrk said nothing of its requests: {shown}")
    return float(found[1])


@dataclass(frozen=True)
class Throughput:
    way: str
    kept: float  # requests/s as a ratio to the direct way, connections kept
    new: float  # the same, a new connection for each


def throughput(rounds: int = 5, seconds: int = 1) -> Iterator[Throughput]:
    """Every way, in turn."""
    ratios: dict[tuple[str, bool], list[float]] = {}
    with lab() as here:
        for _ in range(rounds):
            for name, way in WAYS.items():
                for keep, ratio in _beside_direct(here, way, seconds):
                    ratios.setdefault((name, keep), []).append(ratio)
    for name in WAYS:
        yield Throughput(name, median(ratios[name, True]), median(ratios[name, False]))


def _beside_direct(lab: Lab, way: Way, seconds: int) -> Iterator[tuple[bool, float]]:
    """By whether connections are kept: the way, and right before and after it the direct one."""
    for keep in (True, False):
        before = requests_per_second(lab, POD, keep=keep, seconds=seconds)
        with way(lab) as target:
            wait_for(lab, target)
            speed = requests_per_second(lab, target, keep=keep, seconds=seconds)
        after = requests_per_second(lab, POD, keep=keep, seconds=seconds)
        yield keep, speed / ((before + after) / 2)


def wait_for(lab: Lab, target: str) -> None:
    """Until whoever is there listens."""
    host, _, port = target.partition(":")
    ask = f"exec 3<>/dev/tcp/{host}/{port or 80}"
    words = ["ip", "netns", "exec", lab.client, "bash", "-c", ask]
    end = time.monotonic() + 20
    while subprocess.run(words, capture_output=True, check=False).returncode != 0:
        if time.monotonic() > end:
            raise RuntimeError(f"nobody listens at {target}")
        time.sleep(0.05)


# One endpoint of many


def many(services: int) -> dict[int, Share]:
    return {number: share([front(number)], PLACE) for number in range(services)}


def front(number: int, endpoints: int = ENDPOINTS) -> Frontend:
    at = f"{number // 250}.{number % 250}"
    backends = (
        Backend(f"10.10{number // 250}.{number % 250}.{n + 2}", 80) for n in range(endpoints)
    )
    return Frontend(f"10.98.{at}", "tcp", 80, frozenset(backends))


@dataclass(frozen=True)
class Change:
    how: str
    median_ms: float
    decided_ms: float  # before it: from the changed service to the commands


def one_endpoint(rounds: int = 20) -> Iterator[Change]:
    """One endpoint of 1,000 services × 10 comes and goes."""
    with namespace() as name:
        netns = f"/run/netns/{name}"
        yield inside(netns, lambda: _changes("in place, through the library", Library(), rounds))
        yield inside(netns, lambda: _changes("in place, nft -f -", Program(), rounds))
        yield inside(
            netns, lambda: _changes("all anew, through the library", Library(), 5, whole=True)
        )


def _changes(how: str, nft: Nft, rounds: int, *, whole: bool = False) -> Change:
    shares = many(SERVICES)
    table = _all(shares)
    nft.run(anew(TABLE, table))
    deciding, applying = [], []
    for number in range(rounds + 2):  # the first two meet what the large one left to do
        began = time.perf_counter()
        shares[7] = share([front(7, ENDPOINTS - (number + 1) % 2)], PLACE, shares[7])
        new = _all(shares)
        commands = anew(TABLE, new) if whole else diff(TABLE, table, new)
        decided = time.perf_counter()
        nft.run(commands)
        table = new
        deciding.append(decided - began)
        applying.append(time.perf_counter() - decided)
    return Change(how, median(applying[2:]) * 1000, median(deciding[2:]) * 1000)


def _all(shares: dict[int, Share]) -> Table:
    return merged([base(PLACE), *(one.table for one in shares.values())])
