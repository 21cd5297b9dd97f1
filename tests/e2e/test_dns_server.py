"""The name server with real sockets: its clients, and name servers upstream that answer, fail, lie or say nothing.

Everything is on the loopback device; no question leaves the machine.
"""

import asyncio
import os
import socket
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import pytest
from dnslib import RR, DNSRecord

from node_agent.network.dns import server, upstream
from node_agent.network.dns.resolvconf import Followed
from node_agent.network.dns.resolver import Resolver
from node_agent.network.dns.server import listening
from node_agent.network.dns.upstream import Upstream
from node_agent.network.dns.zone import Domain, Zone
from tests.dns_objects import asked, external, headless, index_of, service, slice_of, told

PATIENCE = 60  # seconds; nothing here is a measurement
WEB, LONG, OUT = (f"{name}.default.svc.cluster.local" for name in ("web", "db", "out"))
DOMAIN = Domain("10.96.0.10", ranges=(IPv4Network("10.96.0.0/16"),))
INDEX = index_of(
    service("web"),
    headless("db"),
    slice_of("db", [(f"10.244.1.{n}", "", True) for n in range(1, 101)]),
    external("out", "www.example.com"),
)

# What a server upstream says to a question; nothing: it is silent.
Says = Callable[[DNSRecord], list[bytes]]


def says(*addresses: str, rcode: int = 0, tc: int = 0) -> Says:
    def reply(question: DNSRecord) -> list[bytes]:
        made = question.reply(aa=0)
        made.header.rcode, made.header.tc = rcode, tc
        for address in addresses:
            made.add_answer(*RR.fromZone(f"{question.q.qname} 20 A {address}"))
        return [bytes(made.pack())]

    return reply


def silent(question: DNSRecord) -> list[bytes]:
    return []


@dataclass
class Fake(asyncio.DatagramProtocol):
    """A name server upstream."""

    says: Says
    heard: list[str] = field(default_factory=list)
    ports: set[int] = field(default_factory=set)  # that questions came from
    ids: set[int] = field(default_factory=set)
    over_tcp: Says = silent

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        question = DNSRecord.parse(data)
        self.heard.append(str(question.q.qname).rstrip("."))
        self.ports.add(addr[1])
        self.ids.add(question.header.id)
        for each in self.says(question):
            self.transport.sendto(each, addr)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        for each in self.over_tcp(DNSRecord.parse(await reader.readexactly(length))):
            writer.write(struct.pack("!H", len(each)) + each)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def fakes(*servers: Fake) -> AsyncIterator[tuple[list[str], int]]:
    """Name servers on 127.0.0.2, 127.0.0.3, … and the port they all have."""
    loop = asyncio.get_running_loop()
    addresses = [f"127.0.0.{n}" for n in range(2, 2 + len(servers))]
    with socket.create_server(("127.0.0.2", 0)) as chosen:
        port = chosen.getsockname()[1]
    opened, streams = [], []
    try:
        for address, fake in zip(addresses, servers, strict=True):
            opened.append(
                (await loop.create_datagram_endpoint(lambda fake=fake: fake, (address, port)))[0]
            )
            streams.append(await asyncio.start_server(fake.serve, address, port))
        yield addresses, port
    finally:
        for each in opened:
            each.close()
        for stream in streams:
            stream.close()


