"""JSON Web Tokens, the one form of them that is used here: signed with ECDSA on P-256 (ES256).

A token says by itself how it was signed, and most attacks on tokens begin with believing it: "not at all", or "with
your public key as a password". So nothing of the header is believed. There is one algorithm, the key is ours, and a
header that says anything else is refused before the signature is looked at. RFC 7515, RFC 7519, RFC 8725.
"""

import binascii
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    ECDSA,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)

ALGORITHM = "ES256"
HALF = 32  # bytes of each of the two numbers of a signature
LONGEST = 16 * 1024  # characters: nothing that long is ours


class BadJwt(ValueError):
    """Not a token of this key; the message says why, for tests and logs, never for whoever showed it."""


def sign(claims: Mapping[str, Any], key: EllipticCurvePrivateKey, key_id: str) -> str:
    header = {"alg": ALGORITHM, "kid": key_id, "typ": "JWT"}
    signed = f"{_encode(_json(header))}.{_encode(_json(claims))}"
    r, s = decode_dss_signature(key.sign(signed.encode(), ECDSA(hashes.SHA256())))
    return f"{signed}.{_encode(r.to_bytes(HALF) + s.to_bytes(HALF))}"


def read(token: str, key: EllipticCurvePublicKey, key_id: str) -> dict[str, Any]:
    """The claims of a token that was signed with this key. Raises BadJwt. Times are for the caller to check."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > LONGEST:
        raise BadJwt("not three parts")
    header = _object(parts[0])
    if header.get("alg") != ALGORITHM:
        raise BadJwt(f"algorithm {header.get('alg')!r}, not {ALGORITHM}")
    if header.get("kid") != key_id or "crit" in header:
        raise BadJwt("another key, or extensions that nobody knows here")
    _verify(f"{parts[0]}.{parts[1]}", _decode(parts[2]), key)
    return _object(parts[1])


def looks_like(token: str) -> bool:
    return token.count(".") == 2 and token.startswith("ey")


def _verify(signed: str, signature: bytes, key: EllipticCurvePublicKey) -> None:
    if len(signature) != 2 * HALF:
        raise BadJwt("a signature of another length")
    numbers = int.from_bytes(signature[:HALF]), int.from_bytes(signature[HALF:])
    try:
        key.verify(encode_dss_signature(*numbers), signed.encode(), ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BadJwt("the signature is not of this key") from None


def _object(part: str) -> dict[str, Any]:
    try:
        found = json.loads(_decode(part))
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise BadJwt("not JSON") from None
    if not isinstance(found, dict):
        raise BadJwt("not an object")
    return found


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()


def _encode(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    """Only what `_encode` would have written: no padding, no other letters, no bits left over."""
    try:
        content = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise BadJwt("not base64url") from None
    if _encode(content) != text:
        raise BadJwt("not base64url")
    return content
