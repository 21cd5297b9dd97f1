"""From a packet to a packet: the cluster's names are answered at once, everybody else's are asked for upstream.

Names of the cluster never go upstream, also when we do not know them, or nothing yet: then the answer is "failed",
and the client asks again. "No such name" would be believed.
"""

import asyncio
import logging

from node_agent.network.dns import encoding, relay, wire
from node_agent.network.dns.encoding import Answer
from node_agent.network.dns.index import Index
from node_agent.network.dns.upstream import PATIENCE, Failed, Upstream
from node_agent.network.dns.wire import Malformed, Query, Question
from node_agent.network.dns.zone import Domain, Zone

log = logging.getLogger(__name__)

MOST_GIVEN = 2048  # answers; whoever asks for nonsense makes us forget them, no more
_NOT_HERE = frozenset({wire.AXFR, wire.IXFR})


class Resolver:
    """`domain` is the cluster's part of all names; what they are, `know` tells, and may tell again."""

    def __init__(self, domain: Domain, upstream: Upstream) -> None:
        self._zone, self._upstream = Zone(domain, Index()), upstream
        self._known = asyncio.Event()  # the zone is more than nothing
        # Answers given since the zone's last change, by limit and question, ids left out: most questions are repeated.
        self._given: dict[tuple[int, bytes], bytes] = {}
        self._serial = 0  # of the zone that they are from

    def know(self, zone: Zone) -> None:
        self._zone = zone
        self._given.clear()
        self._known.set()

    def at_once(self, packet: bytes, limit: int) -> bytes | Query:
        """The answer (nothing: none is due), or the question if it must wait. `limit` 0: as the client says."""
        if self._serial != self._zone.serial or len(self._given) > MOST_GIVEN:
            self._serial = self._zone.serial
            self._given.clear()
        given = self._given.get((limit, packet[2:]))
        if given is not None:
            return packet[:2] + given
        try:
            query = wire.parse(packet)
        except wire.Unanswerable as stop:
            return stop.reply
        return self._refused(query) or self._answered(query, packet, limit)

    def _refused(self, query: Query) -> bytes:
        """What is said to questions that nobody here answers; nothing to others."""
        if query.edns is not None and query.edns.version > 0:
            return encoding.error(query, wire.BADVERS)
        question = query.question
        if question.klass not in (wire.IN, wire.ANY_CLASS) or question.type in _NOT_HERE:
            return encoding.error(query, wire.REFUSED)
        return b""

    def _answered(self, query: Query, packet: bytes, limit: int) -> bytes | Query:
        room = limit or query.udp_limit
        answer = self._zone.answer(query.question.name, query.question.type)
        if answer is None:
            reply = self._upstream.known(query)
            return query if reply is None else relay.relayed(query, reply, room)
        if answer.alias or not self._known.is_set():
            return query
        said = encoding.encode(query, answer, room)
        if (
            len(answer.records) <= 1
        ):  # where there are more, the first should be another one each time
            self._given[limit, packet[2:]] = said[2:]
        return said

    async def later(self, query: Query, limit: int) -> bytes:
        """The answer, when others have been asked; it comes in bounded time."""
        limit = limit or query.udp_limit
        try:
            return await self._waited_for(query, limit)
        except (Failed, TimeoutError) as failure:
            log.info("name_not_resolved name=%r because=%r", query.question.name, str(failure))
        except Malformed:
            log.info("reply_not_understood name=%r", query.question.name)
        return encoding.error(query, wire.SERVFAIL)

    async def _waited_for(self, query: Query, limit: int) -> bytes:
        name, type = query.question.name, query.question.type
        if self._zone.answer(name, type) is None:
            return relay.relayed(query, await self._upstream.ask(query), limit)
        async with asyncio.timeout(PATIENCE):
            await self._known.wait()
        answer = self._zone.answer(name, type)
        if answer is not None and answer.alias:
            return await self._continued(query, answer, limit)
        return encoding.encode(query, answer or Answer(wire.SERVFAIL), limit)

    async def _continued(self, query: Query, answer: Answer, limit: int) -> bytes:
        """An alias of the cluster that leads out of it."""
        raw = encoding.question(answer.alias, query.question.type)
        there = Question(raw, answer.alias, query.question.type, wire.IN)
        onward = Query(0, query.flags, there, query.edns)
        reply = self._upstream.known(onward) or await self._upstream.ask(onward)
        return relay.continued(query, answer, reply, limit)
