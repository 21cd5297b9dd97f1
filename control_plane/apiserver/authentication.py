"""Who asks: from a client's certificate, or from a bearer token, to a User.

The port for certificates has asked for one during the handshake, so its caller has shown it, and TLS has checked it
against the cluster's CA; what is left is to read the name, and to look at the date again: a connection may outlive
the certificate it began with. The port for tokens asks for no certificate; there, a token is all that counts. Nobody
is anonymous: without one of both, nothing is answered (S#31).

`admit` runs before every call, so it is made of lookups. The user is put into CALLER, where authorization, admission
and audit find him.
"""

import logging
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from api import clock
from api.certificates import Holder, holder_of
from api.errors import Unauthorized
from api.grpc_server import Context
from control_plane.apiserver.identity import AUTHENTICATED, CALLER, User

log = logging.getLogger(__name__)

CERTIFICATE = "x509_pem_cert"  # what grpc calls the client's certificate
SCHEME = "Bearer "
NOBODY = "Unauthorized: show a client certificate, or a token (authorization: Bearer …)"
BAD_TOKEN = "Unauthorized: the token is not known here, has expired, or was revoked"


class TokenAuthenticator(Protocol):
    """One kind of tokens: join tokens, ServiceAccounts' …"""

    async def user_of(self, token: str) -> User | None:
        """Whose token it is; None: it is none of mine, or no longer good. Must tell nobody which of both."""
        ...

    async def review(
        self, token: str, audiences: tuple[str, ...]
    ) -> tuple[User, tuple[str, ...]] | None:
        """The same for a token that was shown to somebody else, who goes by one of these names (none: by ours)."""
        ...


class Authentication:
    """Asks each kind of token in turn; the first to know one is believed."""

    def __init__(self, tokens: Sequence[TokenAuthenticator] = ()) -> None:
        self._tokens = tuple(tokens)

    async def admit(self, context: Context) -> None:
        """Find out who makes this call, and remember it for as long as the call lasts. Raises Unauthorized."""
        certificate = context.auth_context().get(CERTIFICATE)
        if certificate:
            CALLER.set(user_of_certificate(certificate[0]))
        else:
            CALLER.set(await self.user_of_token(_bearer(context)))

    async def review(self, token: str, audiences: tuple[str, ...]) -> tuple[User, tuple[str, ...]]:
        """Whose token it is, and which of the audiences it is meant for. Raises Unauthorized."""
        for authenticator in self._tokens:
            found = await authenticator.review(token, audiences)
            if found is not None:
                return authenticated(found[0]), found[1]
        raise Unauthorized(BAD_TOKEN)

    async def user_of_token(self, token: str) -> User:
        """Raises Unauthorized."""
        if not token:
            raise Unauthorized(NOBODY)
        for authenticator in self._tokens:
            user = await authenticator.user_of(token)
            if user is not None:
                return authenticated(user)
        log.warning("token_refused")
        raise Unauthorized(BAD_TOKEN)


def user_of_certificate(pem: bytes) -> User:
    """Of a certificate that TLS has verified. Raises Unauthorized when its time is over."""
    user, holder = _known(pem)
    if clock.now() > holder.until:
        raise Unauthorized(
            f"Unauthorized: the certificate of {holder.name} expired at {holder.until:%Y-%m-%d %H:%M:%S} UTC"
        )
    return user


@lru_cache(maxsize=4096)
def _known(pem: bytes) -> tuple[User, Holder]:
    holder = holder_of(pem)
    if not holder.name:
        raise Unauthorized("Unauthorized: the certificate names nobody (its CN is empty)")
    return authenticated(User(holder.name, holder.groups)), holder


def authenticated(user: User) -> User:
    """In the group of everybody who has shown who he is."""
    if AUTHENTICATED in user.groups:
        return user
    return User(user.name, (*user.groups, AUTHENTICATED), user.uid, user.extra)


def _bearer(context: Context) -> str:
    """The token in the call's metadata; "": there is none."""
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.startswith(SCHEME):
            return value.removeprefix(SCHEME).strip()
    return ""
