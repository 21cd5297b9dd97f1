"""What is known follows every change, and a change costs no more than what changed."""

import random
from pathlib import Path

import pytest

from node_agent.network.dns import index as module
from node_agent.network.dns import snapshot
from node_agent.network.dns.index import Index
from proto.v1.network_pb2 import EndpointSlice, Service
from tests.dns_objects import external, headless, index_of, service, slice_of


def addresses(index: Index, name: str = "db") -> list[bytes]:
    found = index.published(("default", name))
    assert found is not None
    return [member.address[-1:] for member in found.members]


def test_a_slice_before_its_service() -> None:
    """Two watches tell of them, in any order."""
    index = Index()
    index.slice_changed(None, slice_of("db", [("10.1.0.1", "", True)]))
    assert index.published(("default", "db")) is None
    index.service_changed(None, headless("db"))
    assert addresses(index) == [b"\1"]


def test_changes_show() -> None:
    index = index_of(headless("db"))
    one, two = slice_of("db", [("10.1.0.1", "", True)]), slice_of("db", [("10.1.0.2", "", True)])
    index.slice_changed(None, one)
    assert addresses(index) == [b"\1"]
    index.slice_changed(one, two)
    assert addresses(index) == [b"\2"]
    assert index.owners(bytes([10, 1, 0, 1])) == []
    index.slice_changed(two, None)
    assert addresses(index) == []


def test_a_slice_that_changes_hands() -> None:
    index = index_of(headless("db"), headless("other"))
    mine, theirs = (
        slice_of(owner, [("10.1.0.1", "", True)], name="s") for owner in ("db", "other")
    )
    index.slice_changed(None, mine)
    index.slice_changed(mine, theirs)
    assert (addresses(index), addresses(index, "other")) == ([], [b"\1"])


def test_a_namespace_is_there_as_long_as_it_has_services() -> None:
    index = index_of(service("a"), service("b"))
    index.service_changed(service("a"), None)
    assert index.has_namespace("default")
    index.service_changed(service("b"), None)
    assert not index.has_namespace("default")


def test_what_is_no_address_is_left_out() -> None:
    made = slice_of("db", [("www.example.com", "", True), ("10.1.0.1", "", True)])
    assert addresses(index_of(headless("db"), made)) == [b"\1"]
    made.addressType = "FQDN"
    assert addresses(index_of(headless("db"), made)) == []


def test_one_change_works_out_one_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a thousand services of ten endpoints each."""
    slices = [
        slice_of(f"s{n}", [(f"10.{n // 250}.{n % 250}.{m}", "", True) for m in range(10)])
        for n in range(1000)
    ]
    index = index_of(*(headless(f"s{n}") for n in range(1000)), *slices)
    for n in range(1000):
        index.published(("default", f"s{n}"))
    counted: list[str] = []
    publish = module.publish

    def counting(service: Service, slices: list[EndpointSlice]) -> module.Published:
        counted.append(service.metadata.name)
        return publish(service, slices)

    monkeypatch.setattr(module, "publish", counting)
    index.slice_changed(slices[7], slice_of("s7", [("10.9.9.9", "", True)]))
    for n in range(1000):
        index.published(("default", f"s{n}"))
    assert counted == ["s7"]


def test_any_history_leads_to_the_same_as_the_end_alone() -> None:
    """Random changes, compared with an index that only ever saw what is left."""
    lots = random.Random(20)
    for _ in range(50):
        index, now = Index(), {}
        for _ in range(60):
            name, what = lots.choice("abc"), lots.choice(["service", "slice"])
            new = None if lots.random() < 0.3 else _any(lots, name, what)
            change = index.service_changed if what == "service" else index.slice_changed
            change(now.get((what, name)), new)
            now[what, name] = new
        fresh = index_of(*(each for each in now.values() if each is not None))
        for name in "abc":
            assert _sorted(index, name) == _sorted(fresh, name)
        for last in range(5):
            address = bytes([10, 1, 0, last])
            assert [p.key for p in index.owners(address)] == [p.key for p in fresh.owners(address)]


def _any(lots: random.Random, name: str, what: str) -> Service | EndpointSlice:
    if what == "service":
        return lots.choice(
            [
                headless(name),
                service(name, f"10.1.0.{lots.randrange(5)}"),
                external(name, "x.example"),
            ]
        )
    chosen = [(f"10.1.0.{lots.randrange(5)}", "", True) for _ in range(lots.randrange(4))]
    return slice_of(lots.choice("abc"), chosen, name=name)


def _sorted(index: Index, name: str) -> object:
    found = index.published(("default", name))
    return found and (
        found.address,
        found.alias,
        sorted(member.address for member in found.members),
    )


def test_what_was_known_is_kept(tmp_path: Path) -> None:
    index = index_of(service("web"), headless("db"), slice_of("db", [("10.1.0.1", "db-0", True)]))
    snapshot.save(tmp_path / "dns", index.services(), index.slices())
    found = snapshot.load(tmp_path / "dns")
    assert found is not None
    assert addresses(found) == [b"\1"]
    assert [path.name for path in (tmp_path / "dns").iterdir()] == [snapshot.FILE]


def test_what_cannot_be_read_is_as_good_as_nothing(tmp_path: Path) -> None:
    assert snapshot.load(tmp_path) is None
    snapshot.save(tmp_path, [service("web")], [])
    path = tmp_path / snapshot.FILE
    path.write_bytes(path.read_bytes()[:-3])
    assert snapshot.load(tmp_path) is None
