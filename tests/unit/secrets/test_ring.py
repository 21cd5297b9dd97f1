"""Sealed values: what they look like, who opens them, and what is said when nobody can."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.secrets.ciphers import CIPHERS
from control_plane.secrets.configuration import PLAIN, Configuration, Key, Rule
from control_plane.secrets.envelope import header_of
from control_plane.secrets.ring import Ring
from control_plane.store.contract import SEAL, SEALED, Unreadable
from tests.encryption import SECRETS, configuration, key, ring

PLACE = f"{SECRETS}default/token"
VALUE = b"swordfish" * 20


def lost(opened: bytes) -> str:
    assert isinstance(opened, Unreadable)
    return opened.why


@pytest.mark.parametrize("provider", CIPHERS)
def test_one_sees_what_a_value_is_and_nothing_of_what_is_in_it(provider: str) -> None:
    keys = ring(key("k1", provider))
    sealed = keys.seal(PLACE, VALUE)
    assert sealed.startswith(f"helmling:enc:{provider}:v1:k1:".encode())
    assert b"swordfish" not in sealed
    assert keys.open(PLACE, sealed) == VALUE
    assert keys.is_current(PLACE, sealed)
    assert keys.seal(PLACE, VALUE) != sealed, "each write has a data key of its own"


@pytest.mark.parametrize("provider", CIPHERS)
def test_a_value_moved_to_another_key_does_not_open(provider: str) -> None:
    """Even where the provider itself cannot tell."""
    keys = ring(key("k1", provider))
    sealed = keys.seal(PLACE, VALUE)
    assert "moved here from another object" in lost(keys.open(f"{SECRETS}default/other", sealed))


@given(data=st.data(), provider=st.sampled_from(list(CIPHERS)))
def test_a_changed_bit_is_noticed(data: st.DataObject, provider: str) -> None:
    keys = ring(key("k1", provider))
    sealed = bytearray(keys.seal(PLACE, VALUE))
    at = data.draw(st.integers(len(SEALED), len(sealed) - 1))
    sealed[at] ^= 1 << data.draw(st.integers(0, 7))
    assert isinstance(keys.open(PLACE, bytes(sealed)), Unreadable)


@pytest.mark.parametrize("provider", CIPHERS)
def test_sealing_adds_no_more_than_the_store_allows_for(provider: str) -> None:
    longest = Key(provider, "k" * 63, bytes(32))
    assert len(ring(longest).seal(PLACE, VALUE)) - len(VALUE) <= SEAL


def test_the_first_key_writes_and_all_read() -> None:
    old, new = key("old", "secretbox"), key("new")
    before, after = ring(old), ring(new, old)
    sealed = before.seal(PLACE, VALUE)
    assert after.open(PLACE, sealed) == VALUE
    assert not after.is_current(PLACE, sealed)
    assert b":new:" in after.seal(PLACE, VALUE)


def test_plain_values_from_before_are_read() -> None:
    assert ring().open(PLACE, VALUE) == VALUE
    assert not ring().is_current(PLACE, VALUE)


def test_identity_first_writes_plain_and_still_reads() -> None:
    sealed = ring(key()).seal(PLACE, VALUE)
    keys = ring(PLAIN, key())
    assert keys.seal(PLACE, VALUE) == VALUE
    assert keys.open(PLACE, sealed) == VALUE
    assert not keys.is_current(PLACE, sealed)
    with pytest.raises(ValueError, match="may not begin like an encrypted one"):
        keys.seal(PLACE, sealed)


def test_a_lost_key_is_named_with_what_it_hides() -> None:
    sealed = ring(key("gone")).seal(PLACE, VALUE)
    why = lost(ring(key("other")).open(PLACE, sealed))
    assert 'secrets "default/token" cannot be read' in why
    assert '"gone" (aesgcm)' in why
    assert "Put that key back, or the object is lost" in why


@pytest.mark.parametrize(
    "stored",
    [b"k8s:enc:kms:v2:vault:xyz", b"k8s:enc:", SEALED, SEALED + b"aesgcm:v9:key1:x", SEALED + b"\xff:v1:\xff:x",
     SEALED + b"aesgcm:v1:key1:", SEALED + b"aesgcm:v1:key1:\xff\xffx", b"k8s:enc:aesgcm:v1:key1:", b"k8s:enc:aescbc:v1:key1:1"],
)  # fmt: skip
def test_what_only_looks_sealed_is_unreadable_and_nothing_worse(stored: bytes) -> None:
    assert "cannot be read" in lost(ring(key("key1"), key("cbc", "aescbc")).open(PLACE, stored))


def test_the_first_rule_that_covers_a_place_decides() -> None:
    rules = (
        Rule(("secrets",), (key("one"),)),
        Rule(("*.apps", "configmaps"), (PLAIN,)),
        Rule(("*.*",), (key("rest"),)),
    )
    keys = Ring(Configuration(rules))
    places = {
        PLACE: "one",
        "/registry/configmaps/default/c": "",
        "/registry/apps/deployments/default/d": "",
        "/registry/pods/default/p": "rest",
        "/elsewhere": "",
    }
    assert {place: keys.writer(place).name for place in places} == places


def test_values_of_what_is_no_longer_covered_are_read() -> None:
    sealed = Ring(configuration(key(), resources=("*.*",))).seal("/registry/pods/default/p", VALUE)
    keys = Ring(configuration(key()))
    assert keys.open("/registry/pods/default/p", sealed) == VALUE
    assert not keys.is_current("/registry/pods/default/p", sealed)


def test_a_header_says_how_long_it_is() -> None:
    sealed = ring(key("k1")).seal(PLACE, VALUE)
    header = header_of(sealed)
    assert header is not None
    assert sealed[: header.size] == b"helmling:enc:aesgcm:v1:k1:"
    assert header_of(b"helmling") is None
