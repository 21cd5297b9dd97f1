"""The agent's tokens: asked for once, renewed in time, never for another pod."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api import clock
from api.errors import Forbidden
from node_agent.pods.facts import ConfigError
from node_agent.tokens import JITTER, AccountTokens, renewal
from proto.v1.authentication_pb2 import TokenRequest
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod, PodSpec, ServiceAccountTokenProjection

NOW = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def present() -> Iterator[None]:
    clock.use(lambda: NOW)
    yield
    clock.use(None)


class Server:
    """Answers requests for tokens, as long as it likes to."""

    def __init__(self) -> None:
        self.asked: list[TokenRequest] = []
        self.refuses = False

    async def create(self, request: TokenRequest) -> TokenRequest:
        if self.refuses:
            raise Forbidden("no")
        self.asked.append(request)
        request.status.token = f"token-{len(self.asked)}"
        until = clock.now() + timedelta(seconds=request.spec.expirationSeconds)
        request.status.expirationTimestamp.FromDatetime(until.replace(tzinfo=None))
        return request


def pod(uid: str = "u1") -> Pod:
    meta = ObjectMeta(name="web", namespace="shop", uid=uid)
    return Pod(metadata=meta, spec=PodSpec(serviceAccountName="robot"))


def ask(tokens: AccountTokens, which: Pod, audience: str = "", seconds: int = 3607) -> Any:
    wanted = ServiceAccountTokenProjection(audience=audience, expirationSeconds=seconds)
    return asyncio.run(tokens.token(which, wanted))


def at(seconds: float) -> None:
    clock.use(lambda: NOW + timedelta(seconds=seconds))


def test_a_token_is_bound_to_its_pod() -> None:
    server = Server()
    ask(AccountTokens(server), pod(), "vault")  # type: ignore[arg-type]
    [request] = server.asked
    assert (request.metadata.namespace, request.metadata.name) == ("shop", "robot")
    bound = request.spec.boundObjectRef
    assert (bound.kind, bound.name, bound.uid) == ("Pod", "web", "u1")
    assert list(request.spec.audiences) == ["vault"]


def test_a_token_is_kept_until_four_fifths_of_its_life_are_over() -> None:
    server = Server()
    tokens = AccountTokens(server)  # type: ignore[arg-type]
    first = ask(tokens, pod())
    at(3607 * 0.8 - JITTER - 1)
    assert ask(tokens, pod()) == first
    at(3607 * 0.8)
    assert ask(tokens, pod()).text == "token-2"


def test_pods_and_audiences_share_no_tokens() -> None:
    server = Server()
    tokens = AccountTokens(server)  # type: ignore[arg-type]
    texts = [
        ask(tokens, *each).text
        for each in ((pod(),), (pod("u2"),), (pod(), "vault"), (pod(), "", 7200), (pod(),))
    ]
    assert texts == ["token-1", "token-2", "token-3", "token-4", "token-1"]


def test_a_refusal_is_told_in_words() -> None:
    server = Server()
    server.refuses = True
    with pytest.raises(ConfigError, match='no token of service account "robot": no'):
        ask(AccountTokens(server), pod())  # type: ignore[arg-type]


def test_a_renewal_is_never_in_the_past() -> None:
    assert NOW <= renewal(NOW, NOW + timedelta(seconds=5)) <= NOW + timedelta(seconds=4)
    assert renewal(NOW, NOW) == NOW


def test_tokens_are_not_in_what_is_printed() -> None:
    tokens = AccountTokens(Server())  # type: ignore[arg-type]
    ask(tokens, pod())
    assert "token-1" not in repr(tokens)
