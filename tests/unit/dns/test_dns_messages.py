"""Messages: nothing that arrives does harm, and what is written can be read by others."""

import asyncio

import pytest
from dnslib import EDNS0, RR, DNSHeader, DNSQuestion, DNSRecord
from hypothesis import given
from hypothesis import strategies as st

from node_agent.network.dns import encoding, relay, wire
from node_agent.network.dns import resolver as module
from node_agent.network.dns.encoding import Answer
from node_agent.network.dns.exchange import answers
from node_agent.network.dns.resolver import Resolver
from node_agent.network.dns.upstream import Upstream
from node_agent.network.dns.wire import Query
from node_agent.network.dns.zone import Domain, Zone
from tests.dns_objects import asked, headless, index_of, service, slice_of, told

MANY = [(f"10.244.{n // 200}.{n % 200 + 1}", f"pod-{n}", True) for n in range(300)]
INDEX = index_of(service("web"), headless("db"), slice_of("db", MANY))
DOMAIN = Domain("10.96.0.10")
ZONE = Zone(DOMAIN, INDEX)
LABELS = st.lists(st.from_regex(r"[A-Za-z0-9_-]{1,20}", fullmatch=True), min_size=1, max_size=8)


def answered(packet: bytes, limit: int = 0) -> bytes:
    query = wire.parse(packet)
    found = ZONE.answer(query.question.name, query.question.type)
    assert found is not None
    return encoding.encode(query, found, limit or query.udp_limit)


class _Nobody(Upstream):
    """Knows nothing, so that every question of others is one."""

    def __init__(self) -> None:
        super().__init__(list)

    def known(self, query: Query) -> bytes | None:
        return None


def resolver() -> Resolver:
    made = Resolver(DOMAIN, _Nobody())
    made.know(ZONE)
    return made


@given(LABELS, st.sampled_from([1, 5, 28, 33, 65, 255]), st.integers(0, 0xFFFF))
def test_a_question_is_read_as_it_was_written(labels: list[str], kind: int, number: int) -> None:
    name = ".".join(labels)
    query = wire.parse(
        bytes(DNSRecord(DNSHeader(id=number, rd=1), q=DNSQuestion(name, kind)).pack())
    )
    assert (query.id, query.question.name, query.question.type) == (number, name.lower(), kind)
    assert wire.name_at(b"\0" * 12 + query.question.raw, 12) == name


@given(st.binary(max_size=600))
def test_any_packet_is_dropped_or_answered(packet: bytes) -> None:
    found = resolver().at_once(packet, 0)
    if isinstance(found, bytes) and found:
        assert found[:2] == packet[:2]
        assert wire.HEADER.unpack_from(found)[1] & wire.QR


@given(st.data())
def test_a_question_with_damage_is_dropped_or_answered(data: st.DataObject) -> None:
    """Some bytes of a good packet are changed, some are missing."""
    name = data.draw(st.sampled_from(["_http._tcp.db", "web", "x.y"]))
    packet = bytearray(
        asked(
            f"{name}.default.svc.cluster.local", "SRV", size=data.draw(st.sampled_from([0, 4096]))
        )
    )
    for at in data.draw(st.lists(st.integers(0, len(packet) - 1), max_size=4)):
        packet[at] = data.draw(st.integers(0, 255))
    packet = packet[: data.draw(st.integers(0, len(packet)))]
    found = resolver().at_once(bytes(packet), 0)
    if isinstance(found, bytes) and len(found) > wire.HEADER.size:
        wire.records(found)


@given(st.binary(max_size=300), st.binary(max_size=200))
def test_any_reply_is_refused_or_read(head: bytes, tail: bytes) -> None:
    """Also one whose question is right and whose rest is not."""
    query = wire.parse(asked("www.example.com"))
    for reply in (
        head,
        asked("www.example.com")[:4] + b"\0\1\0\2\0\1\0\1" + query.question.raw + tail,
    ):
        for read in (
            lambda message: answers(asked("www.example.com"), message),
            wire.records,
            lambda message: relay.continued(query, Answer(), message, 512),
        ):
            try:
                read(reply)
            except wire.Malformed:
                continue


