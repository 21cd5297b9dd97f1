"""A machine becomes a node: with a join token it gets its first certificates.

The token pins the cluster's authority, so the first connection believes nobody: it looks at the certificates that the
server shows and says nothing. Only to a server whose authority has the pinned fingerprint does the machine show its
token, over a second connection that believes this authority and no other. With the token it asks for its client
certificate, and with that one for all the rest.
"""

import asyncio
import ssl
import sys
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection
from typing import Any, cast

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from api import certificates, jointoken, keyfiles
from api.errors import ApiError, Unauthorized
from api.grpc_client import connect
from api.tls import Identity
from node_agent.credentials import NoIdentity, Refused, client_pair, save, serving_pair

SERVER = "server"  # the file that remembers where the cluster is
PATIENCE = 10.0  # seconds to connect
HUNG_UP = (  # what a token gets at the port where certificates are asked for
    ". Is it the port for tokens (usually 6441)? helmling token create --print-join-command prints the right one"
)
DECISION = 300.0  # seconds that the cluster has to decide about a request


class CannotJoin(NoIdentity):
    """The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Invitation:
    address: str  # host:port, where the server takes tokens
    token: str = field(repr=False)


async def join(invitation: Invitation, node: str, folder: Path) -> str:
    """Get certificates and keep them in the folder; returns where the API server is. Raises CannotJoin."""
    try:
        token = jointoken.parse(invitation.token)
        ca = await asyncio.to_thread(authority_at, invitation.address, token.pin)
        async with asyncio.timeout(DECISION):
            server = await _enrol(
                invitation.address, Identity(ca, token=token.bearer), node, folder
            )
    except jointoken.BadToken as error:
        raise CannotJoin(str(error)) from None
    except TimeoutError:
        raise CannotJoin(
            "nobody has decided about this node's signing request yet: look at helmling get csr, and join again"
        ) from None
    except Unauthorized as error:
        raise CannotJoin(
            f"{error.message}. Make a new one on the cluster: helmling token create"
        ) from None
    except Refused as error:
        raise CannotJoin(f"the cluster refused to let {node} join: {error}") from None
    except ApiError as error:
        hint = HUNG_UP if error.code == "UNAVAILABLE" else ""
        raise CannotJoin(
            f"cannot join the cluster at {invitation.address}: {error.message}{hint}"
        ) from None
    keyfiles.write(folder / SERVER, server.encode())
    return server


def joined(folder: Path) -> str:
    """Where the API server is that this node has joined; "": it has joined none."""
    try:
        return (folder / SERVER).read_text().strip()
    except FileNotFoundError:
        return ""


async def _enrol(address: str, guest: Identity, node: str, folder: Path) -> str:
    async with connect(address, guest, manager="kubelet") as client:
        port = (await client.version()).port
        pair = await client_pair(client, node, certificates.new_key())
    server = f"{address.rpartition(':')[0]}:{port}"
    async with connect(
        server, Identity(guest.ca, pair.certificate, pair.key), manager="kubelet"
    ) as client:
        save(folder, guest.ca, pair, await serving_pair(client, node))
    return server


def authority_at(address: str, pin: str) -> bytes:
    """The certificate, in PEM form, of the authority with this fingerprint, as the server there shows it.

    Raises CannotJoin. Nothing has been sent to the server but a greeting.
    """
    host, _, port = address.rpartition(":")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        with (
            create_connection((host.strip("[]"), int(port)), PATIENCE) as plain,
            context.wrap_socket(plain, server_hostname=host.strip("[]")) as connection,
        ):
            chain = _chain(connection)
    except ssl.SSLError as error:
        raise CannotJoin(
            f"the server at {address} does not speak TLS as it should ({error.reason or error}): is the port right?"
        ) from None
    except (OSError, ValueError) as error:
        raise CannotJoin(f"cannot reach the server at {address}: {error}") from None
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        if certificates.fingerprint(certificate) == pin:
            return certificate.public_bytes(Encoding.PEM)
    raise CannotJoin(
        f"the server at {address} is not of the cluster that this token was made by (its authority has another "
        "fingerprint). Nothing was sent to it. Is the address right? If it is, somebody is in between, or the cluster "
        "has a new authority: helmling token create"
    )


def _chain(connection: ssl.SSLSocket) -> list[bytes]:
    """All certificates that the server has shown, unverified. Python has a public method for it from 3.13 on."""
    if sys.version_info >= (3, 13):
        return [cast(bytes, each) for each in connection.get_unverified_chain()]
    inner: Any = connection._sslobj  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in inner.get_unverified_chain()]
