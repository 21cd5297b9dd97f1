"""Where questions arrive: one address, UDP and TCP, on one network device.

The sockets belong to a device, not only to an address. So several clusters on one machine may use the same address,
as they do unless told otherwise: each hears the pods of its own bridge. The node itself asks through the loopback
device; there the first cluster that comes is heard.

A datagram is answered at once where that is possible, without a task. Whoever makes us ask others waits in one of so
many places; when all are taken, the question is dropped, and the client asks again.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from node_agent.network.dns import encoding, wire
from node_agent.network.dns.exchange import PORT, read_message, with_length
from node_agent.network.dns.resolver import Resolver
from node_agent.network.dns.wire import Query
from node_agent.spawning import spawn

log = logging.getLogger(__name__)

MOST_WAITING = 1000  # questions that others are asked for
MOST_CONNECTIONS = 128
IDLE = 10.0  # seconds a connection may say nothing
_BUFFER = 1 << 20  # bytes of questions that wait while the agent is busy with something else


@asynccontextmanager
async def listening(
    resolver: Resolver, address: str, device: str = "", port: int = PORT
) -> AsyncIterator[None]:
    """Answer, as long as the block runs. Raises OSError."""
    loop = asyncio.get_running_loop()
    with _bound(socket.SOCK_STREAM, address, device, port) as stream:
        port = stream.getsockname()[1]
        with _bound(socket.SOCK_DGRAM, address, device, port) as datagrams:
            async with asyncio.TaskGroup() as tasks:
                listener = Datagrams(resolver, tasks)
                transport, _ = await loop.create_datagram_endpoint(lambda: listener, sock=datagrams)
                streams = Streams(resolver)
                server = await asyncio.start_server(streams.serve, sock=stream)
                try:
                    yield
                finally:
                    transport.close()
                    server.close()
                    streams.close()
                    listener.close()


def _bound(kind: socket.SocketKind, address: str, device: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind)
    try:
        if device:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.encode() + b"\0")
        if kind == socket.SOCK_STREAM:  # connections that just ended do not keep the port
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        made.bind((address, port))
        made.setblocking(False)
    except OSError:
        made.close()
        raise
    return made


class Datagrams(asyncio.DatagramProtocol):
    """Questions over UDP."""

    def __init__(self, resolver: Resolver, tasks: asyncio.TaskGroup) -> None:
        self._resolver, self._tasks = resolver, tasks
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: set[asyncio.Task[None]] = set()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = at_once(self._resolver, data, 0)
        if isinstance(answer, bytes):
            self._send(answer, addr)
        elif len(self._waiting) < MOST_WAITING:
            task = spawn(self._tasks, self._later(answer, addr))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    def error_received(self, exc: Exception) -> None:
        """A client that did not wait for its answer."""

    def close(self) -> None:
        for task in self._waiting:
            task.cancel()

    async def _later(self, query: Query, addr: Any) -> None:
        self._send(await later(self._resolver, query, 0), addr)

    def _send(self, answer: bytes, addr: Any) -> None:
        if answer and self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(answer, addr)


class Streams:
    """Questions over TCP: several on one connection, answered in order."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver
        self._open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        if len(self._open) >= MOST_CONNECTIONS:
            writer.close()
            return
        self._open.add(writer)
        try:
            with suppress(OSError, EOFError, TimeoutError):
                while True:
                    async with asyncio.timeout(IDLE):
                        packet = await read_message(reader)
                    answer = at_once(self._resolver, packet, encoding.LARGEST)
                    if isinstance(answer, Query):
                        answer = await later(self._resolver, answer, encoding.LARGEST)
                    if not answer:
                        return
                    writer.write(with_length(answer))
                    async with asyncio.timeout(IDLE):
                        await writer.drain()
        finally:
            self._open.discard(writer)
            writer.close()

    def close(self) -> None:
        for writer in self._open:
            writer.transport.abort()


# The boundary to strangers: a mistake of ours that some packet finds costs an answer, not the agent.


def at_once(resolver: Resolver, packet: bytes, limit: int) -> bytes | Query:
    try:
        return resolver.at_once(packet, limit)
    except Exception:
        log.exception("question_not_answered packet=%s", packet.hex())
        return wire.refusal(packet, wire.SERVFAIL)


async def later(resolver: Resolver, query: Query, limit: int) -> bytes:
    try:
        return await resolver.later(query, limit)
    except Exception:
        log.exception("question_not_answered name=%r", query.question.name)
        return encoding.error(query, wire.SERVFAIL)
