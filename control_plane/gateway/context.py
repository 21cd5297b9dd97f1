"""An HTTP request as the verbs see their callers: what gRPC's own context tells, told of a request."""

import ssl
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Any

from aiohttp import web

from api import rpc
from control_plane.apiserver.authentication import CERTIFICATE

Write = Callable[[Any], Awaitable[None]]


class HttpContext:
    """Has what authentication, impersonation, the trail and the streams ask of a context."""

    def __init__(self, request: web.BaseRequest, write: Write | None = None) -> None:
        self._request = request
        self.warnings: list[str] = []  # sentences for the user, filled when the verb has ended
        self._write = write

    def writing(self, write: Write) -> "HttpContext":
        """The same caller, with somebody who takes what a verb writes bit by bit."""
        return HttpContext(self._request, write)

    async def write(self, message: Any) -> None:
        assert self._write is not None  # or a verb streams that was not asked to
        await self._write(message)

    def auth_context(self) -> dict[str, list[bytes]]:
        transport = self._request.transport
        tls = transport.get_extra_info("ssl_object") if transport else None
        shown = tls.getpeercert(binary_form=True) if tls else None
        return {CERTIFICATE: [_pem(shown)]} if shown else {}

    def invocation_metadata(self) -> list[tuple[str, str]]:
        return [(name.lower(), value) for name, value in self._request.headers.items()]

    def peer(self) -> str:
        host = self._request.remote or ""
        return f"ipv6:[{host}]:0" if ":" in host else f"ipv4:{host}:0"

    def set_trailing_metadata(self, pairs: Sequence[tuple[str, bytes]]) -> None:
        self.warnings += [text.decode() for key, text in pairs if key == rpc.WARNING_METADATA]


@lru_cache(maxsize=4096)
def _pem(certificate: bytes) -> bytes:
    return ssl.DER_cert_to_PEM_cert(certificate).encode()
