"""The cluster's certificate authority: one key pair that says who is who.

Everything it signs it builds itself, from a subject, hosts and uses that were decided here; of a signing request only
the public key is taken. So a request cannot smuggle in what nobody looked at (another CA, a longer life).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID

from api import certificates, clock

CA_NAME = "helmling-ca"
CA_LIFE = timedelta(days=3650)
LIFE = timedelta(days=365)  # of what it signs, as kubeadm's
EARLIER = timedelta(
    minutes=5
)  # certificates begin in the past, for machines whose clocks are behind

Use = Literal["client", "server"]
_USES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}


@dataclass(frozen=True)
class Wanted:
    """What a certificate is to say."""

    name: str
    groups: Sequence[str] = ()
    hosts: Sequence[str] = ()
    uses: Sequence[Use] = ("client",)
    life: timedelta = LIFE


class Authority:
    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self.certificate = certificate
        self._key = key

    @classmethod
    def make(
        cls, now: datetime | None = None, key: ec.EllipticCurvePrivateKey | None = None
    ) -> "Authority":
        """A new one, which nobody trusts yet; `key`: unless they know its key."""
        key, name = key or certificates.new_key(), certificates.subject(CA_NAME)
        now = now or clock.now()
        builder = _begin(name, key.public_key(), now, CA_LIFE).issuer_name(name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        builder = builder.add_extension(_key_usage(signs=True), True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return certificates.key_pem(self._key)

    @property
    def fingerprint(self) -> str:
        return certificates.fingerprint(self.certificate)

    def issue(self, wanted: Wanted, now: datetime | None = None) -> tuple[bytes, bytes]:
        """A certificate and the new key it is for, both in PEM form."""
        key = certificates.new_key()
        return self.certify(key.public_key(), wanted, now), certificates.key_pem(key)

    def certify(
        self, key: CertificatePublicKeyTypes, wanted: Wanted, now: datetime | None = None
    ) -> bytes:
        """A certificate for whoever has this key, in PEM form. It never outlives the CA's own."""
        now = now or clock.now()
        life = min(wanted.life, self.certificate.not_valid_after_utc - now)
        builder = _begin(certificates.subject(wanted.name, wanted.groups), key, now, life)
        builder = builder.issuer_name(self.certificate.subject)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
        builder = builder.add_extension(_key_usage(signs=False), True)
        uses = x509.ExtendedKeyUsage([_USES[use] for use in wanted.uses])
        builder = builder.add_extension(uses, critical=False)
        ours = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = builder.add_extension(ours, critical=False)
        if wanted.hosts:
            names = certificates.alternative_names(wanted.hosts)
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def signed(self, certificate: x509.Certificate) -> bool:
        """Is it one of ours?"""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except Exception:  # a dozen reasons, and each of them says no
            return False
        return True


def _begin(
    name: x509.Name, key: CertificatePublicKeyTypes, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - min(EARLIER, life / 10))
        .not_valid_after(now + life)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
