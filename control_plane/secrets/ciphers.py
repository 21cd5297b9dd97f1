"""The providers of Kubernetes' EncryptionConfiguration, byte for byte as Kubernetes stores their values.

    aesgcm      nonce (12 bytes), ciphertext, tag (16); the object's key in the store is bound to it
    aescbc      initialisation vector (16 bytes), ciphertext, padded as PKCS #7; nothing tells whether it was changed
    secretbox   nonce (24 bytes), tag (16), ciphertext: XSalsa20 with Poly1305

Here they seal no objects but the data keys of envelope.py, whose own AES-256-GCM supplies what two of them lack.
"""

import os
from collections.abc import Mapping
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.padding import PKCS7

from control_plane.secrets import salsa

IDENTITY = "identity"  # the provider that leaves values as they are
BLOCK = 16  # bytes, of AES
NONCE = 12  # bytes, of AES-GCM
TAG = 16


class Sealer(Protocol):
    """A cipher with its key."""

    def seal(self, plain: bytes, about: bytes) -> bytes: ...

    def open(self, sealed: bytes, about: bytes) -> bytes:
        """Raises InvalidTag: another key, something about something else, or damaged."""
        ...


class AesGcm:
    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def seal(self, plain: bytes, about: bytes) -> bytes:
        nonce = os.urandom(NONCE)
        return nonce + self._aead.encrypt(nonce, plain, about)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        if len(sealed) < NONCE + TAG:
            raise InvalidTag
        return self._aead.decrypt(sealed[:NONCE], sealed[NONCE:], about)


class AesCbc:
    """Has no room for what it is about."""

    def __init__(self, key: bytes) -> None:
        self._algorithm = algorithms.AES(key)

    def seal(self, plain: bytes, about: bytes) -> bytes:
        vector = os.urandom(BLOCK)
        padder = PKCS7(BLOCK * 8).padder()
        cipher = Cipher(self._algorithm, modes.CBC(vector)).encryptor()
        padded = padder.update(plain) + padder.finalize()
        return vector + cipher.update(padded) + cipher.finalize()

    def open(self, sealed: bytes, about: bytes) -> bytes:
        if len(sealed) < 2 * BLOCK or len(sealed) % BLOCK:
            raise InvalidTag
        cipher = Cipher(self._algorithm, modes.CBC(sealed[:BLOCK])).decryptor()
        unpadder = PKCS7(BLOCK * 8).unpadder()
        padded = cipher.update(sealed[BLOCK:]) + cipher.finalize()
        try:
            return unpadder.update(padded) + unpadder.finalize()
        except ValueError:
            raise InvalidTag from None


class SecretBox:
    """Has no room for what it is about, either."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def seal(self, plain: bytes, about: bytes) -> bytes:
        nonce = os.urandom(salsa.NONCE)
        return nonce + salsa.seal(self._key, nonce, plain)

    def open(self, sealed: bytes, about: bytes) -> bytes:
        if len(sealed) < salsa.NONCE + salsa.TAG:
            raise InvalidTag
        return salsa.open_box(self._key, sealed[: salsa.NONCE], sealed[salsa.NONCE :])


CIPHERS: Mapping[str, type[AesGcm] | type[AesCbc] | type[SecretBox]] = {
    "aesgcm": AesGcm,
    "aescbc": AesCbc,
    "secretbox": SecretBox,
}
AES_KEYS = (16, 24, 32)  # bytes
LENGTHS: Mapping[str, tuple[int, ...]] = {
    "aesgcm": AES_KEYS,
    "aescbc": AES_KEYS,
    "secretbox": (salsa.KEY,),
}
