"""Services come and go by lot; the kernel has, after small changes, what it would have after one large one.

And what it has leads where it should: the maps are read back and followed from each frontend to its backends.
"""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node_agent.network.proxy.chains import NEAR, base
from node_agent.network.proxy.contents import Share, share
from node_agent.network.proxy.model import Backend, Frontend, Place
from node_agent.network.proxy.nft import Library, Program
from node_agent.network.proxy.table import Table, anew, diff, merged
from tests.namespaces import inside, places

pytestmark = pytest.mark.root
PLACE = Place("n1", "hl-test", "10.1.0.0/24", "10.1.0.0/16")
BACKENDS = [Backend(f"10.1.{n % 2}.{n + 2}", 80 + n % 3, n % 2 == 0) for n in range(8)]
NAMES = ["a", "b", "c"]


@pytest.fixture(scope="module")
def node() -> Iterator[str]:
    with places() as there:
        yield there.node


@st.composite
def fronts(draw: st.DrawFn, name: str) -> list[Frontend]:
    """All frontends of one service: an address, and sometimes a port of the node."""
    backends = draw(st.frozensets(st.sampled_from(BACKENDS)))
    near = frozenset(one for one in backends if one.here)
    sticky = draw(st.sampled_from([0, 0, 60]))
    protocol = draw(st.sampled_from(["tcp", "udp", "sctp"]))
    number = NAMES.index(name)
    sources = draw(st.sampled_from([(), ("10.0.0.0/8", "192.0.2.0/24", "10.1.0.0/16")]))
    inside_policy = draw(st.sampled_from(["all", "near"]))
    made = [
        Frontend(f"10.96.0.{number}", protocol, 80, backends, near, inside_policy, sticky),
    ]
    if draw(st.booleans()):
        policy = draw(st.sampled_from(["all", "split"]))
        made.append(Frontend("", protocol, 30000 + number, backends, near, policy, sticky))
        made.append(
            Frontend(f"9.9.9.{number}", protocol, 80, backends, near, policy, sticky, sources)
        )
    return made


steps = st.lists(
    st.sampled_from(NAMES).flatmap(lambda name: st.tuples(st.just(name), st.none() | fronts(name))),
    min_size=1,
    max_size=6,
)


@settings(max_examples=40)
@given(steps=steps)
def test_small_changes_lead_to_the_same_as_one_large_one(
    node: str, steps: list[tuple[str, list[Frontend] | None]]
) -> None:
    shares: dict[str, Share] = {}
    current: dict[str, list[Frontend]] = {}
    table = merged([base(PLACE)])

    def play() -> None:
        nonlocal table
        nft = Library()
        nft.run(anew("small", table))
        for name, wanted in steps:
            if wanted is None:
                shares.pop(name, None)
                current.pop(name, None)
            else:
                shares[name] = share(wanted, PLACE, shares.get(name))
                current[name] = wanted
            new = merged([base(PLACE), *(shares[one].table for one in sorted(shares))])
            if commands := diff("small", table, new):
                nft.run(commands)
            table = new
        nft.run(anew("large", table))
        assert shown("small") == shown("large")
        nft.run("delete table ip large\ndelete table ip small\n")

    inside(node, play)
    check(table, [one for lot in current.values() for one in lot])


def shown(table: str) -> list[str]:
    """Declarations, elements and rules, in an order of our own."""
    done = subprocess.run(
        ["nft", "-j", "list", "table", "ip", table], check=True, capture_output=True, text=True
    )
    text = re.sub(r'"handle": \d+, |, "handle": \d+', "", done.stdout.replace(table, "t"))
    items = [json.dumps(_sorted(one), sort_keys=True) for one in json.loads(text)["nftables"]]
    return sorted(items)


def _sorted(item: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    for kind in ("set", "map"):
        if kind in item and isinstance(elements := item[kind].get("elem"), list):
            item[kind]["elem"] = sorted(elements, key=json.dumps)
    return item


def check(table: Table, frontends: list[Frontend]) -> None:
    """Every frontend leads exactly to its backends."""
    for one in frontends:
        prefix = "" if one.address else "port-"
        front = f"{one.address} . " if one.address else ""
        verdict = table.sets[f"{prefix}services"].elements[f"{front}{one.protocol} . {one.port}"]
        lists = {0: one.backends, NEAR: one.near}
        if not one.backends:
            assert verdict.endswith("refuse")
        for first, backends in lists.items():
            home = not one.address  # for 127.0.0.1 there are those of the node
            used = {0: one.policy != "near", NEAR: one.policy != "all" or home}[first]
            assert drawn(table, one, prefix, first) == (set(backends) if used else set())
            if used and backends:
                kind = "near" if first else "spread"
                loopback = home and first and one.policy == "all"
                assert f"{kind}-{len(backends)}" in (home_of(table, one) if loopback else verdict)


def home_of(table: Table, one: Frontend) -> str:
    return table.sets["port-loopback"].elements[f"{one.protocol} . {one.port}"]


def drawn(table: Table, one: Frontend, prefix: str, first: int) -> set[Backend]:
    """Whom the numbers of the list lead to."""
    lane = f"{prefix}{one.protocol}-"
    key = f"{one.address} . {one.port}" if one.address else f"{one.port}"
    found, number = set(), first
    while True:
        if one.sticky:
            sets = table.sets.get(f"{lane}draws")
            mark = sets.elements.get(f"{key} . {number}") if sets else None
            target = table.sets[f"{lane}marked"].elements[f"{key} . {mark}"] if mark else None
        else:
            sets = table.sets.get(f"{lane}endpoints")
            target = sets.elements.get(f"{key} . {number}") if sets else None
        if target is None:
            return found
        address, port = target.split(" . ")
        found |= {b for b in BACKENDS if (b.address, b.port) == (address, int(port))}
        number += 1


def test_the_program_does_what_the_library_does(node: str) -> None:
    front = Frontend("10.96.0.1", "tcp", 80, frozenset(BACKENDS))
    table = merged([base(PLACE), share([front], PLACE).table])

    def play() -> None:
        Library().run(anew("small", table))
        Program().run(anew("large", table))
        assert shown("small") == shown("large")
        Program().run("delete table ip large\ndelete table ip small\n")

    inside(node, play)
