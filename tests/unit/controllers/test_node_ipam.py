"""Which part of the cluster's range is whose: no two nodes share one, and what is free is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.controllers.nodeipam.allocation import Allocation, BadRange, Parts

SMALL = Parts.of("10.0.0.0/22", 24)  # four parts


@pytest.mark.parametrize(
    ("cidr", "mask", "told"),
    [
        ("banana", 24, "the cluster's range banana"),
        ("10.0.0.1/16", 24, "has host bits set"),
        ("10.0.0.0/16", 15, "needs a mask size from 16 to 29, not 15"),
        ("10.0.0.0/16", 30, "from 16 to 29, not 30"),
        ("10.0.0.0/8", 28, "more than 65536 parts"),
    ],
)
def test_ranges_that_cannot_be_cut(cidr: str, mask: int, told: str) -> None:
    with pytest.raises(BadRange, match=told):
        Parts.of(cidr, mask)


@pytest.mark.parametrize(
    ("cidr", "numbers"),
    [
        ("10.0.0.0/24", [0]),
        ("10.0.3.0/24", [3]),
        ("10.0.1.128/26", [1]),
        ("10.0.2.0/23", [2, 3]),
        ("10.0.0.0/8", [0, 1, 2, 3]),
        ("10.0.4.0/24", []),
        ("fd00::/64", []),
        ("", []),
    ],
)
def test_which_parts_a_range_touches(cidr: str, numbers: list[int]) -> None:
    assert list(SMALL.touched(cidr)) == numbers


def test_nodes_get_one_part_each_until_none_is_left() -> None:
    allocation = Allocation(SMALL)
    given = [allocation.take(name) for name in "abcde"]
    assert given == ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24", None]
    assert allocation.take("b") == "10.0.1.0/24", "the same when asked again"


def test_a_part_that_came_back_is_given_away_last() -> None:
    allocation = Allocation(SMALL)
    assert [allocation.take(name) for name in "ab"] == ["10.0.0.0/24", "10.0.1.0/24"]
    assert allocation.release("a")
    assert [allocation.take(name) for name in "cde"] == [
        "10.0.2.0/24",
        "10.0.3.0/24",
        "10.0.0.0/24",
    ]
    assert not allocation.release("a")


@pytest.mark.parametrize(
    ("wish", "gets"),
    [
        ("10.0.3.0/24", "10.0.3.0/24"),
        ("10.0.0.0/24", "10.0.1.0/24"),  # taken
        ("10.0.2.0/23", "10.0.1.0/24"),  # another size
        ("10.9.0.0/24", "10.0.1.0/24"),  # not of this cluster
        ("banana", "10.0.1.0/24"),
    ],
)
def test_a_wish_is_heard_if_it_can_be(wish: str, gets: str) -> None:
    allocation = Allocation(SMALL)
    allocation.take("a")
    assert allocation.take("b", wish) == gets


def test_what_a_node_brings_nobody_else_gets() -> None:
    allocation = Allocation(SMALL)
    assert allocation.hold("own", ["10.0.0.128/25"]) == set()
    assert allocation.hold("large", ["10.0.0.0/23"]) == {"own"}
    assert allocation.take("a") == "10.0.2.0/24"
    allocation.release("large")
    assert allocation.take("b") == "10.0.3.0/24"
    assert allocation.take("c") == "10.0.1.0/24"
    assert allocation.take("d") is None, "part 0 is still touched by what `own` brought"


@given(st.lists(st.tuples(st.sampled_from("abcdefg"), st.booleans(), st.integers(0, 4))))
def test_no_two_nodes_ever_share_a_part(steps: list[tuple[str, bool, int]]) -> None:
    """Whatever comes and goes; and a controller that starts anew from what the nodes say goes on in the same way."""
    allocation, nodes = Allocation(SMALL), dict[str, str]()
    for node, comes, wish in steps:
        if not comes:
            allocation.release(node)
            nodes.pop(node, None)
        elif (cidr := allocation.take(node, f"10.0.{wish}.0/24")) is not None:
            nodes[node] = cidr
        else:
            assert len(nodes) == SMALL.count
        assert len(set(nodes.values())) == len(nodes)
    reborn = Allocation(SMALL)
    assert all(reborn.hold(node, [cidr]) == set() for node, cidr in nodes.items())
    if len(nodes) < SMALL.count:
        assert reborn.take("new") not in nodes.values()
