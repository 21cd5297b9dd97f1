"""A reply from upstream, made the answer to one client's question. Pure.

It came for the same question, asked with other capital letters perhaps, under another id, and with more room.
"""

from collections.abc import Sequence

from node_agent.network.dns import encoding, wire
from node_agent.network.dns.encoding import Answer, Record
from node_agent.network.dns.wire import Query, Section

_COPIED = frozenset(
    {wire.A, wire.AAAA, wire.TXT, wire.SRV}
)  # data without names that point elsewhere


def relayed(query: Query, reply: bytes, limit: int) -> bytes:
    """The client's own id and spelling; cut to `limit` bytes. Raises Malformed."""
    _, theirs, _, *counts = wire.HEADER.unpack_from(reply)
    kept = theirs & (wire.AD | wire.RCODE)
    flags = encoding.flags_for(query, 0) | kept
    body = wire.HEADER.size + len(query.question.raw)
    end = len(reply)
    if end > limit:
        sections = wire.records(reply)
        counts, end = _cut(sections, body, limit)
        flags |= wire.TC
    header = wire.HEADER.pack(query.id, flags, 1, *counts)
    return header + query.question.raw + reply[body:end]


def continued(query: Query, known: Answer, reply: bytes, limit: int) -> bytes:
    """An alias of ours, and what it leads to elsewhere. Raises Malformed."""
    answers = [each for each in wire.records(reply) if each.section == 0]
    rcode = wire.HEADER.unpack_from(reply)[1] & wire.RCODE
    records = [_copied(reply, each) for each in answers]
    found = [record for record in records if record is not None]
    return encoding.encode(query, Answer(rcode, [*known.records, *found]), limit)


def _cut(sections: Sequence[Section], begin: int, limit: int) -> tuple[list[int], int]:
    """As many records as fit, the first ones: names point backwards, so nothing is missed."""
    counts, end = [0, 0, 0], begin
    for each in sections:
        if each.end > limit:
            break
        counts[each.section] += 1
        end = each.end
    return counts, end


def _copied(message: bytes, record: Section) -> Record | None:
    name = wire.name_at(message, record.name_at)
    data = message[record.data_at : record.end]
    if record.type == wire.CNAME:
        return encoding.pointing(
            name, wire.CNAME, wire.name_at(message, record.data_at), record.ttl
        )
    return Record(name, record.type, record.ttl, data) if record.type in _COPIED else None
