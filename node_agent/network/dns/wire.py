"""Reading DNS messages: questions from anybody, replies from upstream. Pure.

Whatever arrives comes from programs we know nothing about, so nothing is believed: every length is checked against
the packet, and a packet that is not a question is dropped or answered with an error, never with an exception that
travels.

A message is a header of twelve bytes, then questions, then records in three sections; a name is a row of labels, each
with its length before it, or a pointer to where the rest has been said already.
https://www.rfc-editor.org/rfc/rfc1035
"""

import struct
from dataclasses import dataclass

A, NS, CNAME, SOA, PTR, TXT, AAAA, SRV, OPT = 1, 2, 5, 6, 12, 16, 28, 33, 41
IXFR, AXFR, ANY = 251, 252, 255
IN, ANY_CLASS = 1, 255

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
BADVERS = 16  # does not fit into the header: the upper bits are said in the OPT record

# Bits of the header's second word.
QR, AA, TC, RD, RA, AD, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0020, 0x0010
OPCODE, RCODE = 0x7800, 0x000F
DNSSEC_OK = 0x8000  # in the OPT record

HEADER = struct.Struct(
    "!HHHHHH"
)  # id, flags, number of questions, answers, authorities, additional
RECORD = struct.Struct("!HHIH")  # after a record's name: type, class, ttl, length of the data
_PAIR = struct.Struct("!HH")
LONGEST_NAME = 255  # bytes, lengths and the final zero included
SMALLEST_UDP = 512  # what everybody must be able to receive
UDP_LIMIT = 1232  # what passes through every network in one piece: https://www.dnsflagday.net/2020/


class Malformed(Exception):
    """The packet breaks off, or contradicts itself."""


class Unanswerable(Exception):
    """Not a question that can be answered; `reply` says so, or is empty when nothing should be said."""

    def __init__(self, reply: bytes = b"") -> None:
        super().__init__()
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for."""

    raw: bytes  # name, type and class, exactly as they were sent
    name: str  # in lower case, without the dot at the end; a dot within a label is written "\\."
    type: int
    klass: int


@dataclass(frozen=True, slots=True)
class Edns:
    """What a client says of itself in an OPT record. https://www.rfc-editor.org/rfc/rfc6891"""

    size: int  # the longest UDP message it can receive
    version: int
    dnssec_ok: bool


@dataclass(frozen=True, slots=True)
class Query:
    """One question, and how it was asked."""

    id: int
    flags: int
    question: Question
    edns: Edns | None = None

    @property
    def udp_limit(self) -> int:
        """The longest answer the client can take in one datagram."""
        return (
            SMALLEST_UDP if self.edns is None else max(SMALLEST_UDP, min(self.edns.size, UDP_LIMIT))
        )


@dataclass(frozen=True, slots=True)
class Section:
    """Where a record lies in a message."""

    section: int  # 0 answer, 1 authority, 2 additional
    name_at: int
    type: int
    ttl: int
    ttl_at: int
    data_at: int
    end: int


def parse(packet: bytes) -> Query:
    """The question in a packet. Raises Unanswerable."""
    if len(packet) < HEADER.size:
        raise Unanswerable
    number, flags, questions, *_ = HEADER.unpack_from(packet)
    if flags & QR:  # an answer; to answer those makes two servers talk for ever
        raise Unanswerable
    if flags & OPCODE:
        raise Unanswerable(refusal(packet, NOTIMP))
    try:
        question, end = read_question(packet, questions)
        edns = _edns(packet, end)
    except Malformed:
        raise Unanswerable(refusal(packet, FORMERR)) from None
    return Query(number, flags, question, edns)


def refusal(packet: bytes, rcode: int) -> bytes:
    """An answer that is nothing but an error, to a packet of which no more than the header is understood."""
    number, flags, *_ = HEADER.unpack_from(packet)
    return HEADER.pack(number, QR | flags & (OPCODE | RD) | rcode, 0, 0, 0, 0)


def read_question(packet: bytes, questions: int = 1) -> tuple[Question, int]:
    """The only question of a message, and where it ends. Raises Malformed."""
    if questions != 1:
        raise Malformed
    labels, at = [], HEADER.size
    while True:
        length = _byte(packet, at)
        at += 1
        if not length:
            break
        if length > 63 or at + length > len(
            packet
        ):  # nothing has been said that one could point to
            raise Malformed
        labels.append(packet[at : at + length])
        at += length
    if at - HEADER.size > LONGEST_NAME or at + _PAIR.size > len(packet):
        raise Malformed
    kind, klass = _PAIR.unpack_from(packet, at)
    at += _PAIR.size
    # lower() leaves the lengths alone: they are less than any letter.
    name = b".".join([label.replace(b".", b"\\.") for label in labels]).lower().decode("latin-1")
    return Question(packet[HEADER.size : at], name, kind, klass), at


def records(packet: bytes) -> list[Section]:
    """All records of a message with one question. Raises Malformed."""
    if len(packet) < HEADER.size:
        raise Malformed
    _, _, questions, *counts = HEADER.unpack_from(packet)
    _, at = read_question(packet, questions)
    return _records(packet, at, counts)


def _records(packet: bytes, at: int, counts: list[int]) -> list[Section]:
    found = []
    for section, count in enumerate(counts):
        for _ in range(count):
            name, at = at, _skip_name(packet, at)
            if at + RECORD.size > len(packet):
                raise Malformed
            kind, _klass, ttl, length = RECORD.unpack_from(packet, at)
            data = at + RECORD.size
            if data + length > len(packet):
                raise Malformed
            found.append(Section(section, name, kind, ttl, at + 4, data, data + length))
            at = data + length
    return found


def name_at(packet: bytes, at: int) -> str:
    """The name that begins there, pointers followed. Raises Malformed, also for labels with dots in them."""
    labels, limit = [], at  # a pointer must lead before everything read so far, so it ends
    size = 0
    while length := _byte(packet, at):
        if length >= 0xC0:
            at = (length & 0x3F) << 8 | _byte(packet, at + 1)
            if at >= limit:
                raise Malformed
            limit = at
            continue
        label = packet[at + 1 : at + 1 + length]
        size += 1 + length
        if length > 63 or len(label) < length or size > LONGEST_NAME or b"." in label:
            raise Malformed
        labels.append(label.decode("latin-1"))
        at += 1 + length
    return ".".join(labels)


def _edns(packet: bytes, at: int) -> Edns | None:
    counts = list(HEADER.unpack_from(packet)[3:])
    if counts == [0, 0, 0]:  # as of most clients
        return None
    options = [record for record in _records(packet, at, counts) if record.type == OPT]
    if not options:
        return None
    if len(options) > 1:
        raise Malformed
    (size,) = struct.unpack_from("!H", packet, options[0].ttl_at - 2)
    _rcode, version, flags = struct.unpack_from("!BBH", packet, options[0].ttl_at)
    return Edns(size, version, bool(flags & DNSSEC_OK))


def _skip_name(packet: bytes, at: int) -> int:
    """The first byte after a name. A pointer ends it; where it leads need not be known."""
    begin = at
    while length := _byte(packet, at):
        if length >= 0xC0:
            _byte(packet, at + 1)
            return at + 2
        if length > 63 or at - begin > LONGEST_NAME:
            raise Malformed
        at += 1 + length
    return at + 1


def _byte(packet: bytes, at: int) -> int:
    if at >= len(packet):
        raise Malformed
    return packet[at]
