"""For how long replies are repeated."""

import pytest
from dnslib import RR, DNSHeader, DNSQuestion, DNSRecord

from node_agent.network.dns import cache
from node_agent.network.dns.cache import Cache
from tests.dns_objects import asked


def reply(*answers: str, soa: str = "", rcode: int = 0, tc: int = 0) -> bytes:
    made = DNSRecord(DNSHeader(qr=1, ra=1, rcode=rcode, tc=tc), q=DNSQuestion("a.example"))
    for line in answers:
        made.add_answer(*RR.fromZone(line))
    if soa:
        made.add_auth(*RR.fromZone(soa))
    return bytes(made.pack())


SOA = "example {} SOA ns.example. root.example. 1 2 3 4 {}"


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        (reply("a.example 20 A 192.0.2.1"), 20),
        (reply("a.example 20 CNAME b.example", "b.example 7 A 192.0.2.1"), 7),
        (reply("a.example 3600 A 192.0.2.1"), 30),
        (reply("a.example 0 A 192.0.2.1"), 0),
        (reply("a.example 20 A 192.0.2.1", tc=1), 0),
        (reply(soa=SOA.format(25, 9), rcode=3), 9),
        (reply(soa=SOA.format(8, 900), rcode=3), 8),
        (reply(soa=SOA.format(25, 9)), 9),
        (reply("a.example 4 CNAME b.example", soa=SOA.format(25, 9), rcode=3), 4),
        (reply(rcode=3), 0),
        (reply(), 0),
        (reply(rcode=2), 0),
        (reply("a.example 4294967295 A 192.0.2.1"), 0),
    ],
)  # fmt: skip
def test_how_long(message: bytes, seconds: int) -> None:
    kept = Cache()
    kept.put(b"k", message, now=100.0)
    if seconds:
        assert kept.get(b"k", 100.0 + seconds - 0.1) is not None
    assert kept.get(b"k", 100.0 + seconds) is None
    assert len(kept) == 0


def test_times_to_live_get_shorter() -> None:
    kept = Cache()
    kept.put(b"k", reply("a.example 20 A 192.0.2.1", "a.example 60 A 192.0.2.2"), now=100.0)
    found = kept.get(b"k", 106.5)
    assert found is not None
    assert [each.ttl for each in DNSRecord.parse(found).rr] == [14, 54]


def test_it_does_not_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was used longest ago goes first."""
    monkeypatch.setattr(cache, "MOST", 2)
    kept = Cache()
    for key in (b"a", b"b"):
        kept.put(key, reply("a.example 20 A 192.0.2.1"), 0.0)
    kept.get(b"a", 1.0)
    kept.put(b"c", reply("a.example 20 A 192.0.2.1"), 1.0)
    assert [kept.get(key, 2.0) is not None for key in (b"a", b"b", b"c")] == [True, False, True]


def test_very_long_replies_are_not_kept() -> None:
    kept = Cache()
    kept.put(b"k", reply(*(f"a.example 20 A 192.0.{n // 250}.{n % 250}" for n in range(300))), 0.0)
    assert len(kept) == 0


def test_a_question_is_no_reply() -> None:
    kept = Cache()
    kept.put(b"k", asked("a.example"), 0.0)
    assert len(kept) == 0
