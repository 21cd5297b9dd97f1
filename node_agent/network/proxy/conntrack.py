"""Making the kernel forget connections that lead to a pod that is gone.

The kernel leads all packets of a connection the same way. TCP ends by itself, but UDP has no end: a client that goes on
from the same port, as a name server's client does, would send to the dead pod for ever. So when a backend goes, the
entries that lead to it are deleted, and the next packet is led anew. Nothing else is ever deleted.

Through netlink, and not with the program `conntrack`, which is on few machines, and would be started once per service.
"""

import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass

from node_agent.network.proxy.netlink import (
    ACK,
    DUMP,
    Attributes,
    Message,
    NetfilterSocket,
    attribute,
    attributes,
    nested,
)

# Of linux/netfilter/nfnetlink_conntrack.h.
CONNTRACK, GET, DELETE = 1, 1, 2
TUPLE_ORIG, TUPLE_REPLY, ID, ZONE, FILTER = 1, 2, 12, 18, 25
TUPLE_IP, TUPLE_PROTO = 1, 2
IP_SOURCE, IP_DESTINATION = 1, 2
PROTOCOL, SOURCE_PORT, DESTINATION_PORT = 1, 2, 3
FILTER_ORIG, FILTER_REPLY, BY_PROTOCOL = 1, 2, 1 << 3
UDP = 17


@dataclass(frozen=True)
class Flow:
    """A connection as the client began it, and who answers."""

    address: str  # that the client sent to
    port: int
    answers: str  # the address the answers come from; the same if nothing is translated
    answers_port: int


def forget(is_stale: Callable[[Flow], bool]) -> int:
    """Delete the UDP entries that are stale; returns how many. Raises OSError."""
    connection, done = NetfilterSocket(), 0
    try:
        for entry in connection.ask(CONNTRACK, GET, DUMP, *_only_udp()):
            flow = _flow(entry)
            if flow is not None and is_stale(flow):
                done += _delete(connection, entry.attributes)
    finally:
        connection.close()
    return done


def _only_udp() -> tuple[bytes, ...]:
    protocol = nested(TUPLE_PROTO, attribute(PROTOCOL, bytes((UDP,))))
    flags = nested(
        FILTER,
        attribute(FILTER_ORIG, struct.pack("=I", BY_PROTOCOL)),
        attribute(FILTER_REPLY, struct.pack("=I", 0)),
    )
    return nested(TUPLE_ORIG, protocol), flags


def _flow(entry: Message) -> Flow | None:
    try:
        asked, answer = (_ends(entry.attributes[kind]) for kind in (TUPLE_ORIG, TUPLE_REPLY))
        return Flow(
            socket.inet_ntoa(asked[0][IP_DESTINATION]),
            _port(asked[1][DESTINATION_PORT]),
            socket.inet_ntoa(answer[0][IP_SOURCE]),
            _port(answer[1][SOURCE_PORT]),
        )
    except KeyError:  # not IPv4
        return None


def _ends(data: bytes) -> tuple[Attributes, Attributes]:
    parts = attributes(data)
    return attributes(parts[TUPLE_IP]), attributes(parts[TUPLE_PROTO])


def _port(data: bytes) -> int:
    return int.from_bytes(data[:2], "big")


def _delete(connection: NetfilterSocket, entry: Attributes) -> int:
    """The number says which entry is meant, should there be a new one of the same ends."""
    said = [nested(TUPLE_ORIG, entry[TUPLE_ORIG])]
    said += [attribute(kind, entry[kind]) for kind in (ID, ZONE) if kind in entry]
    try:
        connection.ask(CONNTRACK, DELETE, ACK, *said)
    except FileNotFoundError:  # it has ended meanwhile
        return 0
    return 1
