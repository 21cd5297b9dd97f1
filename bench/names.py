"""The name server beside a bare asyncio server that sends every datagram back: what answering costs.

Server and client are a process each, on the loopback device; the client keeps so many questions under way. The server
knows a thousand services with ten endpoints each.

    python -m bench.names echo|names     serves, and prints its port
"""

import asyncio
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from bench.floor import Rate, rate_of
from bench.pods import cpu_seconds
from node_agent.network.dns import encoding, wire
from node_agent.network.dns.index import SERVICE_NAME, Index
from node_agent.network.dns.resolver import Resolver
from node_agent.network.dns.server import listening
from node_agent.network.dns.upstream import Upstream
from node_agent.network.dns.zone import Domain, Zone
from proto.v1.network_pb2 import EndpointSlice, Service

SERVICES, ENDPOINTS = 1000, 10
QUESTIONS, WARM = 10_000, 1_000
UNDER_WAY = (1, 32)
SUFFIX = ".default.svc.cluster.local"


@dataclass(frozen=True)
class Ask:
    """One sort of question."""

    what: str
    name: str  # {n} is the number of a service
    type: int
    server: str = "names"


ASKS = (
    Ask("floor: an echo", "s{n}" + SUFFIX, wire.A, "echo"),
    Ask("a service's address", "s{n}" + SUFFIX, wire.A),
    Ask("... its AAAA: nothing of this type", "s{n}" + SUFFIX, wire.AAAA),
    Ask("no such name", "s{n}" + SUFFIX + SUFFIX, wire.A),
    Ask(f"a headless service, {ENDPOINTS} addresses", "h{n}" + SUFFIX, wire.A),
    Ask(f"... its port, {ENDPOINTS} places", "_http._tcp.h{n}" + SUFFIX, wire.SRV),
)


@dataclass(frozen=True)
class Measured:
    ask: Ask
    under_way: int
    rate: Rate
    server_us: float  # of a processor's time, for each answer: that does not depend on who else uses the machine


def measure() -> Iterator[Measured]:
    """Each sort of question with so many under way."""
    for ask in ASKS:
        with _server(ask.server) as (port, pid):
            packets = [_packet(ask, n) for n in range(SERVICES)]
            for width in UNDER_WAY:
                _run(port, packets, width, WARM)
                before = cpu_seconds([pid])
                rate = _run(port, packets, width, QUESTIONS)
                yield Measured(ask, width, rate, (cpu_seconds([pid]) - before) / QUESTIONS * 1e6)


def change() -> float:
    """Microseconds until one changed endpoint is known and told, among all the others."""
    index = index_of(SERVICES, ENDPOINTS)
    zone = Zone(Domain("10.96.0.10"), index)
    old, new = slice_of(7, ENDPOINTS), slice_of(7, ENDPOINTS)
    del new.endpoints[0]
    rounds = 1000
    begun = time.perf_counter()
    for _ in range(rounds):
        index.slice_changed(old, new)
        zone.answer("h7" + SUFFIX, wire.A)
        old, new = new, old
    return (time.perf_counter() - begun) / rounds * 1e6


def _packet(ask: Ask, number: int) -> bytes:
    return encoding.ask(
        0, encoding.question(ask.name.format(n=number), ask.type), wire.RD, edns=True
    )


def _run(port: int, packets: list[bytes], width: int, total: int) -> Rate:
    """A question's id says which of those under way it is."""
    latencies, sent = [], [0.0] * width
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(20)
        sock.connect(("127.0.0.1", port))
        begun = time.perf_counter()
        for asked in range(total + width):
            place = asked
            if asked >= width:
                reply = sock.recv(65535)
                place = reply[0] << 8 | reply[1]
                latencies.append(time.perf_counter() - sent[place])
            if asked < total:
                sent[place] = time.perf_counter()
                sock.send(place.to_bytes(2, "big") + packets[asked % len(packets)][2:])
        seconds = time.perf_counter() - begun
    return rate_of(latencies, seconds)


@contextmanager
def _server(which: str) -> Iterator[tuple[int, int]]:
    """Its port and its process."""
    command = [sys.executable, "-m", "bench.names", which]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


# The servers


def index_of(services: int, endpoints: int) -> Index:
    """Services with an address, and as many without."""
    index = Index()
    for number in range(services):
        place = f"{number // 250}.{number % 250 + 1}"
        for name, address in ((f"s{number}", f"10.96.{place}"), (f"h{number}", "None")):
            made = Service(
                metadata={"name": name, "namespace": "default"}, spec={"clusterIP": address}
            )
            made.spec.ports.add(name="http", protocol="TCP", port=80)
            index.service_changed(None, made)
        index.slice_changed(None, slice_of(number, endpoints))
    return index


def slice_of(number: int, endpoints: int) -> EndpointSlice:
    made = EndpointSlice(
        metadata={"name": f"h{number}", "namespace": "default"}, addressType="IPv4"
    )
    made.metadata.labels[SERVICE_NAME] = f"h{number}"
    made.ports.add(name="http", protocol="TCP", port=8080)
    for each in range(endpoints):
        made.endpoints.add(addresses=[f"10.{100 + number // 250}.{number % 250}.{each + 1}"])
    return made


class _Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._transport.sendto(data, addr)


async def _serve(which: str) -> None:
    loop = asyncio.get_running_loop()
    if which == "echo":
        transport, _ = await loop.create_datagram_endpoint(_Echo, ("127.0.0.1", 0))
        print(transport.get_extra_info("sockname")[1], flush=True)
        await loop.create_future()
    domain = Domain("10.96.0.10")
    resolver = Resolver(domain, Upstream(list))
    resolver.know(Zone(domain, index_of(SERVICES, ENDPOINTS), random.shuffle))
    with socket.create_server(("127.0.0.1", 0)) as chosen:
        port = chosen.getsockname()[1]
    async with listening(resolver, "127.0.0.1", port=port):
        print(port, flush=True)
        await loop.create_future()


if __name__ == "__main__":
    asyncio.run(_serve(sys.argv[1]))
