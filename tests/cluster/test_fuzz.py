"""Malformed requests through gRPC: each is refused with a clear error, none crashes the server."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import rpc
from tests.fuzzing import UNARY, Victim, request

MANY = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
METHODS = [method for methods in UNARY.values() for method in methods]
VERSION = next(method for method in METHODS if method.name == "Version")


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    with Victim(tmp_path_factory.mktemp("keys")) as it:
        yield it
        assert it.send(VERSION, b"") == "OK"


@MANY
@given(data=st.data())
def test_requests_that_began_as_good_ones(victim: Victim, data: st.DataObject) -> None:
    victim.send(*request(lambda count: data.draw(st.integers(0, count - 1))))


@MANY
@given(method=st.sampled_from(METHODS), payload=st.binary(max_size=200))
def test_bytes_that_are_no_request(victim: Victim, method: rpc.Method, payload: bytes) -> None:
    victim.send(method, payload)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_request_without_anything_in_it(victim: Victim, method: rpc.Method) -> None:
    victim.send(method, b"")
