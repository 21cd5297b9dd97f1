"""The certificates of tests: one CA for the whole session, and whoever a test wants to be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import grpc

from api.tls import Identity
from control_plane.pki.authority import Authority, Wanted

HOSTS = ("127.0.0.1", "localhost", "kubernetes")


@cache
def authority() -> Authority:
    return Authority.make(datetime.now(UTC))  # whatever time a test may pretend


def identity(name: str, groups: Sequence[str] = (), ca: Authority | None = None) -> Identity:
    """A client that shows a certificate with this name; `ca`: of another authority than the server's."""
    certificate, key = (ca or authority()).issue(Wanted(name, groups), datetime.now(UTC))
    return Identity(authority().pem, certificate, key)


@cache
def admin() -> Identity:
    return identity("kubernetes-admin", ["system:masters"])


def door(*, certificates: bool = True) -> Any:
    """What a server shows; `certificates`: and asks its clients for."""
    certificate, key = authority().issue(
        Wanted("kube-apiserver", hosts=HOSTS, uses=("server",)), datetime.now(UTC)
    )
    return grpc.ssl_server_credentials(
        [(key, certificate + authority().pem)],
        root_certificates=authority().pem,
        require_client_auth=certificates,
    )
