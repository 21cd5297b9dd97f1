"""X.509 certificates as the cluster uses them: whom one names, how long it holds, and how to ask for one.

A name is the subject's common name (CN), groups are its organizations (O): Kubernetes reads users out of certificates
in the same way. Keys are ECDSA on P-256: made in less than a millisecond, and understood by everybody.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#x509-client-certificates
"""

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID

PrivateKey: TypeAlias = ec.EllipticCurvePrivateKey
COMMON_NAME, ORGANIZATION = NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME


class BadCertificate(ValueError):
    """What was given is no certificate, key or signing request that we can use; the message says why."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom a certificate names."""

    name: str
    groups: tuple[str, ...]
    since: datetime
    until: datetime  # the last moment at which it holds


@lru_cache(maxsize=4096)
def holder_of(pem: bytes) -> Holder:
    """The first certificate's holder. Raises BadCertificate."""
    certificate = read(pem)
    name, groups = names_in(certificate.subject)
    return Holder(name, groups, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def read(pem: bytes) -> x509.Certificate:
    """The first certificate in there. Raises BadCertificate."""
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError:
        raise BadCertificate("this is no certificate in PEM form") from None


def names_in(subject: x509.Name) -> tuple[str, tuple[str, ...]]:
    """(name, groups): the first common name, and every organization."""
    common = subject.get_attributes_for_oid(COMMON_NAME)
    organizations = subject.get_attributes_for_oid(ORGANIZATION)
    return (
        str(common[0].value) if common else "",
        tuple(str(each.value) for each in organizations),
    )


def subject(name: str, groups: Sequence[str] = ()) -> x509.Name:
    organizations = [x509.NameAttribute(ORGANIZATION, group) for group in groups]
    common = [x509.NameAttribute(COMMON_NAME, name)] if name else []
    return x509.Name([*organizations, *common])


# Keys


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def read_key(pem: bytes) -> ec.EllipticCurvePrivateKey:
    """Raises BadCertificate."""
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise BadCertificate("this is no private key in PEM form") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BadCertificate("the private key must be an elliptic curve's (ECDSA)")
    return key


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 of the public key, in hexadecimal: it stays when the certificate is renewed with the same key."""
    return hashlib.sha256(public_bytes(certificate.public_key())).hexdigest()


def public_bytes(key: CertificatePublicKeyTypes) -> bytes:
    """The public key alone (SubjectPublicKeyInfo)."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_bytes(serialization.Encoding.DER, form)


# Signing requests


def signing_request(
    key: ec.EllipticCurvePrivateKey,
    name: str,
    groups: Sequence[str] = (),
    hosts: Sequence[str] = (),
) -> bytes:
    """A request, in PEM form, to certify that whoever has the key is this one, and serves at these hosts."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject(name, groups))
    if hosts:
        builder = builder.add_extension(alternative_names(hosts), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    """Addresses as addresses, all else as host names."""
    return x509.SubjectAlternativeName([_general_name(host) for host in hosts])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def hosts_in(extensions: x509.Extensions) -> tuple[str, ...]:
    """The hosts that a certificate, or a request, says it serves at. Raises BadCertificate for other kinds of names."""
    try:
        names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    strange = [name for name in names if not isinstance(name, x509.DNSName | x509.IPAddress)]
    if strange:
        raise BadCertificate(
            "only DNS names and IP addresses may stand in a certificate for serving"
        )
    return tuple(str(name.value) for name in names)
