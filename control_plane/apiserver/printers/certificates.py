"""The rows of signing requests and join tokens."""

from collections.abc import Sequence
from datetime import datetime

from api.duration import human_duration
from control_plane.apiserver.printers.cells import AGE, NAME, NONE, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.certificates_pb2 import BootstrapToken, CertificateSigningRequest

REQUEST_COLUMNS = (
    NAME,
    AGE,
    Column("SignerName", description="The rules it is to be signed by."),
    Column("Requestor", description="Who asked."),
    Column("RequestedDuration", description="How long the certificate is to hold."),
    Column("Condition", description="How far the request has come."),
)
TOKEN_COLUMNS = (
    NAME,
    Column("TTL", description="How long it is still good for."),
    Column("Expires", description="The moment from which on it is worthless."),
    Column("Description", description="What it was made for."),
    AGE,
)


def request_row(csr: CertificateSigningRequest, now: datetime) -> Sequence[Cell]:
    asked = csr.spec.HasField("expirationSeconds")
    return (
        csr.metadata.name,
        age(csr.metadata.creationTimestamp, now),
        csr.spec.signerName,
        csr.spec.username,
        human_duration(csr.spec.expirationSeconds) if asked else NONE,
        condition(csr),
    )


def condition(csr: CertificateSigningRequest) -> str:
    held = [each.type for each in csr.status.conditions]
    said = ",".join(word for word in ("Denied", "Approved", "Failed") if word in held) or "Pending"
    return f"{said},Issued" if csr.status.certificate else said


def token_row(token: BootstrapToken, now: datetime) -> Sequence[Cell]:
    spec, left, expires = token.spec, "<forever>", "<never>"
    if spec.HasField("expiration"):
        left = human_duration(max(spec.expiration.seconds - now.timestamp(), 0))
        expires = spec.expiration.ToDatetime().isoformat() + "Z"
    made = age(token.metadata.creationTimestamp, now)
    return token.metadata.name, left, expires, spec.description or NONE, made
