"""What a sealed value looks like, and how it is sealed and opened.

    helmling:enc:PROVIDER:v1:KEYNAME:    so that whoever looks into the store sees what this is, and which key opens it
    length (2 bytes), data key           the data key, sealed by the provider with the key of that name
    nonce (12 bytes), ciphertext, tag    the object: AES-256-GCM with the data key

Every write draws a data key of its own. So whatever provider the file names, the object itself is under AES-256-GCM,
and bound to its key in the store: bytes that somebody moves to another key do not open there. And the keys in the
file seal 32 random bytes a time and nothing that anybody could know.

Values that Kubernetes wrote begin with `k8s:enc:PROVIDER:v1:KEYNAME:` and are the provider's bytes alone. They are
read, so that a store can be taken over; nothing is written like that.
"""

import os
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from control_plane.secrets.ciphers import NONCE, Sealer
from control_plane.store.contract import SEALED

KUBERNETES = b"k8s:enc:"
DATA_KEY = 32  # bytes
LENGTH = 2  # bytes that tell how long the sealed data key is
LONGEST = 160  # bytes that a header may have: any name of a key fits


@dataclass(frozen=True, slots=True)
class Header:
    """What a sealed value says of itself."""

    provider: str
    name: str  # of the key
    size: int  # bytes of the header
    enveloped: bool  # False: as Kubernetes writes


def is_sealed(value: bytes) -> bool:
    return value.startswith((SEALED, KUBERNETES))


def header_of(value: bytes) -> Header | None:
    """None: it is not sealed. A header that cannot be read has an empty name."""
    if not is_sealed(value):
        return None
    enveloped = value.startswith(SEALED)
    start = len(SEALED if enveloped else KUBERNETES)
    words = value[start:LONGEST].split(b":", 3)
    provider = words[0].decode("ascii", "replace")
    if len(words) < 4 or words[1] != b"v1":
        return Header(provider, "", start, enveloped)
    size = start + sum(len(word) + 1 for word in words[:3])
    return Header(provider, words[2].decode("ascii", "replace"), size, enveloped)


def seal(provider: str, name: str, sealer: Sealer, plain: bytes, about: bytes) -> bytes:
    drawn = os.urandom(DATA_KEY + NONCE)
    data_key, nonce = drawn[:DATA_KEY], drawn[DATA_KEY:]
    wrapped = sealer.seal(data_key, about)
    return b"".join(
        (
            b"%s%s:v1:%s:" % (SEALED, provider.encode(), name.encode()),
            len(wrapped).to_bytes(LENGTH, "big"),
            wrapped,
            nonce,
            AESGCM(data_key).encrypt(nonce, plain, about),
        )
    )


def open_sealed(header: Header, sealer: Sealer, value: bytes, about: bytes) -> bytes:
    """Raises InvalidTag: not with this key, not at this place, or damaged."""
    body = value[header.size :]
    if not header.enveloped:
        return sealer.open(body, about)
    end = LENGTH + int.from_bytes(body[:LENGTH], "big")
    data_key, sealed = sealer.open(body[LENGTH:end], about), body[end:]
    if len(data_key) != DATA_KEY or len(sealed) < NONCE:
        raise InvalidTag
    return AESGCM(data_key).decrypt(sealed[:NONCE], sealed[NONCE:], about)
