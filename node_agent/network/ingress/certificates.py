"""From a Secret of the type kubernetes.io/tls to a certificate that the proxy will take; and its own, for want of one.

The proxy refuses its whole configuration when one certificate is broken. So all is looked at here before, and what is
not good enough is left out, with words that help its author.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from node_agent.network.ingress.model import Certificate
from proto.v1.config_pb2 import Secret

TYPE, CERTIFICATE, KEY = "kubernetes.io/tls", "tls.crt", "tls.key"
SHORTEST_RSA = 2048  # bits; with fewer OpenSSL refuses the key
OWN_NAME = "Helmling's own ingress certificate"
OWN_LIFE = timedelta(days=3650)
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
T = TypeVar("T")


class Unusable(Exception):
    """A Secret that is no good as a certificate; the message says why."""


def certificate(secret: Secret) -> Certificate:
    """What the Secret holds. Raises Unusable."""
    if secret.type != TYPE:
        raise Unusable(f"it is of the type {secret.type}, not {TYPE}")
    for name in (CERTIFICATE, KEY):
        if not secret.data.get(name):
            raise Unusable(f"it has no {name}")
    chain, key = _chain(secret.data[CERTIFICATE]), _key(secret.data[KEY])
    first = chain[0]
    if _public(key) != _public(first):
        raise Unusable(f"{KEY} is not the key of the certificate in {CERTIFICATE}")
    return _made(key, chain, _names(first), first.not_valid_after_utc)


def expiry(found: Certificate, now: datetime) -> str:
    """What to say about a certificate that has ended; empty: nothing. It is served all the same."""
    if now < found.ends:
        return ""
    return f"its certificate expired at {found.ends:%Y-%m-%dT%H:%M:%SZ}; clients will refuse it"


def own_certificate(now: datetime) -> Certificate:
    """Signed by itself, for clients that ask for a name nobody has given a certificate for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, OWN_NAME)])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + OWN_LIFE)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _made(key, [signed], (), now + OWN_LIFE)


def _chain(pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Unusable(f"{CERTIFICATE} holds no certificate in PEM form") from error


def _key(pem: bytes) -> PrivateKey:
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise Unusable(f"{KEY} is encrypted with a password, which nobody here knows") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Unusable(f"{KEY} holds no private key in PEM form") from error
    if isinstance(key, rsa.RSAPrivateKey) and key.key_size < SHORTEST_RSA:
        raise Unusable(f"its RSA key has {key.key_size} bits; at least {SHORTEST_RSA} are needed")
    usable = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)
    if not isinstance(key, usable):
        raise Unusable("its key is none of RSA, ECDSA and Ed25519")
    return key


def _public(owner: PrivateKey | x509.Certificate) -> bytes:
    key = owner.public_key()
    if isinstance(key, ed448.Ed448PublicKey):
        return b""  # of no key that we take
    return key.public_bytes(Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _names(found: x509.Certificate) -> tuple[str, ...]:
    """Hosts it is for. Its common name counts only where there are no others, as long as clients went by it."""
    try:
        others = found.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        common = found.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        return tuple(str(each.value).lower() for each in common if " " not in str(each.value))
    value = others.value
    if not isinstance(value, x509.SubjectAlternativeName):
        return ()
    return tuple(name.lower() for name in value.get_values_for_type(x509.DNSName))


def _made(
    key: PrivateKey, chain: list[x509.Certificate], names: tuple[str, ...], ends: datetime
) -> Certificate:
    """Written anew, so that nothing but keys and certificates gets into the file."""
    form = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    pem = key.private_bytes(*form) + b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    return Certificate(pem, names, ends.astimezone(UTC), hashlib.sha256(pem).hexdigest()[:32])
