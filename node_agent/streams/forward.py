"""Port-forward: a TCP connection to a port inside the pod, also one that only listens on the pod's own loopback.

A socket belongs for ever to the network namespace it was made in. So a thread of its own enters the pod's, connects
to 127.0.0.1 there, and hands the socket back; the thread ends, and the agent never left its own namespace.
"""

import asyncio
import ctypes
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from api.errors import BadRequest
from proto.v1.service_pb2 import PortForwardRequest, PortForwardResponse

CONNECT_TIMEOUT = 10.0  # seconds
PIECE = 64 * 1024  # bytes
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

Send = Callable[[PortForwardResponse], Awaitable[None]]


async def forward(
    netns: str, port: int, requests: AsyncIterator[PortForwardRequest], write: Send
) -> None:
    """Until both sides have said all, or the caller hangs up. Raises BadRequest when nobody listens."""
    try:
        reader, writer = await asyncio.open_connection(sock=await connect(netns, port))
    except OSError as error:
        raise BadRequest(
            f"nobody accepts connections on port {port} of the pod's localhost: {error}"
        ) from error
    try:
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(requests, writer))
            with suppress(ConnectionError):
                while data := await reader.read(PIECE):
                    await write(PortForwardResponse(data=data))
            sending.cancel()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def _send(requests: AsyncIterator[PortForwardRequest], writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        async for request in requests:
            if request.data:
                writer.write(request.data)
                await writer.drain()
            if request.closeWrite and writer.can_write_eof():
                writer.write_eof()


async def connect(netns: str, port: int) -> socket.socket:
    """A connection made inside the network namespace at the path `netns`. Raises OSError."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[socket.socket] = loop.create_future()

    def tell(outcome: socket.socket | OSError) -> None:
        if made.cancelled():
            if isinstance(outcome, socket.socket):
                outcome.close()
        elif isinstance(outcome, OSError):
            made.set_exception(outcome)
        else:
            made.set_result(outcome)

    def run() -> None:
        try:
            outcome: socket.socket | OSError = _connect(netns, port)
        except OSError as error:
            outcome = error
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(tell, outcome)

    threading.Thread(target=run, name="port-forward", daemon=True).start()
    return await made


def _connect(netns: str, port: int) -> socket.socket:
    """Only for a thread that ends afterwards: it stays in the namespace."""
    fd = os.open(netns, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, _CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), netns)
    finally:
        os.close(fd)
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        made.settimeout(CONNECT_TIMEOUT)
        made.connect(("127.0.0.1", port))
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
