"""The one string with which a machine joins a cluster.

    HL1 c2f5…(64 hexadecimal digits) :: ab12cd . 0123456789abcdef
        the fingerprint of the CA       id       secret                   (without the spaces)

It works in both directions. By the fingerprint the machine knows the cluster: it sends the rest to nobody whose CA has
another one. By id and secret the cluster knows the machine; they have the form of Kubernetes' bootstrap tokens.
https://kubernetes.io/docs/reference/access-authn-authz/bootstrap-tokens/
"""

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field

LETTERS = string.ascii_lowercase + string.digits
ID_LENGTH, SECRET_LENGTH = 6, 16
BEARER = re.compile(r"(?P<id>[a-z0-9]{6})\.(?P<secret>[a-z0-9]{16})")
JOIN = re.compile(r"HL1(?P<pin>[0-9a-f]{64})::(?P<bearer>[a-z0-9]{6}\.[a-z0-9]{16})")


class BadToken(ValueError):
    """It has not the form of a join token; the message says so."""


@dataclass(frozen=True, slots=True)
class JoinToken:
    pin: str  # the fingerprint of the cluster's CA
    bearer: str = field(repr=False)  # id.secret

    def __str__(self) -> str:
        return f"HL1{self.pin}::{self.bearer}"


def parse(text: str) -> JoinToken:
    """Raises BadToken."""
    match = JOIN.fullmatch(text.strip())
    if match is None:
        raise BadToken(
            "this is no join token: it begins with HL1 and is to be copied whole, as helmling token create prints it"
        )
    return JoinToken(match["pin"], match["bearer"])


def new_bearer() -> str:
    """id.secret; the secret has 82 bits."""
    return f"{_random(ID_LENGTH)}.{_random(SECRET_LENGTH)}"


def _random(length: int) -> str:
    return "".join(secrets.choice(LETTERS) for _ in range(length))


def hash_of(secret: str) -> str:
    """What is kept of a secret. It is too long to be guessed, so one round is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()