def test_pointers_that_lead_in_circles() -> None:
    with pytest.raises(wire.Malformed):
        wire.name_at(b"\0" * 12 + b"\xc0\x0c", 12)
    with pytest.raises(wire.Malformed):
        wire.name_at(b"\1a\xc0\x04\1b\xc0\x00", 0)


@pytest.mark.parametrize(
    ("packet", "rcode"),
    [
        (asked("a.cluster.local")[:20], wire.FORMERR),
        (b"\0\1\x10\0\0\1\0\0\0\0\0\0", wire.NOTIMP),  # a status request
        (b"\0\1\0\0\0\2\0\0\0\0\0\0", wire.FORMERR),
        (b"\0\1\0\0\0\1\0\0\0\0\0\0\xc0\x0c\0\1\0\1", wire.FORMERR),  # a name that points to itself
        (asked("cluster.local", "AXFR"), wire.REFUSED),
        (bytes(DNSRecord(q=DNSQuestion("version.bind", 16, 3)).pack()), wire.REFUSED),
    ],
    ids=["cut", "status", "two", "loop", "transfer", "chaos"],  # the packets' numbers are drawn
)
def test_questions_that_are_refused(packet: bytes, rcode: int) -> None:
    found = resolver().at_once(packet, 0)
    assert isinstance(found, bytes)
    assert found[3] & 15 == rcode


def test_an_answer_is_not_answered() -> None:
    assert resolver().at_once(answered(asked("web.default.svc.cluster.local")), 0) == b""
    assert resolver().at_once(b"short", 0) == b""


def test_a_question_that_is_repeated() -> None:
    """The same answer under the new id, until something changes; what it says depends on the whole question."""
    index = index_of(service("web"))
    here = Resolver(DOMAIN, _Nobody())
    here.know(Zone(DOMAIN, index))

    def heard(packet: bytes, limit: int = 0) -> bytes:
        found = here.at_once(packet, limit)
        assert isinstance(found, bytes)
        return found

    name = "web.default.svc.cluster.local"
    first, second = heard(asked(name, number=1)), heard(asked(name, number=2))
    assert (first[:2], second[:2], first[2:]) == (b"\0\1", b"\0\2", second[2:])
    assert str(DNSRecord.parse(heard(asked(name.upper()))).q.qname) == f"{name.upper()}."
    assert len(DNSRecord.parse(heard(asked(name, size=1232))).ar) == 1
    index.service_changed(service("web"), service("web", "10.96.0.99"))
    assert told(heard(asked(name))) == ["A 10.96.0.99"]
    index.service_changed(service("web", "10.96.0.99"), None)
    assert DNSRecord.parse(heard(asked(name))).header.rcode == wire.NXDOMAIN
    here.know(Zone(DOMAIN, index_of(service("web"))))
    assert told(heard(asked(name))) == ["A 10.96.0.20"]


def test_nonsense_does_not_pile_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_GIVEN", 10)
    here = resolver()
    for n in range(100):
        here.at_once(asked(f"n{n}.cluster.local"), 0)
    assert len(here._given) <= 11


def test_an_unknown_version_of_edns() -> None:
    packet = DNSRecord.question("web.default.svc.cluster.local")
    packet.add_ar(EDNS0(version=1))
    found = resolver().at_once(bytes(packet.pack()), 0)
    assert isinstance(found, bytes)
    reply = DNSRecord.parse(found)
    assert (reply.header.rcode, reply.ar[0].ttl >> 24) == (0, 1)  # together: BADVERS


