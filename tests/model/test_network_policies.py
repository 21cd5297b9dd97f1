"""Policies by lot, and then everybody talks to everybody: the kernel decides as a plain reading of the documentation does."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proto.v1.network_pb2 import NetworkPolicy
from tests.policy_world import PORTS, PolicyWorld, permitted, policy, policy_world

pytestmark = pytest.mark.root

SELECTORS: list[dict[str, Any]] = [
    {},
    {"matchLabels": {"app": "a"}},
    {"matchLabels": {"app": "b"}},
    {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["front"]}]},
]
SPACES: list[dict[str, Any]] = [
    {},
    {"matchLabels": {"team": "x"}},
    {"matchExpressions": [{"key": "env", "operator": "In", "values": ["prod"]}]},
]
BLOCKS: list[dict[str, Any]] = [
    {"cidr": "0.0.0.0/0"},
    {"cidr": "0.0.0.0/0", "except": ["10.99.1.0/24", "10.99.0.0/16"]},
    {"cidr": "192.0.2.0/24"},
    {"cidr": "10.99.0.0/16", "except": ["10.99.1.10/32", "10.99.2.0/24"]},
]
PORT: list[dict[str, Any]] = [
    {"port": 80},
    {"port": 81},
    {"port": "http"},
    {"port": "nothing"},
    {"port": "dns", "protocol": "UDP"},
    {"port": 80, "protocol": "UDP"},
    {"port": 79, "endPort": 80},
    {"port": 80, "endPort": 90},
    {"protocol": "UDP"},
    {"protocol": "TCP"},
]

selector, space = st.sampled_from(SELECTORS), st.sampled_from(SPACES)
peer = st.one_of(
    st.builds(lambda s: {"podSelector": s}, selector),
    st.builds(lambda n: {"namespaceSelector": n}, space),
    st.builds(lambda s, n: {"podSelector": s, "namespaceSelector": n}, selector, space),
    st.builds(lambda b: {"ipBlock": b}, st.sampled_from(BLOCKS)),
)


def rule(to: str) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly narrow: one that allows everything hides what the others do."""
    ports = st.lists(st.sampled_from(PORT), max_size=3)
    peers = st.lists(peer, min_size=1, max_size=2)
    narrow = st.fixed_dictionaries({to: peers}, optional={"ports": ports})
    return st.one_of(narrow, narrow, st.fixed_dictionaries({}, optional={"ports": ports}))


def some(of: st.SearchStrategy[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(of, max_size=2)


types = st.sampled_from([["Ingress"], ["Egress"], ["Ingress", "Egress"]])
spec = st.fixed_dictionaries(
    {"podSelector": selector},
    optional={"ingress": some(rule("from")), "egress": some(rule("to")), "policyTypes": types},
)
policies = st.lists(
    st.builds(policy, spec, st.sampled_from(["x", "y"])),
    max_size=3,
)


@pytest.fixture(scope="module")
def world() -> Iterator[PolicyWorld]:
    with policy_world() as made:
        yield made


@settings(max_examples=80)
@given(policies)
def test_the_kernel_decides_as_the_documentation_says(
    world: PolicyWorld, some: list[NetworkPolicy]
) -> None:
    world.apply(*some)
    for a in world.seats.values():
        for b in world.seats.values():
            if (a.here or b.here) and not (b.name == "node" or a.netns == b.netns):
                for port in PORTS:
                    told = (a.name, b.name, port)
                    assert (*told, world.reaches(a.name, b.name, *port)) == (
                        *told,
                        permitted(some, a, b, port),
                    )
