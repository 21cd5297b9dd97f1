"""The ciphers against published vectors, and values that Kubernetes wrote."""

import os
from contextlib import suppress

import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from control_plane.secrets import salsa
from control_plane.secrets.ciphers import CIPHERS, LENGTHS, AesCbc, AesGcm, SecretBox
from control_plane.secrets.configuration import Key
from control_plane.store.contract import Unreadable
from tests.encryption import SECRETS, ring

PLACE = f"{SECRETS}default/token"
VALUE = b"\x0a\x02v1\x12\x06Secret" * 9  # 117 bytes: no multiple of a block
KEY = bytes(range(32))

# "Cryptography in NaCl" (Bernstein), sections 8 to 10
NACL_SHARED = bytes.fromhex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742")
NACL_KEY = bytes.fromhex("1b27556473e985d462cd51197a9a46c76009549eac6474f206c4ee0844f68389")
NACL_NONCE = bytes.fromhex("69696ee955b62b73cd62bda875fc73d68219e0036b7a0b37")
NACL_MESSAGE = bytes.fromhex(
    "be075fc53c81f2d5cf141316ebeb0c7b5228c52a4c62cbd44b66849b64244ffce5ecbaaf33bd751a1ac728d45e6c61296cdc3c01233561f4"
    "1db66cce314adb310e3be8250c46f06dceea3a7fa1348057e2f6556ad6b1318a024a838f21af1fde048977eb48f59ffd4924ca1c60902e52"
    "f0a089bc76897040e082f937763848645e0705"
)
NACL_BOX = bytes.fromhex(
    "f3ffc7703f9400e52a7dfb4b3d3305d98e993b9f48681273c29650ba32fc76ce48332ea7164d96a4476fb8c531a1186ac0dfc17c98dce87b"
    "4da7f011ec48c97271d2c20f9b928fe2270d6fb863d51738b48eeee314a7cc8ab932164548e526ae90224368517acfeabd6bb3732bc0e9da"
    "99832b61ca01b6de56244a9e88d5f9b37973f622a43d14a6599b1f654cb45a74e355a5"
)


def test_hsalsa20_of_the_paper() -> None:
    assert salsa.hsalsa20(NACL_SHARED, bytes(16)) == NACL_KEY


def test_secretbox_of_the_paper() -> None:
    assert salsa.seal(NACL_KEY, NACL_NONCE, NACL_MESSAGE) == NACL_BOX
    assert SecretBox(NACL_KEY).open(NACL_NONCE + NACL_BOX, b"") == NACL_MESSAGE


def test_aes_256_gcm_of_its_authors() -> None:
    """Test case 16 of McGrew and Viega's specification."""
    key = bytes.fromhex("feffe9928665731c6d6a8f9467308308" * 2)
    about = bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
    plain = bytes.fromhex(
        "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657"
        "ba637b39"
    )
    stored = bytes.fromhex(
        "cafebabefacedbaddecaf888"
        "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0a"
        "bcc9f662"
        "76fc6ece0f4e1768cddf8853bb2d551b"
    )
    assert AesGcm(key).open(stored, about) == plain
    with pytest.raises(InvalidTag):
        AesGcm(key).open(stored, b"of something else")


def test_aes_256_cbc_of_nist() -> None:
    """SP 800-38A, F.2.5, with the padding block that PKCS #7 adds."""
    key = bytes.fromhex("603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4")
    plain = bytes.fromhex(
        "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17"
        "ad2b417be66c3710"
    )
    ciphertext = bytes.fromhex(
        "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fc"
        "da6c19078c6a9d1b"
    )
    block = bytes(16 ^ last for last in ciphertext[-16:])
    padding = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)
    assert AesCbc(key).open(bytes(range(16)) + ciphertext + padding, b"") == plain


def kubernetes_aesgcm(place: str) -> bytes:
    """As k8s.io/apiserver's aesgcm transformer stores: the object's key is the associated data."""
    nonce = os.urandom(12)
    return b"k8s:enc:aesgcm:v1:key1:" + nonce + AESGCM(KEY).encrypt(nonce, VALUE, place.encode())


def kubernetes_aescbc(_place: str) -> bytes:
    vector, room = os.urandom(16), 16 - len(VALUE) % 16
    cipher = Cipher(algorithms.AES(KEY), modes.CBC(vector)).encryptor()
    return b"k8s:enc:aescbc:v1:key1:" + vector + cipher.update(VALUE + bytes([room]) * room)


def kubernetes_secretbox(_place: str) -> bytes:
    nonce = os.urandom(24)
    return b"k8s:enc:secretbox:v1:key1:" + nonce + salsa.seal(KEY, nonce, VALUE)


WRITERS = {
    "aesgcm": kubernetes_aesgcm,
    "aescbc": kubernetes_aescbc,
    "secretbox": kubernetes_secretbox,
}


@pytest.mark.parametrize("provider", WRITERS)
def test_what_kubernetes_wrote_is_read(provider: str) -> None:
    """And is not current: the next reencrypt puts an envelope around it."""
    keys, stored = ring(Key(provider, "key1", KEY)), WRITERS[provider](PLACE)
    assert keys.open(PLACE, stored) == VALUE
    assert not keys.is_current(PLACE, stored)


def test_what_kubernetes_moved_to_another_place_is_not() -> None:
    stored = kubernetes_aesgcm(f"{SECRETS}default/other")
    assert isinstance(ring(Key("aesgcm", "key1", KEY)).open(PLACE, stored), Unreadable)


@pytest.mark.parametrize("provider", CIPHERS)
@given(plain=st.binary(max_size=200), data=st.data())
def test_every_cipher_opens_what_it_sealed_and_nothing_else(
    provider: str, plain: bytes, data: st.DataObject
) -> None:
    """With every length of key; whatever is opened, the answer is the message or InvalidTag."""
    length = data.draw(st.sampled_from(LENGTHS[provider]))
    cipher = CIPHERS[provider](KEY[:length])
    sealed = cipher.seal(plain, b"place")
    assert cipher.open(sealed, b"place") == plain
    assert cipher.seal(plain, b"place") != sealed
    cut = data.draw(st.integers(0, len(sealed) - 1))
    with suppress(InvalidTag):
        assert cipher.open(sealed[:cut], b"place") != plain
