"""One question to one server, over UDP, and over TCP when the reply does not fit.

Nothing a stranger could guess is believed: every question has a random id and goes from a port of its own, which the
kernel draws, through a socket that hears nobody but this server; a reply must repeat id and question. What does not
is not there.
"""

import asyncio
import secrets
import struct
from typing import Any

from node_agent.network.dns import encoding, wire
from node_agent.network.dns.wire import Malformed, Query

PORT = 53
_LENGTH = struct.Struct("!H")  # before each message over TCP


async def exchange(server: str, port: int, query: Query) -> bytes:
    """The reply. Waits for ever; raises OSError, EOFError and Malformed."""
    wishes = query.flags & (wire.RD | wire.CD | wire.AD)
    edns, dnssec_ok = query.edns is not None, bool(query.edns and query.edns.dnssec_ok)
    number = secrets.randbelow(0x10000)
    packet = encoding.ask(number, query.question.raw, wishes, edns=edns, dnssec_ok=dnssec_ok)
    reply = await _over_udp(server, port, packet)
    if wire.HEADER.unpack_from(reply)[1] & wire.TC:
        reply = await _over_tcp(server, port, packet)
    wire.records(reply)  # whole, or not at all
    return reply


def answers(packet: bytes, reply: bytes) -> bool:
    """Whether this is a reply to this question. Servers may change the letters' case."""
    if len(reply) < wire.HEADER.size or reply[:2] != packet[:2]:
        return False
    _, flags, questions, *_ = wire.HEADER.unpack_from(reply)
    try:
        said = wire.read_question(reply, questions)[0]
    except Malformed:
        return False
    asked = wire.read_question(packet)[0]
    same = (said.name, said.type, said.klass) == (asked.name, asked.type, asked.klass)
    return bool(flags & wire.QR) and same and len(said.raw) == len(asked.raw)


class _Listener(asyncio.DatagramProtocol):
    """Waits for the reply to one packet."""

    def __init__(self, packet: bytes) -> None:
        self._packet = packet
        self.reply: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        transport.sendto(self._packet)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.reply.done() and answers(self._packet, data):
            self.reply.set_result(data)

    def error_received(self, exc: Exception) -> None:
        if not self.reply.done():  # refused: nobody listens there
            self.reply.set_exception(exc)


async def _over_udp(server: str, port: int, packet: bytes) -> bytes:
    loop = asyncio.get_running_loop()
    transport, listener = await loop.create_datagram_endpoint(
        lambda: _Listener(packet), remote_addr=(server, port)
    )
    try:
        return await listener.reply
    finally:
        transport.close()


async def _over_tcp(server: str, port: int, packet: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server, port)
    try:
        writer.write(with_length(packet))
        await writer.drain()
        reply = await read_message(reader)
        if not answers(packet, reply):
            raise Malformed
        return reply
    finally:
        writer.close()


async def read_message(reader: asyncio.StreamReader) -> bytes:
    """One message with its length before it. Raises EOFError (IncompleteReadError is one)."""
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return await reader.readexactly(length)


def with_length(message: bytes) -> bytes:
    """As it is sent over TCP."""
    return _LENGTH.pack(len(message)) + message