def test_before_anything_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not "no such name": that would be believed. Nor is anybody else asked."""
    monkeypatch.setattr(module, "PATIENCE", 0.05)

    async def scenario() -> None:
        blind = Resolver(DOMAIN, _Nobody())
        query = blind.at_once(asked("web.default.svc.cluster.local"), 0)
        assert isinstance(query, Query)
        assert (await blind.later(query, 0))[3] & 15 == wire.SERVFAIL
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(blind.later(query, 0))
            await asyncio.sleep(0)
            blind.know(ZONE)
        assert told(waiting.result()) == ["A 10.96.0.20"]

    asyncio.run(scenario())


@pytest.mark.parametrize(("size", "limit"), [(0, 512), (100, 512), (900, 900), (65535, 1232)])
def test_what_does_not_fit_is_cut_between_records(size: int, limit: int) -> None:
    packet = answered(asked("db.default.svc.cluster.local", size=size))
    reply = DNSRecord.parse(packet)
    assert limit - 32 < len(packet) <= limit
    assert reply.header.tc
    assert len(reply.rr) > 20
    assert len(reply.ar) == (1 if size else 0)


def test_all_of_it_over_tcp() -> None:
    packet = answered(asked("db.default.svc.cluster.local"), 65535)
    assert len(told(packet)) == 300
    assert not DNSRecord.parse(packet).header.tc


def test_what_is_only_helpful_goes_first() -> None:
    """Five places fit, their addresses do not: that is no reason to ask again."""
    index = index_of(headless("db"), slice_of("db", MANY[:6]))
    query = wire.parse(asked("_http._tcp.db.default.svc.cluster.local", "SRV"))
    found = Zone(DOMAIN, index).answer(query.question.name, wire.SRV)
    assert found is not None
    reply = DNSRecord.parse(encoding.encode(query, found, 512))
    assert (len(reply.rr), reply.header.tc) == (6, 0)
    assert len(reply.ar) < 6


def upstream_reply(*lines: str, name: str = "www.example.com", number: int = 99) -> bytes:
    made = DNSRecord(DNSHeader(id=number, qr=1, ra=1, aa=1), q=DNSQuestion(name))
    for line in lines:
        made.add_answer(*RR.fromZone(line))
    return bytes(made.pack())


def test_a_reply_becomes_the_clients() -> None:
    """Its own id and spelling; we are no authority for it."""
    reply = upstream_reply("www.example.com 60 A 192.0.2.1")
    record = DNSRecord.parse(relay.relayed(wire.parse(asked("WWW.example.com")), reply, 512))
    assert (record.header.id, record.header.aa, str(record.q.qname)) == (7, 0, "WWW.example.com.")
    assert str(record.rr[0].rname) == "WWW.example.com."


def test_a_reply_that_is_too_long_is_cut() -> None:
    reply = upstream_reply(*(f"www.example.com 60 A 192.0.2.{n}" for n in range(1, 200)))
    record = DNSRecord.parse(relay.relayed(wire.parse(asked("www.example.com")), reply, 512))
    assert record.header.tc
    assert len(record.rr) == (512 - 12 - 21) // 16


def test_an_alias_goes_on_elsewhere() -> None:
    query = wire.parse(asked("out.default.svc.cluster.local"))
    mine = Answer(
        records=[encoding.pointing(query.question.name, wire.CNAME, "www.example.com", 5)]
    )
    reply = upstream_reply("www.example.com 60 CNAME x.example.com", "x.example.com 60 A 192.0.2.1")
    packet = relay.continued(query, mine, reply, 512)
    assert told(packet) == ["CNAME www.example.com.", "CNAME x.example.com.", "A 192.0.2.1"]


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        (upstream_reply(number=7), True),
        (upstream_reply(number=7, name="WWW.EXAMPLE.com"), True),
        (upstream_reply(number=8), False),
        (upstream_reply(number=7, name="www.example.org"), False),
        (asked("www.example.com"), False),  # a question
        (b"\0\7", False),
    ],
    ids=["same", "case", "number", "name", "question", "cut"],  # the packets' numbers are drawn
)
def test_only_what_repeats_the_question_is_believed(reply: bytes, good: bool) -> None:
    assert answers(asked("www.example.com"), reply) is good
