"""Who asks: names and groups out of certificates and tokens, and nobody without one of both."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import clock
from api.errors import Unauthorized
from api.grpc_server import Context
from control_plane.apiserver.authentication import Authentication
from control_plane.apiserver.identity import CALLER, SYSTEM, User
from control_plane.pki.authority import Wanted
from tests import pki

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Call:
    """What admit sees of a call."""

    def __init__(self, certificate: bytes = b"", authorization: str = "") -> None:
        self._certificate, self._authorization = certificate, authorization

    def auth_context(self) -> dict[str, list[bytes]]:
        return {"x509_pem_cert": [self._certificate]} if self._certificate else {}

    def invocation_metadata(self) -> Any:
        return (("authorization", self._authorization),) if self._authorization else ()


class Known:
    """Knows one token."""

    def __init__(self, token: str, user: User) -> None:
        self._token, self._user = token, user

    async def user_of(self, token: str) -> User | None:
        return self._user if token == self._token else None


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    clock.use(lambda: NOW)
    yield
    clock.use(None)


def admitted(call: Context, *tokens: Known) -> User:
    async def main() -> User:
        assert CALLER.get() is SYSTEM
        await Authentication(tokens).admit(call)
        return CALLER.get()

    return asyncio.run(main())


def issued(name: str, *groups: str, life: float = 60.0) -> bytes:
    wanted = Wanted(name, groups, life=timedelta(seconds=life))
    return pki.authority().issue(wanted, NOW)[0]


def test_a_certificate_names_a_user_and_groups() -> None:
    user = admitted(Call(issued("jane", "dev", "ops")))
    assert (user.name, user.groups) == ("jane", ("dev", "ops", "system:authenticated"))


def test_a_certificate_counts_more_than_a_token() -> None:
    known = Known("t", User("somebody"))
    assert admitted(Call(issued("jane"), "Bearer t"), known).name == "jane"


def test_a_connection_does_not_outlive_its_certificate() -> None:
    certificate = issued("jane", life=60)
    assert admitted(Call(certificate)).name == "jane"
    clock.use(lambda: NOW + timedelta(seconds=61))
    with pytest.raises(Unauthorized, match="certificate of jane expired at 2030-01-01 00:01:00"):
        admitted(Call(certificate))


def test_a_certificate_without_a_name_is_nobodys() -> None:
    with pytest.raises(Unauthorized, match="names nobody"):
        admitted(Call(issued("", "system:masters")))


def test_tokens_are_shown_to_each_authenticator_in_turn() -> None:
    first, second = Known("a", User("ann")), Known("b", User("bob", ("crew",), "7", {"k": ("v",)}))
    assert admitted(Call(authorization="Bearer a"), first, second).name == "ann"
    user = admitted(Call(authorization="Bearer b"), first, second)
    assert user == User("bob", ("crew", "system:authenticated"), "7", {"k": ("v",)})


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        ("", "show a client certificate, or a token"),
        ("Basic YTpi", "show a client certificate, or a token"),
        ("Bearer ", "show a client certificate, or a token"),
        ("Bearer wrong", "not known here, has expired, or was revoked"),
    ],
)
def test_nobody_is_anonymous(authorization: str, told: str) -> None:
    with pytest.raises(Unauthorized, match=told):
        admitted(Call(authorization=authorization), Known("right", User("jane")))
