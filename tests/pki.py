"""The certificates of tests: one CA for the whole session, and whoever a test wants to be."""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import grpc

from api.identities import NODE_PREFIX, NODES, SERVER_CLIENT, agent_host
from api.keyfiles import Pair
from api.tls import Identity
from cli.kubeconfig import of_file
from control_plane.pki.adminconf import write_admin_conf
from control_plane.pki.authority import Authority, Wanted
from node_agent.credentials import Credentials, save

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


@cache
def to_agents() -> Any:
    """What the API server shows to agents."""
    return identity(SERVER_CLIENT).channel_credentials()


def agent_door(node: str, ca: Authority | None = None) -> Any:
    """What an agent shows, and asks for."""
    return grpc.ssl_server_credentials(
        [(pair.key, pair.certificate) for pair in (_serving(node, ca),)],
        root_certificates=authority().pem,
        require_client_auth=True,
    )


def _serving(node: str, ca: Authority | None = None) -> Pair:
    wanted = Wanted(NODE_PREFIX + node, [NODES], [agent_host(node)], ("server",))
    return Pair(*(ca or authority()).issue(wanted, datetime.now(UTC)))


def node_credentials(folder: Path, node: str) -> Credentials:
    """A node's certificates, on disk, as an agent has them."""
    client = Pair(*authority().issue(Wanted(NODE_PREFIX + node, [NODES]), datetime.now(UTC)))
    save(folder, authority().pem, client, _serving(node))
    return Credentials(folder, node)


def kubeconfig(path: Path, address: str, who: Identity | None = None) -> Path:
    """A kubeconfig for a server of tests."""
    write_admin_conf(path, address, who or admin())
    return path


def admin_of(data_dir: Path) -> Identity:
    """The administrator of a server that runs on its own authority."""
    return of_file(str(data_dir / "admin.conf")).identity
