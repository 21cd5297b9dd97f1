"""From frontends to a table, and from table to table; the kernel is asked in tests/model/test_service_kernel.py."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.network.proxy.chains import NEAR, base
from node_agent.network.proxy.conntrack import Flow
from node_agent.network.proxy.contents import arranged, share
from node_agent.network.proxy.model import Backend, Frontend, Place
from node_agent.network.proxy.stale import stale
from node_agent.network.proxy.table import Chain, NotInPlace, Set, Table, anew, diff, merged

PLACE = Place("n1", "hl-test", "10.1.0.0/24", "10.1.0.0/16")
BACKENDS = [Backend(f"10.1.{n % 2}.{n + 2}", 80, n % 2 == 0) for n in range(12)]


def web(*backends: Backend, **more: object) -> Frontend:
    near = frozenset(one for one in backends if one.here)
    return Frontend("10.96.0.1", "tcp", 80, frozenset(backends), near, **more)  # type: ignore[arg-type]


@given(st.permutations(BACKENDS), st.sets(st.sampled_from(BACKENDS)))
def test_numbers_have_no_gap_and_change_as_little_as_can_be(
    before: list[Backend], wanted: set[Backend]
) -> None:
    was = tuple(before[: len(before) // 2 + 1])
    now = arranged(was, frozenset(wanted))
    assert set(now) == wanted
    assert len(now) == len(wanted)
    stay = [one for number, one in enumerate(was) if one in wanted and number < len(wanted)]
    assert all(now[was.index(one)] == one for one in stay)


def test_one_backend_less_is_four_elements() -> None:
    before = share([web(*BACKENDS[:10])], PLACE)
    after = share([web(*BACKENDS[1:10])], PLACE, before)
    script = diff("t", merged([base(PLACE), before.table]), merged([base(PLACE), after.table]))
    changes = [line for line in script.splitlines() if " element " in line]
    assert sorted(changes) == sorted(
        [
            "delete element ip t loops { 10.1.0.2 . 10.1.0.2 }",
            "delete element ip t services { 10.96.0.1 . tcp . 80 }",
            "add element ip t services { 10.96.0.1 . tcp . 80 : goto tcp-spread-9 }",
            "delete element ip t tcp-endpoints { 10.96.0.1 . 80 . 1, 10.96.0.1 . 80 . 9 }",
            "add element ip t tcp-endpoints { 10.96.0.1 . 80 . 1 : 10.1.1.9 . 80 }",
        ]
    )


def test_of_two_that_want_the_same_the_first_has_it() -> None:
    one, other = (share([web(backend)], PLACE).table for backend in BACKENDS[:2])
    assert merged([one, other]).sets["tcp-endpoints"].elements == {
        "10.96.0.1 . 80 . 0": "10.1.0.2 . 80"
    }


def test_nothing_to_do_is_nothing() -> None:
    table = merged([base(PLACE), share([web(*BACKENDS)], PLACE).table])
    assert diff("t", table, table) == ""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (Table({"s": Set("type mark;")}), Table({"s": Set("type ipv4_addr;")})),
        (Table(chains={"c": Chain(hook="type nat;")}), Table(chains={"c": Chain()})),
    ],
)
def test_some_changes_need_another_table(old: Table, new: Table) -> None:
    with pytest.raises(NotInPlace):
        diff("t", old, new)


def test_what_is_referred_to_comes_before_and_goes_after() -> None:
    small = Table(
        {"m": Set("type mark : verdict;", {}, True)}, {"a": Chain(("jump b",)), "b": Chain()}
    )
    large = Table(
        {"m": Set("type mark : verdict;", {"1": "goto c"}, True)},
        {"a": Chain(("jump c", "mark vmap @m")), "c": Chain(("accept",))},
    )
    assert diff("t", small, large).splitlines() == [
        "add chain ip t c",
        "flush chain ip t a",
        "add element ip t m { 1 : goto c }",
        "add rule ip t a jump c",
        "add rule ip t a mark vmap @m",
        "add rule ip t c accept",
        "delete chain ip t b",
    ]
    assert diff("t", large, small).splitlines() == [
        "add chain ip t b",
        "flush chain ip t a",
        "flush chain ip t c",
        "delete element ip t m { 1 }",
        "add rule ip t a jump b",
        "delete chain ip t c",
    ]
    assert anew("t", small).startswith("add table ip t\ndelete table ip t\nadd table ip t\n")


@pytest.mark.parametrize(
    ("front", "verdict"),
    [
        (web(), "goto refuse"),
        (web(*BACKENDS[:3]), "goto tcp-spread-3"),
        (web(BACKENDS[1], policy="near"), "drop"),
        (web(policy="near"), "goto refuse"),
        (web(*BACKENDS[:3], policy="near"), "goto tcp-near-2"),
        (web(*BACKENDS[:3], policy="split"), "goto split-tcp-spread-3-tcp-near-2"),
        (web(BACKENDS[1], policy="split"), "goto split-tcp-spread-1-drop"),
        (web(BACKENDS[1], sticky=9), "goto tcp-sticky-spread-1-9"),
        (web(BACKENDS[1], sources=("10.0.0.0/8",)), "goto checked-tcp-spread-1"),
    ],
)
def test_where_a_frontend_leads(front: Frontend, verdict: str) -> None:
    table = share([front], PLACE).table
    assert table.sets["services"].elements == {"10.96.0.1 . tcp . 80": verdict}
    assert verdict.removeprefix("goto ") in {*table.chains, "drop", "refuse"}


def test_backends_of_this_node_have_numbers_of_their_own() -> None:
    table = share([web(*BACKENDS[:3], policy="split")], PLACE).table
    numbers = [int(key.rsplit(" ", 1)[1]) for key in table.sets["tcp-endpoints"].elements]
    assert sorted(numbers) == [0, 1, 2, NEAR, NEAR + 1]


def udp(*backends: Backend, address: str = "10.96.0.1") -> Frontend:
    return Frontend(address, "udp", 53, frozenset(backends))


VIP, NODE = "10.96.0.1", "192.0.2.1"
A, B = BACKENDS[0], BACKENDS[1]


@pytest.mark.parametrize(
    ("before", "after", "flow", "expected"),
    [
        ([udp(A)], [udp(B)], Flow(VIP, 53, A.address, 80), True),
        ([udp(A)], [udp(A, B)], Flow(VIP, 53, A.address, 80), False),
        ([udp(A)], [], Flow(VIP, 53, A.address, 80), True),
        ([], [udp(A)], Flow(VIP, 53, VIP, 53), True),
        ([udp(A)], [udp()], Flow(VIP, 53, VIP, 53), False),
        ([udp(A)], [udp(B)], Flow("10.96.0.2", 53, A.address, 80), False),
        ([udp(A, address="")], [udp(B, address="")], Flow(NODE, 53, A.address, 80), True),
        ([udp(A, address="")], [udp(B, address="")], Flow("9.9.9.9", 53, "9.9.9.9", 53), False),
    ],
)
def test_which_connections_lead_nowhere(
    before: list[Frontend], after: list[Frontend], flow: Flow, expected: bool
) -> None:
    is_stale = stale(before, after)
    assert is_stale is not None
    assert is_stale(flow) is expected


def test_without_a_change_of_udp_nothing_is_asked() -> None:
    assert stale([web(A), udp(A)], [web(B), udp(A)]) is None


def test_only_an_address_of_its_own_is_refused_on_other_ports() -> None:
    fronts = [web(alone=True), Frontend("198.51.100.7", "tcp", 80, frozenset())]
    assert share(fronts, PLACE).table.sets["addresses"].elements == {"10.96.0.1": ""}
