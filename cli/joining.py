"""Making a join token: what a machine shows to become a node (api/jointoken.py)."""

from datetime import timedelta

from api import clock, jointoken
from api.certificates import BadCertificate, fingerprint, read
from api.kinds import find
from cli.connection import Connection
from cli.errors import CommandError
from cli.kubeconfig import Target
from proto.v1.certificates_pb2 import BootstrapToken, BootstrapTokenSpec
from proto.v1.meta_pb2 import ObjectMeta


def new_token(
    server: Connection, target: Target, life: float, description: str = ""
) -> jointoken.JoinToken:
    """`life` in seconds; 0: it never expires. The cluster keeps a hash of the secret only. Raises CommandError."""
    pin = _pin(target)
    bearer = jointoken.new_bearer()
    name, _, secret = bearer.partition(".")
    spec = BootstrapTokenSpec(secretHash=jointoken.hash_of(secret), description=description)
    if life:
        spec.expiration.CopyFrom(clock.timestamp(clock.now() + timedelta(seconds=life)))
    kind = find("bootstraptokens")
    assert kind is not None
    server.create(kind, BootstrapToken(metadata=ObjectMeta(name=name), spec=spec), "")
    return jointoken.JoinToken(pin, bearer)


def _pin(target: Target) -> str:
    """The fingerprint of the authority that we ourselves believe."""
    try:
        return fingerprint(read(target.identity.ca))
    except BadCertificate as error:
        raise CommandError(f"{target.source}: certificate-authority: {error}") from None
