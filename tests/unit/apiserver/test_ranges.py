"""What addresses and node ports there are for Services, in which order they are given, and who holds which (S#81)."""

from random import Random
from typing import Any

import pytest

from control_plane.apiserver.allocation.claims import claims
from control_plane.apiserver.allocation.ranges import (
    Addresses,
    Ports,
    Ranges,
    choose,
    guess,
    read_network,
    read_ports,
)
from tests.manifests import created

RANDOM = Random(1)


def addresses(text: str) -> Addresses:
    return Addresses(read_network(text))


@pytest.mark.parametrize(
    ("range_", "size", "static"),
    [
        (addresses("10.96.0.0/16"), 65534, 256),
        (addresses("10.96.0.0/24"), 254, 16),
        (addresses("10.96.0.0/28"), 14, 0),
        (addresses("10.96.0.0/27"), 30, 15),
        (Ports(range(30000, 32768)), 2768, 86),
        (Ports(range(30000, 30010)), 10, 0),
    ],
)
def test_the_beginning_of_a_range_is_left_to_those_who_ask(
    range_: Addresses | Ports, size: int, static: int
) -> None:
    assert (len(range_.numbers), range_.static) == (size, static)


def test_a_guess_is_none_of_those_left_to_others() -> None:
    range_ = addresses("10.96.0.0/27")
    guesses = {guess(range_, RANDOM) for _ in range(500)}
    assert guesses == {f"10.96.0.{number}" for number in range(16, 31)}


def test_nobody_guesses_an_address_that_is_reserved() -> None:
    range_ = addresses("10.96.0.0/28")
    guesses = {guess(range_, RANDOM) for _ in range(500)}
    assert len(guesses) == 12
    assert not guesses & {"10.96.0.1", "10.96.0.10"}


def test_every_address_is_given_before_the_range_is_full_and_the_reserved_ones_never() -> None:
    range_, taken = addresses("10.96.0.0/27"), set[str]()
    while text := choose(range_, taken, RANDOM):
        assert text not in taken
        taken.add(text)
        if len(taken) <= 15:
            assert text in {f"10.96.0.{number}" for number in range(16, 31)}
    assert taken == {f"10.96.0.{n}" for n in range(1, 31)} - {"10.96.0.1", "10.96.0.10"}


@pytest.mark.parametrize(
    ("text", "is_in"),
    [
        ("10.96.0.1", True),
        ("10.96.0.0", False),
        ("10.96.0.255", False),
        ("10.97.0.1", False),
        ("2001:db8::1", False),
    ],
)
def test_which_addresses_are_in_a_range(text: str, is_in: bool) -> None:
    assert (text in addresses("10.96.0.0/24")) is is_in


@pytest.mark.parametrize("text", ["10.96.0.0", "10.96.0.1/16", "10.96.0.0/29", "10.0.0.0/8", "all"])
def test_these_are_no_ranges_of_addresses(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_network(text)


@pytest.mark.parametrize("text", ["30000", "30000-", "a-b", "0-10", "30010-30000", "1-65536"])
def test_these_are_no_ranges_of_ports(text: str) -> None:
    with pytest.raises(ValueError, match=text):
        read_ports(text)


def test_a_range_of_ports_includes_its_end() -> None:
    ports = Ranges(node_ports=read_ports("30000-30002")).ports
    assert list(ports.numbers) == [30000, 30001, 30002]
    assert str(ports) == "30000-30002"


@pytest.mark.parametrize(
    ("spec", "held"),
    [
        ({}, []),
        ({"clusterIP": "None"}, []),
        ({"clusterIP": "10.96.0.20"}, ["/ranges/addresses/10.96.0.20"]),
        (
            {
                "type": "NodePort",
                "clusterIP": "10.96.0.20",
                "ports": [
                    {"name": "a", "port": 53, "nodePort": 30053},
                    {"name": "b", "port": 53, "protocol": "UDP", "nodePort": 30053},
                ],
            },
            ["/ranges/addresses/10.96.0.20", "/ranges/nodeports/30053"],
        ),
        (
            {
                "type": "LoadBalancer",
                "externalTrafficPolicy": "Local",
                "healthCheckNodePort": 30001,
            },
            ["/ranges/nodeports/30001"],
        ),
        ({"type": "ExternalName", "externalName": "a.example.com", "ports": None}, []),
    ],
)
def test_what_a_service_holds(spec: dict[str, Any], held: list[str]) -> None:
    assert list(claims(created("Service", {"spec": spec}))) == held
