"""The port of the gateway: bound early, served when somebody comes.

The socket listens before anything else is known, so that its number can be told and a taken port is refused at once.
aiohttp, which takes a quarter of a second and 13 MB to import, comes with the first caller, who waits for it in the
socket's queue: a cluster that nobody talks to by HTTP does not pay for it.
"""

import asyncio
import importlib
import logging
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from control_plane.apiserver.server import CannotListen, Offer

log = logging.getLogger(__name__)

BACKLOG = 512
MAX_BODY = 3 * 1024 * 1024  # bytes, as in Kubernetes
STOP = 2.0  # seconds that requests on their way get


def bind(host: str, port: int) -> socket.socket:
    """Raises CannotListen."""
    bare = host.strip("[]")
    listening = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((bare, port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        raise CannotListen(
            f"cannot listen on {host}:{port} for kubectl: {error.strerror}. Is another server running there? "
            "(choose another --http-port, 0 for any free one, or stop it)"
        ) from None
    listening.setblocking(False)
    return listening


class Certificates:
    """What the port shows, and whose certificates it believes: the server's own, renewals included."""

    def __init__(self, shown: Path, authority: Path) -> None:
        self._shown = shown
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=authority)
        self.context.verify_mode = ssl.CERT_OPTIONAL  # others bring a token
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.set_alpn_protocols(["http/1.1"])
        self.renew()

    def renew(self) -> None:
        """From the next handshake on."""
        self.context.load_cert_chain(self._shown)


async def serve(listening: socket.socket, tls: ssl.SSLContext, offer: Offer) -> None:
    """Until cancelled."""
    await _somebody(listening)
    async with serving(listening, tls, offer):
        await asyncio.Event().wait()


async def _somebody(listening: socket.socket) -> None:
    """Wait until there is a connection to be accepted; it is left to be."""
    loop, knocked = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(listening, knocked.set)
    try:
        await knocked.wait()
    finally:
        loop.remove_reader(listening)


@asynccontextmanager
async def serving(
    listening: socket.socket, tls: ssl.SSLContext, offer: Offer
) -> AsyncIterator[None]:
    """For as long as the block runs."""
    await asyncio.to_thread(importlib.import_module, "control_plane.gateway.gateway")
    from aiohttp import web

    from control_plane.gateway.gateway import Gateway

    loop = asyncio.get_running_loop()

    def request(
        message: Any, payload: Any, protocol: Any, writer: Any, task: Any
    ) -> web.BaseRequest:
        about = (message, payload, protocol, writer)
        return web.BaseRequest(*about, task, loop, client_max_size=MAX_BODY)

    server = web.Server(
        Gateway(offer).handle,
        request_factory=request,
        handler_cancellation=True,  # or a watcher who has hung up is never noticed
        access_log=None,
        keepalive_timeout=120.0,
    )
    runner = web.ServerRunner(server, shutdown_timeout=STOP)
    await runner.setup()
    try:
        site = web.SockSite(runner, listening, ssl_context=tls, backlog=BACKLOG)
        await site.start()
        log.info("gateway_ready port=%d", listening.getsockname()[1])
        yield
    finally:
        await runner.cleanup()
