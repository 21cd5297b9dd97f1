"""XSalsa20 with Poly1305, which NaCl calls secretbox: the one cipher of Kubernetes' that `cryptography` lacks.

Salsa20 makes blocks of 64 bytes from a key, a nonce of 8 bytes and the block's number: twenty rounds of adding,
turning and xoring sixteen numbers. HSalsa20 makes a new key from a key and 16 bytes of nonce. XSalsa20 is both: a
nonce of 24 bytes is long enough to be drawn at random for ever. The first 32 bytes of its stream are the key of the
Poly1305 tag (which `cryptography` does have), the rest is xored onto the message.

Python takes a tenth of a millisecond for a block. What is written here is a data key of 32 bytes (envelope.py), so
one block does; only values that Kubernetes itself has written in this form are longer, and they are read once, to be
written anew. Nothing in it branches on the key or looks it up in tables; but Python's numbers make no promise about
time, so whoever shares the processor with people that measure it chooses aesgcm, which is the default.
"""

from struct import pack, unpack

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.poly1305 import Poly1305

KEY, NONCE, TAG, BLOCK = 32, 24, 16, 64  # bytes
MASK = 0xFFFFFFFF
CONSTANTS = unpack("<4I", b"expand 32-byte k")
# A round: quarters of four columns, then of four rows. In each: the place written, the two added, how far to turn.
_QUARTERS = (
    (0, 4, 8, 12), (5, 9, 13, 1), (10, 14, 2, 6), (15, 3, 7, 11),
    (0, 1, 2, 3), (5, 6, 7, 4), (10, 11, 8, 9), (15, 12, 13, 14),
)  # fmt: skip


def _turn(number: int, by: int) -> int:
    number &= MASK
    return (number << by | number >> (32 - by)) & MASK


def _rounds(key: bytes, middle: bytes) -> tuple[list[int], list[int]]:
    """Sixteen numbers from a key and 16 bytes, before and after twenty rounds."""
    k, m = unpack("<8I", key), unpack("<4I", middle)
    c = CONSTANTS
    before = [c[0], *k[:4], c[1], *m, c[2], *k[4:], c[3]]
    x = list(before)
    for _ in range(10):
        for p, q, r, s in _QUARTERS:
            x[q] ^= _turn(x[p] + x[s], 7)
            x[r] ^= _turn(x[q] + x[p], 9)
            x[s] ^= _turn(x[r] + x[q], 13)
            x[p] ^= _turn(x[s] + x[r], 18)
    return before, x


def hsalsa20(key: bytes, nonce: bytes) -> bytes:
    """A key of 32 bytes from another and a nonce of 16."""
    _, after = _rounds(key, nonce)
    return pack("<8I", *(after[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))


def xsalsa20(key: bytes, nonce: bytes, length: int) -> bytes:
    """So many bytes of the stream of a key and a nonce of 24 bytes."""
    inner = hsalsa20(key, nonce[:16])
    stream = b""
    for number in range(-(-length // BLOCK)):
        before, after = _rounds(inner, nonce[16:] + pack("<Q", number))
        stream += pack("<16I", *((a + b) & MASK for a, b in zip(before, after, strict=True)))
    return stream[:length]


def seal(key: bytes, nonce: bytes, message: bytes) -> bytes:
    """The tag, then the message enciphered."""
    stream = xsalsa20(key, nonce, KEY + len(message))
    secret = _xor(message, stream[KEY:])
    return Poly1305.generate_tag(stream[:KEY], secret) + secret


def open_box(key: bytes, nonce: bytes, box: bytes) -> bytes:
    """The message. Raises InvalidTag: another key, or not what was sealed."""
    tag, secret = box[:TAG], box[TAG:]
    stream = xsalsa20(key, nonce, KEY + len(secret))
    try:
        Poly1305.verify_tag(stream[:KEY], secret, tag)
    except InvalidSignature:
        raise InvalidTag from None
    return _xor(secret, stream[KEY:])


def _xor(one: bytes, other: bytes) -> bytes:
    number = int.from_bytes(one, "big") ^ int.from_bytes(other[: len(one)], "big")
    return number.to_bytes(len(one), "big")
