"""Writing DNS messages. Pure.

Names in front of records are shortened by pointing to the question, which ends in the same labels; names within
records are written out (in an SRV record a pointer is not allowed, and elsewhere it would save little).

An answer that does not fit loses what is only helpful first, then records, with the bit that says so: the client asks
again over TCP. Those records that fit are sent nevertheless, as some clients (musl before 1.2.4) never ask again.
"""

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass

from node_agent.network.dns import wire
from node_agent.network.dns.wire import Query

LARGEST = 65535  # bytes, over TCP
_OPT = struct.Struct("!BHHBBHH")


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    type: int
    ttl: int  # seconds
    data: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a question. `alias`: the answer goes on at that name, which is not ours to know."""

    rcode: int = wire.NOERROR
    records: Sequence[Record] = ()
    authority: Sequence[Record] = ()
    additional: Sequence[Record] = ()
    authoritative: bool = True
    alias: str = ""


def address(name: str, packed: bytes, ttl: int) -> Record:
    """A or AAAA, by the length of the address."""
    return Record(name, wire.A if len(packed) == 4 else wire.AAAA, ttl, packed)


def service(name: str, target: str, port: int, ttl: int, *, weight: int = 100) -> Record:
    return Record(name, wire.SRV, ttl, struct.pack("!HHH", 0, weight, port) + written(target))


def pointing(name: str, type: int, target: str, ttl: int) -> Record:
    """CNAME, PTR or NS."""
    return Record(name, type, ttl, written(target))


def text(name: str, words: str, ttl: int) -> Record:
    said = words.encode()
    return Record(name, wire.TXT, ttl, bytes([len(said)]) + said)


def start_of_authority(name: str, master: str, serial: int, ttl: int) -> Record:
    """Its last number is how long a "there is no such name" may be believed."""
    numbers = struct.pack("!IIIII", serial & 0xFFFFFFFF, 7200, 1800, 86400, ttl)
    return Record(name, wire.SOA, ttl, written(master) + written(f"hostmaster.{name}") + numbers)


def written(name: str) -> bytes:
    """A name in full. Names of the cluster are checked when objects are created, so labels are short enough."""
    labels = name.rstrip(".").encode("latin-1").split(b".") if name.rstrip(".") else ()
    return b"".join([bytes([len(label)]) + label for label in labels]) + b"\0"


def encode(query: Query, answer: Answer, limit: int) -> bytes:
    """The message; at most `limit` bytes."""
    options = _options(query, answer.rcode)
    suffixes = _suffixes(query, answer)
    head = wire.HEADER.size + len(query.question.raw)
    room = limit - head - len(options)
    body: list[bytes] = []
    counts = []
    truncated = 0
    for section, needed in (
        (answer.records, True),
        (answer.authority, True),
        (answer.additional, False),
    ):
        count = 0
        for record in section:
            piece = _record(record, suffixes)
            if len(piece) > room or truncated:
                truncated |= wire.TC if needed else 0
                break
            room -= len(piece)
            body.append(piece)
            count += 1
        counts.append(count)
    flags = flags_for(query, answer.rcode) | truncated | (wire.AA if answer.authoritative else 0)
    counts[2] += 1 if options else 0
    header = wire.HEADER.pack(query.id, flags, 1, *counts)
    return b"".join([header, query.question.raw, *body, options])


def flags_for(query: Query, rcode: int) -> int:
    """Of an answer: what the client asked for is repeated, and that we do ask others."""
    return wire.QR | wire.RA | query.flags & (wire.RD | wire.CD) | rcode & wire.RCODE


def error(query: Query, rcode: int) -> bytes:
    return encode(query, Answer(rcode, authoritative=False), wire.SMALLEST_UDP)


def question(name: str, type: int) -> bytes:
    """A question as it stands in a message."""
    return written(name) + struct.pack("!HH", type, wire.IN)


def ask(number: int, raw: bytes, flags: int, *, edns: bool, dnssec_ok: bool = False) -> bytes:
    """A question to somebody else."""
    options = _opt(0, wire.DNSSEC_OK if dnssec_ok else 0) if edns else b""
    return wire.HEADER.pack(number, flags, 1, 0, 0, 1 if edns else 0) + raw + options


def _options(query: Query, rcode: int) -> bytes:
    """Who tells about itself is told about us."""
    if query.edns is None:
        return b""
    return _opt(rcode >> 4, wire.DNSSEC_OK if query.edns.dnssec_ok else 0)


def _opt(upper_rcode: int, flags: int) -> bytes:
    return _OPT.pack(0, wire.OPT, wire.UDP_LIMIT, upper_rcode, 0, flags, 0)


def _suffixes(query: Query, answer: Answer) -> dict[str, bytes]:
    """A pointer to each place in the question where a name begins that is needed; mostly this is the whole name."""
    name, at = query.question.name, wire.HEADER.size
    found = {name: _pointer(at)}
    if "\\" in name:  # its labels cannot be told apart by their dots
        return found
    every = (*answer.records, *answer.authority, *answer.additional)
    if any(record.name != name for record in every):
        while name:
            found[name] = _pointer(at)
            label, _, name = name.partition(".")
            at += 1 + len(label)
    return found


def _pointer(at: int) -> bytes:
    return struct.pack("!H", 0xC000 | at)


def _record(record: Record, suffixes: dict[str, bytes]) -> bytes:
    fixed = wire.RECORD.pack(record.type, wire.IN, record.ttl, len(record.data))
    return _shortened(record.name, suffixes) + fixed + record.data


def _shortened(name: str, suffixes: dict[str, bytes]) -> bytes:
    """The labels that are new, and a pointer to the rest."""
    front = b""
    while name:
        if name in suffixes:
            return front + suffixes[name]
        label, _, name = name.partition(".")
        front += bytes([len(label)]) + label.encode("latin-1")
    return front + b"\0"


def packed(address: str) -> bytes:
    """The bytes of an address; none when it is not one."""
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            return socket.inet_pton(family, address)
        except OSError:
            continue
    return b""
