"""Tells who shows a join token. All that such a user is good for is to ask for a node's certificate."""

import hmac

from api import clock
from api.client import Client
from api.errors import NotFound
from api.identities import BOOTSTRAPPERS
from api.jointoken import BEARER, hash_of
from control_plane.apiserver.identity import User
from proto.v1.certificates_pb2 import BootstrapToken


class JoinTokens:
    """A TokenAuthenticator (control_plane/apiserver/authentication.py)."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def review(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[User, tuple[str, ...]] | None:
        """Nobody but this server is to be shown a join token."""
        return None

    async def user_of(self, token: str) -> User | None:
        match = BEARER.fullmatch(token)
        if match is None:
            return None
        try:
            known = (await self._client.get(BootstrapToken, match["id"])).spec
        except NotFound:
            return None
        if not hmac.compare_digest(known.secretHash, hash_of(match["secret"])):
            return None
        if known.HasField("expiration") and clock.now() >= clock.to_datetime(known.expiration):
            return None
        return User(f"system:bootstrap:{match['id']}", (BOOTSTRAPPERS,))