@dataclass
class Client:
    """Who asks our name server."""

    port: int

    async def udp(self, packet: bytes) -> DNSRecord:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", self.port))
            await loop.sock_sendall(sock, packet)
            return DNSRecord.parse(await loop.sock_recv(sock, 65535))

    async def ask(self, name: str, type: str = "A", *, size: int = 0) -> DNSRecord:
        return await self.udp(asked(name, type, size=size))

    async def addresses(self, name: str) -> list[str]:
        return told(bytes((await self.ask(name)).pack()))

    async def tcp(self, *packets: bytes) -> list[DNSRecord]:
        """All on one connection, all sent before the first answer is read."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(b"".join(struct.pack("!H", len(packet)) + packet for packet in packets))
        found = []
        for _ in packets:
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            found.append(DNSRecord.parse(await reader.readexactly(length)))
        writer.close()
        return found


Scenario = Callable[[Client], Coroutine[Any, Any, None]]


def play(scenario: Scenario, *servers: Fake, resolv_conf: Path | None = None) -> None:
    async def whole() -> None:
        async with asyncio.timeout(PATIENCE), fakes(*servers) as (addresses, port):
            found = Followed(resolv_conf).servers if resolv_conf else lambda: addresses
            resolver = Resolver(DOMAIN, Upstream(found, port))
            resolver.know(Zone(DOMAIN, INDEX))
            with socket.create_server(("127.0.0.1", 0)) as chosen:
                own = chosen.getsockname()[1]
            async with listening(resolver, "127.0.0.1", port=own):
                await scenario(Client(own))

    asyncio.run(whole())


def test_names_of_the_cluster_stay_in_the_cluster() -> None:
    """Nobody upstream hears of them, also of those that do not exist."""
    fake = Fake(says("192.0.2.1"))

    async def scenario(client: Client) -> None:
        assert await client.addresses(WEB) == ["A 10.96.0.20"]
        assert (await client.ask("nobody.default.svc.cluster.local")).header.rcode == 3
        assert (await client.ask("9.0.96.10.in-addr.arpa", "PTR")).header.rcode == 3

    play(scenario, fake)
    assert fake.heard == []


def test_garbage_between_questions() -> None:
    async def scenario(client: Client) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for length in (0, 1, 11, 12, 100, 4000):
                sock.sendto(os.urandom(length), ("127.0.0.1", client.port))
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"\0\1x")
        assert await reader.read() == b""  # it is closed: nothing can be said
        writer.close()
        assert await client.addresses(WEB) == ["A 10.96.0.20"]

    play(scenario)


def test_too_long_for_a_datagram_and_then_over_tcp() -> None:
    """Several questions on one connection, answered in order."""

    async def scenario(client: Client) -> None:
        cut = await client.ask(LONG)
        assert (cut.header.tc, 0 < len(cut.rr) < 100) == (1, True)
        assert len((await client.ask(LONG, size=1232)).rr) > len(cut.rr)
        whole, short, again = await client.tcp(
            asked(LONG), asked(WEB, number=8), asked(LONG, number=9)
        )
        assert (len(whole.rr), whole.header.tc) == (100, 0)
        assert [each.header.id for each in (whole, short, again)] == [7, 8, 9]

    play(scenario)


def test_connections_that_say_nothing_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE", 0.05)

    async def scenario(client: Client) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        assert await reader.read() == b""
        writer.close()

    play(scenario)


def test_there_is_a_limit_to_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are there go on."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 1)

    async def scenario(client: Client) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        packet = asked(WEB)
        for _ in range(2):
            writer.write(struct.pack("!H", len(packet)) + packet)
            (length,) = struct.unpack("!H", await reader.readexactly(2))
            assert told(await reader.readexactly(length)) == ["A 10.96.0.20"]
            more, other = await asyncio.open_connection("127.0.0.1", client.port)
            assert await more.read() == b""
            other.close()
        writer.close()

    play(scenario)


def test_names_of_others_are_asked_for_and_kept() -> None:
    fake = Fake(says("192.0.2.1"))

    async def scenario(client: Client) -> None:
        for name in ("www.example.com", "WWW.example.com", "www.example.com"):
            answer = await client.ask(name)
            assert told(bytes(answer.pack())) == ["A 192.0.2.1"]
            assert (str(answer.q.qname).rstrip("."), answer.header.aa) == (name, 0)

    play(scenario, fake)
    assert fake.heard == ["www.example.com"]


def test_every_question_has_a_port_and_an_id_of_its_own() -> None:
    """So that a stranger cannot guess them."""
    fake = Fake(says("192.0.2.1"))

    async def scenario(client: Client) -> None:
        for n in range(20):
            await client.ask(f"n{n}.example.com")

    play(scenario, fake)
    assert min(len(fake.ports), len(fake.ids)) > 10


def test_lies_are_not_heard() -> None:
    """Another id, another question, no reply at all; then the truth."""

    def lies(question: DNSRecord) -> list[bytes]:
        (truth,) = says("192.0.2.1")(question)
        (lie,) = says("192.0.2.66")(question)
        other = DNSRecord.question("evil.example")
        other.header.id = question.header.id
        (evil,) = says("192.0.2.66")(other)
        return [bytes([lie[0] ^ 1]) + lie[1:], evil, bytes(question.pack()), b"x", truth]

    async def scenario(client: Client) -> None:
        assert await client.addresses("www.example.com") == ["A 192.0.2.1"]

    play(scenario, Fake(lies))


@pytest.mark.parametrize(
    "first", [silent, says(rcode=2), says(rcode=5)], ids=["silent", "fails", "refuses"]
)
def test_the_next_server_is_asked(first: Says, monkeypatch: pytest.MonkeyPatch) -> None:
    """And asked first from then on."""
    monkeypatch.setattr(upstream, "NEXT", 0.05)
    bad, good = Fake(first), Fake(says("192.0.2.1"))

    async def scenario(client: Client) -> None:
        assert await client.addresses("a.example.com") == ["A 192.0.2.1"]
        heard = len(bad.heard)
        assert await client.addresses("b.example.com") == ["A 192.0.2.1"]
        assert (len(bad.heard), good.heard) == (heard, ["a.example.com", "b.example.com"])

    play(scenario, bad, good)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    """Nobody listens: that is known at once. resolv.conf is read again when it changes."""
    path = tmp_path / "resolv.conf"
    path.write_text("nameserver 127.0.0.9\nnameserver 127.0.0.2\n")

    async def scenario(client: Client) -> None:
        assert await client.addresses("a.example.com") == ["A 192.0.2.1"]
        path.write_text("# nobody\n")
        assert (await client.ask("b.example.com")).header.rcode == 2
        path.unlink()
        assert (await client.ask("c.example.com")).header.rcode == 2
        path.write_text("nameserver 127.0.0.2\n")
        assert await client.addresses("d.example.com") == ["A 192.0.2.1"]

    play(scenario, Fake(says("192.0.2.1")), resolv_conf=path)


def test_when_nobody_answers_we_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bounded time. What is said of the failure is passed on, but not kept."""
    monkeypatch.setattr(upstream, "NEXT", 0.02)
    monkeypatch.setattr(upstream, "PATIENCE", 0.2)

    async def scenario(client: Client) -> None:
        assert (await client.ask("www.example.com")).header.rcode == 2
        assert await client.addresses(WEB) == ["A 10.96.0.20"]

    play(scenario, Fake(silent))
    refusing = Fake(says(rcode=5))

    async def refused(client: Client) -> None:
        for _ in range(2):
            assert (await client.ask("www.example.com")).header.rcode == 5

    play(refused, refusing)
    assert len(refusing.heard) == 4


