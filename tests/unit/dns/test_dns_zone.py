"""Which records names have: Kubernetes' specification of DNS, row by row (S#83, S#88)."""

from ipaddress import IPv4Network

import pytest
from dnslib import DNSRecord

from node_agent.network.dns import encoding, wire
from node_agent.network.dns.zone import Domain, Zone
from tests.dns_objects import asked, external, headless, index_of, service, slice_of, told

RANGES = (IPv4Network("10.96.0.0/16"), IPv4Network("10.244.0.0/20"))
DOMAIN = Domain("10.96.0.10", ranges=RANGES)
INDEX = index_of(
    service("web", ports=[{"name": "http", "protocol": "TCP", "port": 80}, {"name": "dns", "protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 81}]),
    service("waiting", ""),
    headless("db"),
    slice_of("db", [("10.244.0.5", "db-0", True), ("10.244.0.6", "db-1", False), ("10.244.0.7", "", None)]),
    headless("peers", publishNotReadyAddresses=True),
    slice_of("peers", [("10.244.0.8", "a", False)], name="one"),
    slice_of("peers", [("10.244.0.9", "a", True), ("10.244.0.8", "a", False)], name="two"),
    headless("empty"),
    external("alias", "web.default.svc.cluster.local"),
    external("deep", "alias.default.svc.cluster.local"),
    external("lost", "nobody.default.svc.cluster.local"),
    external("outside", "www.Example.com."),
    external("ring", "ring.default.svc.cluster.local"),
    external("unsaid", "x" * 70 + ".example.com"),
    service("web", "10.96.0.21", namespace="other"),
)  # fmt: skip
ZONE = Zone(DOMAIN, INDEX)


def reply(name: str, type: str = "A") -> DNSRecord:
    query = wire.parse(asked(name, type))
    answer = ZONE.answer(query.question.name, query.question.type)
    assert answer is not None, f"{name} is not of the cluster"
    packet = encoding.encode(query, answer, 65535)
    assert packet[:2] == b"\0\7"
    return DNSRecord.parse(packet)


def answers(name: str, type: str = "A") -> list[str]:
    record = reply(name, type)
    assert record.header.rcode == 0
    return told(bytes(record.pack()))


CLUSTER = ".svc.cluster.local"


@pytest.mark.parametrize(
    ("name", "type", "records"),
    [
        ("web.default" + CLUSTER, "A", ["A 10.96.0.20"]),
        ("WEB.Default.SVC.cluster.LOCAL", "A", ["A 10.96.0.20"]),
        ("web.other" + CLUSTER, "A", ["A 10.96.0.21"]),
        ("web.default" + CLUSTER, "ANY", ["A 10.96.0.20"]),
        ("_http._tcp.web.default" + CLUSTER, "SRV", ["SRV 0 100 80 web.default.svc.cluster.local."]),
        ("_dns._udp.web.default" + CLUSTER, "SRV", ["SRV 0 100 53 web.default.svc.cluster.local."]),
        ("db.default" + CLUSTER, "A", ["A 10.244.0.5", "A 10.244.0.7"]),
        ("db-0.db.default" + CLUSTER, "A", ["A 10.244.0.5"]),
        ("10-244-0-7.db.default" + CLUSTER, "A", ["A 10.244.0.7"]),
        ("_http._tcp.db.default" + CLUSTER, "SRV", ["SRV 0 50 8080 db-0.db.default.svc.cluster.local.", "SRV 0 50 8080 10-244-0-7.db.default.svc.cluster.local."]),
        ("peers.default" + CLUSTER, "A", ["A 10.244.0.8", "A 10.244.0.9"]),
        ("a.peers.default" + CLUSTER, "A", ["A 10.244.0.8", "A 10.244.0.9"]),
        ("alias.default" + CLUSTER, "A", ["CNAME web.default.svc.cluster.local.", "A 10.96.0.20"]),
        ("alias.default" + CLUSTER, "CNAME", ["CNAME web.default.svc.cluster.local."]),
        ("deep.default" + CLUSTER, "A", ["CNAME alias.default.svc.cluster.local.", "CNAME web.default.svc.cluster.local.", "A 10.96.0.20"]),
        ("outside.default" + CLUSTER, "CNAME", ["CNAME www.example.com."]),
        ("10-244-3-4.default.pod.cluster.local", "A", ["A 10.244.3.4"]),
        ("dns-version.cluster.local", "TXT", ['TXT "1.1.0"']),
        ("cluster.local", "NS", ["NS ns.dns.cluster.local."]),
        ("ns.dns.cluster.local", "A", ["A 10.96.0.10"]),
        ("20.0.96.10.in-addr.arpa", "PTR", ["PTR web.default.svc.cluster.local."]),
        ("5.0.244.10.in-addr.arpa", "PTR", ["PTR db-0.db.default.svc.cluster.local."]),
        ("7.0.244.10.in-addr.arpa", "PTR", ["PTR 10-244-0-7.db.default.svc.cluster.local."]),
    ],
)  # fmt: skip
def test_what_a_name_leads_to(name: str, type: str, records: list[str]) -> None:
    assert answers(name, type) == records


@pytest.mark.parametrize(
    ("name", "type"),
    [
        ("web.default" + CLUSTER, "AAAA"),
        ("db.default" + CLUSTER, "AAAA"),
        ("db-0.db.default" + CLUSTER, "AAAA"),
        ("alias.default" + CLUSTER, "AAAA"),
        ("web.default" + CLUSTER, "MX"),
        ("waiting.default" + CLUSTER, "A"),
        ("unsaid.default" + CLUSTER, "A"),
        ("_tcp.web.default" + CLUSTER, "A"),
        ("_http._tcp.web.default" + CLUSTER, "A"),
        ("default" + CLUSTER, "A"),
        ("svc.cluster.local", "A"),
        ("cluster.local", "A"),
        ("dns-version.cluster.local", "A"),
        ("default.pod.cluster.local", "A"),
        ("10-244-3-4.default.pod.cluster.local", "AAAA"),
        ("20.0.96.10.in-addr.arpa", "A"),
        ("96.10.in-addr.arpa", "PTR"),
    ],
)
def test_names_that_have_nothing_of_this_type(name: str, type: str) -> None:
    """No error, and how long this may be believed: a resolver stops here."""
    record = reply(name, type)
    assert record.header.rcode == 0
    assert [each.rtype for each in record.rr if each.rtype != wire.CNAME] == []
    assert [(each.rtype, each.ttl) for each in record.auth] == [(wire.SOA, 5)]


@pytest.mark.parametrize(
    "name",
    [
        "nobody.default" + CLUSTER,
        "web.nowhere" + CLUSTER,
        "nowhere" + CLUSTER,
        "x.web.default" + CLUSTER,
        "_ftp._tcp.web.default" + CLUSTER,
        "_http._udp.web.default" + CLUSTER,
        "_._tcp.web.default" + CLUSTER,  # ports without a name have no record
        "_sctp.web.default" + CLUSTER,
        "empty.default" + CLUSTER,  # so the specification wants it
        "db-1.db.default" + CLUSTER,  # not ready
        "db-9.db.default" + CLUSTER,
        "10-244-0-5.db.default" + CLUSTER,  # it has another name
        "x.alias.default" + CLUSTER,
        "a.b.c.d.web.default" + CLUSTER,
        "web.default.svc.cluster.local.svc.cluster.local",
        "other.cluster.local",
        "1-2-3.default.pod.cluster.local",
        "1-2-3-400.default.pod.cluster.local",
        "99.0.96.10.in-addr.arpa",
        "6.0.244.10.in-addr.arpa",
        "1.20.0.96.10.in-addr.arpa",
    ],
)
def test_names_that_do_not_exist(name: str) -> None:
    """A resolver goes on along its search path."""
    record = reply(name)
    assert record.header.rcode == wire.NXDOMAIN
    assert record.rr == []
    assert [each.rtype for each in record.auth] == [wire.SOA]


@pytest.mark.parametrize(
    "name",
    ["example.com", "local", "acluster.local", "cluster.local.example.com", "8.8.8.8.in-addr.arpa", "10.in-addr.arpa", "x.y.in-addr.arpa", "01.0.96.10.in-addr.arpa", "", "1.0.245.10.in-addr.arpa"],
)  # fmt: skip
def test_names_of_others(name: str) -> None:
    assert ZONE.answer(name, wire.A) is None


def test_an_alias_that_leads_nowhere() -> None:
    record = reply("lost.default" + CLUSTER)
    assert record.header.rcode == wire.NXDOMAIN
    assert told(bytes(record.pack())) == ["CNAME nobody.default.svc.cluster.local."]


def test_an_alias_of_itself_ends() -> None:
    assert set(answers("ring.default" + CLUSTER)) == {"CNAME ring.default.svc.cluster.local."}


def test_an_alias_that_leads_out_of_the_cluster() -> None:
    """The rest is for somebody else to tell."""
    found = ZONE.answer("outside.default" + CLUSTER, wire.A)
    assert found is not None
    assert (found.alias, len(found.records)) == ("www.example.com", 1)


def test_places_come_with_their_addresses() -> None:
    record = reply("_http._tcp.db.default" + CLUSTER, "SRV")
    assert {f"{each.rname}{each.rdata}" for each in record.ar} == {
        "db-0.db.default.svc.cluster.local.10.244.0.5",
        "10-244-0-7.db.default.svc.cluster.local.10.244.0.7",
    }


def test_what_the_answer_says_of_itself() -> None:
    """It is from whom knows; asking further is offered; it is good for five seconds; the name is spelt as asked."""
    record = reply("Web.deFault" + CLUSTER)
    assert (record.header.aa, record.header.ra, record.header.rd) == (1, 1, 1)
    assert record.rr[0].ttl == 5
    assert str(record.q.qname) == str(record.rr[0].rname) == "Web.deFault.svc.cluster.local."


def test_addresses_take_turns() -> None:
    mixed = Zone(DOMAIN, INDEX, lambda members: members.reverse())
    found = mixed.answer("db.default" + CLUSTER, wire.A)
    assert found is not None
    assert [each.data[-1] for each in found.records] == [7, 5]


def test_another_domain() -> None:
    zone = Zone(Domain("10.96.0.10", "lab.example"), INDEX)
    found = zone.answer("web.default.svc.lab.example", wire.A)
    assert found is not None
    assert found.records[0].data == bytes([10, 96, 0, 20])
    assert zone.answer("web.default.svc.cluster.local", wire.A) is None
