"""What one creates and nothing is stored of: reviews, and requests for tokens."""

from typing import Any, Protocol

from google.protobuf.any_pb2 import Any as Envelope

from api import kinds
from api.errors import BadRequest
from api.kinds import Kind
from control_plane.apiserver import requests
from control_plane.apiserver.authorization.reviews import Reviews
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from proto.v1.authentication_pb2 import ServiceAccount, TokenRequest
from proto.v1.service_pb2 import Target, WriteOptions

ACCOUNT = kinds.of(ServiceAccount)
TOKEN = "token"


class Tokens(Protocol):
    async def issue(self, namespace: str, name: str, request: TokenRequest) -> TokenRequest:
        """The request with a token of this ServiceAccount. Raises NotFound, Invalid, Forbidden."""
        ...


class Questions:
    def __init__(self, reviews: Reviews, tokens: Tokens | None = None) -> None:
        """`tokens`: None where there is no key to sign them with."""
        self._reviews = reviews
        self._tokens = tokens

    def answers(self, kind: Kind, subresource: str) -> bool:
        return (kind in kinds.REVIEWS and not subresource) or (
            kind is ACCOUNT and subresource == TOKEN and self._tokens is not None
        )

    async def ask(self, target: Target, envelope: Envelope, options: WriteOptions) -> Stored:
        """The question with its answer. Raises Invalid, BadRequest."""
        kind = requests.kind_of(target)
        if kind is not ACCOUNT:
            review = requests.object_of(target, kind, envelope, options)
            return _shown(kind, await self._reviews.answer(kind, review))
        if not target.namespace or not target.name:
            raise BadRequest("a token is asked for of one ServiceAccount: send namespace and name")
        assert self._tokens is not None
        request = requests.object_of(target, kinds.TOKEN_REQUEST, envelope, options)
        answer = await self._tokens.issue(target.namespace, target.name, request)
        return _shown(kinds.TOKEN_REQUEST, answer)


def _shown(kind: Kind, answer: Any) -> Stored:
    """As if it had been stored."""
    return Stored(Strategy(kind), "", answer.SerializeToString(), 0)