def test_what_upstream_cuts_is_fetched_over_tcp() -> None:
    """The client gets what fits, and all of it when it comes over TCP."""
    many = [f"192.0.2.{n}" for n in range(1, 101)]
    fake = Fake(says("192.0.2.1", tc=1), over_tcp=says(*many))

    async def scenario(client: Client) -> None:
        cut = await client.ask("www.example.com")
        assert (cut.header.tc, 1 < len(cut.rr) < 100) == (1, True)
        (whole,) = await client.tcp(asked("www.example.com"))
        assert (whole.header.tc, len(whole.rr)) == (0, 100)

    play(scenario, fake)
    assert len(fake.heard) == 1


def test_a_question_under_way_is_not_asked_again() -> None:
    """So a server that asks us for what we ask it does not multiply what it hears; and the loop ends."""

    async def scenario(client: Client) -> None:
        async with asyncio.TaskGroup() as tasks:
            waiting = [tasks.create_task(client.addresses("www.example.com")) for _ in range(20)]
            while not fake.heard:  # noqa: ASYNC110 - a fake has no event
                await asyncio.sleep(0.01)
            fake.says = says("192.0.2.1")  # the next question, after the first has been waited for
        assert {tuple(each.result()) for each in waiting} == {("A 192.0.2.1",)}

    fake = Fake(silent)
    play(scenario, fake)
    assert len(fake.heard) == 2


def test_an_alias_that_leads_out() -> None:
    fake = Fake(says("192.0.2.1"))

    async def scenario(client: Client) -> None:
        assert await client.addresses(OUT) == ["CNAME www.example.com.", "A 192.0.2.1"]
        assert await client.addresses(OUT) == ["CNAME www.example.com.", "A 192.0.2.1"]

    play(scenario, fake)
    assert fake.heard == ["www.example.com"]


def test_too_many_that_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Further questions of others are dropped; the cluster's names are answered all the time."""
    monkeypatch.setattr(server, "MOST_WAITING", 3)
    monkeypatch.setattr(upstream, "PATIENCE", 0.5)
    fake = Fake(silent)

    async def scenario(client: Client) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for n in range(50):
                sock.sendto(asked(f"n{n}.example.com"), ("127.0.0.1", client.port))
            assert await client.addresses(WEB) == ["A 10.96.0.20"]

    play(scenario, fake)
    assert len(set(fake.heard)) <= 3
