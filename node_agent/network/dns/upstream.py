"""Everybody else's names: asked for at the name servers the node itself uses.

The servers are asked in turn: the next one as soon as one fails, or has said nothing for a second; whichever answers
first is believed. A server that failed is asked last for a while. After four seconds we say that it failed, before
the client (glibc waits five) gives us up.

A question that is under way is not sent again: who asks it meanwhile gets the same reply. So a server that asks us
for what we ask it (a loop) is waited for, once, and does not multiply what it hears.
"""

import asyncio
import struct
from collections.abc import Callable
from contextlib import suppress

from node_agent.network.dns import wire
from node_agent.network.dns.cache import Cache
from node_agent.network.dns.exchange import PORT, exchange
from node_agent.network.dns.wire import Malformed, Query
from node_agent.spawning import spawn

NEXT = 1.0  # seconds of silence after which the next server is asked, too
PATIENCE = 4.0  # seconds for all of it
ROUNDS = 2  # a packet may get lost
PENALTY = 10.0  # seconds for which a server that failed is asked last
_FAILURES = frozenset({wire.SERVFAIL, wire.REFUSED, wire.NOTIMP})


class Failed(Exception):
    """No server answered; the message says who was asked."""


class Upstream:
    """`servers` tells whom to ask now, the best first."""

    def __init__(self, servers: Callable[[], list[str]], port: int = PORT) -> None:
        self._servers, self._port = servers, port
        self._cache = Cache()
        self._asked: dict[bytes, asyncio.Future[bytes]] = {}  # what is under way
        self._failed: dict[str, float] = {}  # server → when

    def known(self, query: Query) -> bytes | None:
        """The reply, if we have it."""
        return self._cache.get(_key(query), asyncio.get_running_loop().time())

    async def ask(self, query: Query) -> bytes:
        """A reply to this question, whoever asked it. Raises Failed."""
        key = _key(query)
        if key in self._asked:
            reply = await asyncio.shield(self._asked[key])
        else:
            promise = self._asked[key] = asyncio.get_running_loop().create_future()
            reply = b""
            try:
                reply = await self._ask_around(query)
            finally:  # also when we are cancelled: others wait
                del self._asked[key]
                promise.set_result(reply)
            with suppress(Malformed):
                self._cache.put(key, reply, asyncio.get_running_loop().time())
        if not reply:
            raise Failed(
                f"no answer from {', '.join(self._servers()) or 'anybody: no name server is known'}"
            )
        return reply

    async def _ask_around(self, query: Query) -> bytes:
        """The first good reply; if there is none, one that says what is wrong; or nothing."""
        waiting: set[asyncio.Task[bytes]] = set()
        async with asyncio.TaskGroup() as tasks:
            try:
                async with asyncio.timeout(PATIENCE):
                    return await self._race(query, waiting, tasks)
            except TimeoutError:
                return b""
            finally:
                for each in waiting:
                    each.cancel()

    async def _race(
        self, query: Query, waiting: set[asyncio.Task[bytes]], tasks: asyncio.TaskGroup
    ) -> bytes:
        order, complaint = self._order() * ROUNDS, b""
        while order or waiting:
            server = order.pop(0) if order else ""
            if server:
                waiting.add(spawn(tasks, self._try(server, query)))
            patience = NEXT if order else None
            done, _ = await asyncio.wait(
                waiting, timeout=patience, return_when=asyncio.FIRST_COMPLETED
            )
            waiting -= done
            for reply in [each.result() for each in done]:
                if reply and _rcode(reply) not in _FAILURES:
                    return reply
                complaint = reply or complaint
            if server and not done:
                self._note(server)
        return complaint

    async def _try(self, server: str, query: Query) -> bytes:
        """Nothing when it failed."""
        try:
            reply = await exchange(server, self._port, query)
        except (OSError, EOFError, Malformed):
            self._note(server)
            return b""
        if _rcode(reply) in _FAILURES:
            self._note(server)
        else:
            self._failed.pop(server, None)
        return reply

    def _order(self) -> list[str]:
        now = asyncio.get_running_loop().time()
        self._failed = {each: at for each, at in self._failed.items() if now - at < PENALTY}
        return sorted(self._servers(), key=lambda server: server in self._failed)

    def _note(self, server: str) -> None:
        self._failed[server] = asyncio.get_running_loop().time()


def _rcode(message: bytes) -> int:
    return int(wire.HEADER.unpack_from(message)[1]) & wire.RCODE


def _key(query: Query) -> bytes:
    """What a reply depends on: the question, however it is capitalized, and what kind of answer the client can read."""
    raw, edns = query.question.raw, query.edns
    kind = 0 if edns is None else 2 if edns.dnssec_ok else 1
    wishes = query.flags & (wire.RD | wire.CD | wire.AD)
    return raw[:-4].lower() + raw[-4:] + struct.pack("!BH", kind, wishes)
