"""Addresses: who has which, and when one is used again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node_agent.network.ipam import AddressesExhausted, AddressPool


def test_the_first_address_is_the_gateways_and_pods_follow_in_order() -> None:
    pool = AddressPool("10.1.2.0/24")
    assert pool.gateway == "10.1.2.1"
    assert [pool.allocate(uid) for uid in "abc"] == ["10.1.2.2", "10.1.2.3", "10.1.2.4"]


def test_a_pod_that_asks_again_gets_its_own() -> None:
    pool = AddressPool("10.1.2.0/24")
    assert pool.allocate("a") == pool.allocate("a")


def test_an_address_is_used_again_as_late_as_possible() -> None:
    pool = AddressPool("10.0.0.0/29")  # .2 to .6
    for uid in "abc":
        pool.allocate(uid)
    pool.release("b")
    pool.release("a")
    assert [pool.allocate(uid)[-1] for uid in "defg"] == ["5", "6", "3", "2"]


def test_a_full_range_says_so_and_what_to_do() -> None:
    pool = AddressPool("10.0.0.0/30")
    pool.allocate("a")
    with pytest.raises(AddressesExhausted, match=r"all 1 addresses of 10.0.0.0/30.*another node"):
        pool.allocate("b")
    pool.release("a")
    assert pool.allocate("b") == "10.0.0.2"


def test_after_a_restart_what_is_in_use_is_not_given_away() -> None:
    pool = AddressPool("10.0.0.0/29")
    assert pool.adopt([("a", "10.0.0.4"), ("b", "10.0.0.2")]) == []
    assert pool.owned() == {"a": "10.0.0.4", "b": "10.0.0.2"}
    assert [pool.allocate(uid)[-1] for uid in "cde"] == ["5", "6", "3"]


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("10.0.1.2", "not of 10.0.0.0/24"),
        ("10.0.0.0", "not of"),
        ("10.0.0.1", "not of"),
        ("10.0.0.255", "not of"),
        ("10.0.0.2", "as has pod first"),
    ],
)
def test_an_impossible_adoption_is_told(address: str, problem: str) -> None:
    pool = AddressPool("10.0.0.0/24")
    pool.allocate("first")
    [told] = pool.adopt([("second", address)])
    assert problem in told
    assert "second" not in pool.owned()


def test_a_range_too_small_for_a_pod_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        AddressPool("10.0.0.0/31")


@given(st.lists(st.tuples(st.sampled_from(["allocate", "release"]), st.integers(0, 9))))
def test_no_two_pods_share_and_nothing_leaks(steps: list[tuple[str, int]]) -> None:
    pool = AddressPool("10.0.0.0/28")  # 13 pods
    for verb, pod in steps:
        getattr(pool, verb)(str(pod))
        owned = pool.owned()
        assert len(set(owned.values())) == len(owned)
        assert pool.gateway not in owned.values()
    for pod in range(10):
        pool.release(str(pod))
    assert len({pool.allocate(f"new-{n}") for n in range(13)}) == 13
