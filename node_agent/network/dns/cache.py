"""Replies from upstream, kept for as long as they say, and not much longer than a moment. Pure.

What is kept is the message itself. When it is given out again its times to live are lowered by its age, in place. A
reply that says "there is no such name" is kept as long as its SOA record allows
(https://www.rfc-editor.org/rfc/rfc2308); one that says nothing about its life, or that something failed, is not kept.
"""

import struct
from collections import OrderedDict
from dataclasses import dataclass

from node_agent.network.dns import wire

LONGEST = 30.0  # seconds: names outside may move, and the cache upstream is larger than ours
MOST = 1024  # replies
LARGEST = 4096  # bytes; longer ones are rare


@dataclass(frozen=True, slots=True)
class Kept:
    message: bytes
    since: float
    until: float
    places: tuple[tuple[int, int], ...]  # where the times to live stand, and what they were


class Cache:
    """Invariant: at most MOST replies, the one used longest ago first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: bytes, now: float) -> bytes | None:
        """The reply as it would be told now."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        if now >= kept.until:
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return _aged(kept, int(now - kept.since))

    def put(self, key: bytes, message: bytes, now: float) -> None:
        """Keep a reply, if it may be kept. Raises Malformed."""
        sections = wire.records(message)
        life = min(lifetime(message, sections), LONGEST)
        if life <= 0 or len(message) > LARGEST:
            return
        places = tuple((each.ttl_at, each.ttl) for each in sections if each.type != wire.OPT)
        self._kept[key] = Kept(message, now, now + life, places)
        self._kept.move_to_end(key)
        if len(self._kept) > MOST:
            self._kept.popitem(last=False)


def lifetime(message: bytes, sections: list[wire.Section]) -> float:
    """For how many seconds a reply may be repeated."""
    flags = wire.HEADER.unpack_from(message)[1]
    if flags & wire.TC or flags & wire.RCODE not in (wire.NOERROR, wire.NXDOMAIN):
        return 0
    answers = [each.ttl for each in sections if each.section == 0]
    if answers and flags & wire.RCODE == wire.NOERROR:
        return min(_sane(ttl) for ttl in answers)
    for each in sections:
        if each.section == 1 and each.type == wire.SOA and each.end - each.data_at >= 22:
            (minimum,) = struct.unpack_from("!I", message, each.end - 4)
            return min(_sane(each.ttl), _sane(minimum), *map(_sane, answers))
    return 0


def _sane(ttl: int) -> int:
    """A time to live with the uppermost bit is none. https://www.rfc-editor.org/rfc/rfc2181#section-8"""
    return ttl if ttl < 0x80000000 else 0


def _aged(kept: Kept, age: int) -> bytes:
    message = bytearray(kept.message)
    for at, ttl in kept.places:
        struct.pack_into("!I", message, at, max(0, _sane(ttl) - age))
    return bytes(message)
