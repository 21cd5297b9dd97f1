"""Tokens: what was signed is read again, and everything else is refused."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.certificates import new_key, public_bytes
from control_plane.pki import jwt
from control_plane.pki.jwt import BadJwt

KEY, OTHER = new_key(), new_key()
CLAIMS = {"sub": "robot", "exp": 7}
GOOD = jwt.sign(CLAIMS, KEY, "k1")


def part(content: Any) -> str:
    encoded = base64.urlsafe_b64encode(json.dumps(content).encode())
    return encoded.rstrip(b"=").decode()


def read(token: str) -> dict[str, Any]:
    return jwt.read(token, KEY.public_key(), "k1")


def test_what_was_signed_is_read() -> None:
    assert read(GOOD) == CLAIMS


def hmac_with_the_public_key() -> str:
    """The classic: the public key, which everybody knows, as the password of a symmetric signature."""
    signed = f"{part({'alg': 'HS256', 'kid': 'k1'})}.{part(CLAIMS)}"
    digest = hmac.digest(public_bytes(KEY.public_key()), signed.encode(), hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"


def with_header(**change: Any) -> str:
    """The good signature under another header."""
    _, claims, signature = GOOD.split(".")
    return f"{part({'alg': 'ES256', 'kid': 'k1', **change})}.{claims}.{signature}"


def with_claims(**change: Any) -> str:
    header, _, signature = GOOD.split(".")
    return f"{header}.{part(CLAIMS | change)}.{signature}"


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (jwt.sign(CLAIMS, OTHER, "k1"), "not of this key"),
        (jwt.sign(CLAIMS, KEY, "k2"), "another key"),
        (with_header(alg="none"), "algorithm 'none'"),
        (with_header(alg="None"), "algorithm 'None'"),
        (with_header(alg="es256"), "algorithm 'es256'"),
        (f"{part({'alg': 'none', 'kid': 'k1'})}.{part(CLAIMS)}.", "algorithm 'none'"),
        (hmac_with_the_public_key(), "algorithm 'HS256'"),
        (with_header(crit=["b64"]), "extensions"),
        (with_header(jwk={"kty": "EC"}), "not of this key"),
        (with_claims(sub="admin"), "not of this key"),
        (f"{GOOD}=", "not base64url"),
        (GOOD.rpartition(".")[0] + ".", "another length"),
        (GOOD.rpartition(".")[0], "three parts"),
        (GOOD + ".x", "three parts"),
        ("..", "not JSON"),
        (f"{part([])}.{part(CLAIMS)}.x", "not an object"),
        ("", "three parts"),
        ("ey" + "x" * 20_000 + "..", "three parts"),
    ],
)
def test_forgeries(token: str, why: str) -> None:
    with pytest.raises(BadJwt, match=why):
        read(token)


def test_zero_is_no_signature() -> None:
    """A signature of zeros verifies everything where nobody looks at it (CVE-2022-21449)."""
    nothing = base64.urlsafe_b64encode(bytes(64)).rstrip(b"=").decode()
    with pytest.raises(BadJwt):
        read(f"{GOOD.rpartition('.')[0]}.{nothing}")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_text_makes_it_stumble(text: str) -> None:
    with pytest.raises(BadJwt):
        read(text)


@given(st.integers(0, len(GOOD) - 1), st.sampled_from("ABCxyz019-_."))
def test_no_letter_of_it_may_change(place: int, letter: str) -> None:
    changed = GOOD[:place] + letter + GOOD[place + 1 :]
    if changed != GOOD:
        with pytest.raises(BadJwt):
            read(changed)
