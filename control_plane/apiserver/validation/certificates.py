"""What is right in signing requests and join tokens."""

import re
from collections.abc import Sequence

from api import signers
from api.certificates import BadCertificate
from api.errors import Cause
from control_plane.apiserver.validation import causes
from proto.v1.certificates_pb2 import BootstrapToken, CertificateSigningRequest

TOKEN_ID, HASH = re.compile(r"[a-z0-9]{6}"), re.compile(r"[0-9a-f]{64}")


def validate_request(csr: CertificateSigningRequest) -> list[Cause]:
    spec, found = csr.spec, []
    try:
        signers.read(spec.request)
    except BadCertificate as error:
        found.append(causes.invalid("spec.request", "<PEM>", str(error)))
    known = signers.USAGES.get(spec.signerName, ())
    for index, usage in enumerate(spec.usages):
        if known and usage not in known:
            found.append(causes.unsupported(f"spec.usages[{index}]", usage, known))
    return found


def validate_approval(
    new: CertificateSigningRequest, old: CertificateSigningRequest
) -> list[Cause]:
    """Once decided, decided: a condition is neither taken back nor contradicted."""
    had, has = _held(old), _held(new)
    found = []
    if not had <= has:
        gone = ", ".join(sorted(had - has))
        found.append(causes.forbidden("status.conditions", f"{gone} cannot be taken back"))
    if {"Approved", "Denied"} <= has:
        told = "Approved and Denied conditions are mutually exclusive"
        found.append(causes.invalid("status.conditions", sorted(has), told))
    return found


def validate_status(new: CertificateSigningRequest, old: CertificateSigningRequest) -> list[Cause]:
    if old.status.certificate and new.status.certificate != old.status.certificate:
        return [causes.forbidden("status.certificate", "may not be modified once set")]
    return []


def _held(csr: CertificateSigningRequest) -> set[str]:
    return {condition.type for condition in csr.status.conditions}


def validate_token(token: BootstrapToken) -> Sequence[Cause]:
    found = []
    if not TOKEN_ID.fullmatch(token.metadata.name):
        told = "a join token is named by its public half: six of a-z and 0-9"
        found.append(causes.invalid("metadata.name", token.metadata.name, told))
    if not HASH.fullmatch(token.spec.secretHash):
        told = "must be the SHA-256 of the secret, in hexadecimal (never the secret itself)"
        found.append(causes.invalid("spec.secretHash", "<hidden>", told))
    return found
