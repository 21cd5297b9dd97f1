"""One read over gRPC without grpc: `import grpc` takes 100 ms, more than all the rest of `helmling get pods`.

A unary call is four things on an HTTP/2 connection (inside of TLS: handshake.py): the client's preface, a HEADERS
frame, the request in a DATA frame, and the reply with its trailers. To read no more than the good case is a page; so
this answers only when the server says "grpc-status: 0", and in every other case says nothing: the caller then asks
again through grpc, which knows the rest of the protocol and words the errors. That is why only reads come this way:
asking twice does no harm.

HTTP/2 is RFC 9113, the compression of headers RFC 7541 (we send literals, and forbid the server to remember any, so
nothing has to be unpacked), and the mapping of gRPC to them is in grpc's repository, doc/PROTOCOL-HTTP2.md.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from api.tls import Identity
from cli.handshake import connect

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, SETTINGS, PING, WINDOW_UPDATE = 0x0, 0x1, 0x4, 0x6, 0x8
END_STREAM, END_HEADERS, PADDED = 0x1, 0x4, 0x8  # flags
HEADER_TABLE_SIZE, ENABLE_PUSH, INITIAL_WINDOW_SIZE = 0x1, 0x2, 0x4  # settings
LARGEST_WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535  # bytes that a connection may carry until it is told otherwise
LARGEST_FRAME = 16_384
LONGEST_FIELD = 126  # bytes whose length fits in one
SUCCESS = b"\x0bgrpc-status\x010"  # the field, as a literal with the lengths of its name and value


def ask(address: str, identity: Identity, path: str, request: bytes) -> bytes | None:
    """The reply to a unary call, or None if it cannot be had this way. `address` is host:port."""
    if len(request) > LARGEST_FRAME - 5 or len(address) > LONGEST_FIELD or identity.token:
        return None
    try:
        with connect(address, identity) as connection:
            connection.sendall(_call(address, path, request))
            with connection.makefile("rb") as stream:
                return _reply(stream)
    except (OSError, ValueError):
        return None


def _call(address: str, path: str, request: bytes) -> bytes:
    settings = struct.pack(
        ">HIHIHI", HEADER_TABLE_SIZE, 0, ENABLE_PUSH, 0, INITIAL_WINDOW_SIZE, LARGEST_WINDOW
    )
    headers = {
        ":method": "POST",
        ":scheme": "https",
        ":path": path,
        ":authority": address,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    fields = b"".join(_literal(name, value) for name, value in headers.items())
    frames = (
        _frame(SETTINGS, 0, 0, settings),
        _frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", LARGEST_WINDOW - FIRST_WINDOW)),
        _frame(HEADERS, END_HEADERS, 1, fields),
        _frame(DATA, END_STREAM, 1, struct.pack(">BI", 0, len(request)) + request),
    )
    return PREFACE + b"".join(frames)


def _literal(name: str, value: str) -> bytes:
    """A header field that nobody has to remember."""
    return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _reply(stream: BinaryIO) -> bytes | None:
    """The message in the DATA frames, if the trailers say that all is well."""
    body, trailers = bytearray(), b""
    for kind, flags, payload in _frames(stream):
        if kind == DATA:
            body += payload
        elif kind == HEADERS:
            trailers = payload
        elif kind not in (SETTINGS, PING, WINDOW_UPDATE):
            return None  # the server goes away, or resets the stream
        if kind in (DATA, HEADERS) and flags & (END_STREAM | PADDED):
            break
    plain, length = struct.unpack_from(">BI", body) if len(body) >= 5 else (1, 0)
    whole = plain == 0 and length == len(body) - 5
    return bytes(body[5:]) if whole and SUCCESS in trailers else None


def _frames(stream: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and payload of each frame, until the connection ends."""
    while len(head := stream.read(9)) == 9:
        length = int.from_bytes(head[:3], "big")
        yield head[3], head[4], stream.read(length)
