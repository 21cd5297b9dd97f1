"""As much of netlink as is needed to talk to the kernel's packet filter: messages, attributes, and a socket.

A message is a header and attributes; an attribute is a length, a type and bytes, which may be attributes again. The
numbers are those of the kernel's headers linux/netlink.h and linux/netfilter/nfnetlink.h.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

NETLINK_NETFILTER = 12
SOL_NETLINK, ADD_MEMBERSHIP = 270, 1
SO_RCVBUFFORCE = 33
REQUEST, ACK, DUMP = 0x1, 0x4, 0x300  # flags of a message
ERROR, DONE = 2, 3  # types of answers
NESTED, TYPE = 0x8000, 0x3FFF  # of an attribute's type
IPV4 = 2  # the family

_HEADER = struct.Struct("=IHHII")  # length, type, flags, number, port
_FAMILY = struct.Struct("=BBH")
_ATTRIBUTE = struct.Struct("=HH")
WHOLE = 1 << 20  # bytes: no answer is longer

Attributes = Mapping[int, bytes]


@dataclass(frozen=True)
class Message:
    subsystem: int
    kind: int
    family: int
    attributes: Attributes


def attribute(kind: int, value: bytes) -> bytes:
    head = _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind)
    return head + value + bytes(-len(value) % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(inner))


def attributes(data: bytes) -> dict[int, bytes]:
    """By type. The kernel sends each type once on a level."""
    found, at = {}, 0
    while at + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, at)
        if length < _ATTRIBUTE.size:
            break
        found[kind & TYPE] = data[at + _ATTRIBUTE.size : at + length]
        at += length + -length % 4
    return found


def messages(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Type, number and content of each message that came in one piece."""
    at = 0
    while at + _HEADER.size <= len(data):
        length, kind, _, number, _ = _HEADER.unpack_from(data, at)
        if length < _HEADER.size:
            break
        yield kind, number, data[at + _HEADER.size : at + length]
        at += length + -length % 4


def netfilter_message(kind: int, content: bytes) -> Message:
    family = _FAMILY.unpack_from(content)[0]
    return Message(kind >> 8, kind & 0xFF, family, attributes(content[_FAMILY.size :]))


class NetfilterSocket:
    """Questions to netfilter, and what it tells everybody. Raises OSError."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
        self.socket.bind((0, 0))
        self._number = 0

    def close(self) -> None:
        self.socket.close()

    def ask(self, subsystem: int, kind: int, flags: int, *inner: bytes) -> list[Message]:
        """Send one message and wait for the whole answer."""
        self._number += 1
        content = _FAMILY.pack(IPV4, 0, 0) + b"".join(inner)
        length, kind = _HEADER.size + len(content), subsystem << 8 | kind
        head = _HEADER.pack(length, kind, REQUEST | flags, self._number, 0)
        self.socket.send(head + content)
        answer: list[Message] = []
        while True:
            for theirs, number, body in messages(self.socket.recv(WHOLE)):
                if number != self._number:
                    continue
                if theirs in (ERROR, DONE):
                    _check(body)
                    return answer
                answer.append(netfilter_message(theirs, body))

    def join(self, group: int) -> None:
        """Hear what netfilter tells this group."""
        self.socket.setsockopt(SOL_NETLINK, ADD_MEMBERSHIP, group)


def _check(body: bytes) -> None:
    code = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
    if code > 0:
        raise OSError(code, f"netfilter: {os.strerror(code)}")


def is_overrun(error: OSError) -> bool:
    """More was told than we took: something was lost."""
    return error.errno == errno.ENOBUFS
