"""What this node shows, and whom it believes: two certificates, renewed while it runs.

ca.crt       the cluster's authority
client.pem   what the node shows to the API server: system:node:NAME
serving.pem  what its agent shows to the API server, which calls it for logs and commands

The first client certificate comes from a join (join.py), or from the control plane on the same machine. From then on
the node asks for new ones itself, by a signing request in its own name.
"""

import asyncio
import hashlib
import logging
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import grpc

from api import certificates, clock, keyfiles
from api.certificates import BadCertificate
from api.client import Client
from api.controller import pause
from api.errors import AlreadyExists, ApiError, Forbidden, Unauthorized
from api.grpc_server import Context, door
from api.identities import MASTERS, NODE_PREFIX, NODES, SERVER_CLIENT, agent_host
from api.keyfiles import Pair
from api.signers import NODE_CLIENT, NODE_SERVING, USAGES
from api.tls import Identity
from proto.v1.certificates_pb2 import CertificateSigningRequest, CertificateSigningRequestSpec
from proto.v1.meta_pb2 import ObjectMeta

log = logging.getLogger(__name__)

CA, CLIENT, SERVING = "ca.crt", "client.pem", "serving.pem"
LONGEST_SLEEP = 3600.0  # seconds: the clock may be set meanwhile
SHORTEST_SLEEP = 0.2
LOOK = 0.2  # seconds between two looks at a request
LONGEST_PAUSE = 60.0  # seconds between attempts to get a new certificate

Renewed = Callable[[Identity], Coroutine[Any, Any, None]]


class NoIdentity(Exception):
    """The node has no certificates that it could use; the message says what to do."""


class Refused(NoIdentity):
    """The cluster has denied the request; the message is its own."""


async def _nobody(_: Identity) -> None:
    """There is no connection to be told."""


class Credentials:
    """Owner of the node's folder of certificates."""

    def __init__(self, folder: Path, node: str) -> None:
        """Raises NoIdentity."""
        self._folder, self._node = folder, node
        try:
            self._ca = (folder / CA).read_bytes()
            client, serving = (keyfiles.read_pair(folder / name) for name in (CLIENT, SERVING))
        except (OSError, BadCertificate) as error:
            raise NoIdentity(
                f"cannot read this node's certificates: {error}. {_way_out(folder)}"
            ) from None
        if client is None or serving is None:
            raise NoIdentity(f"{folder} has no certificates for this node. {_way_out(folder)}")
        self._client, self._serving = client, serving
        holder = certificates.holder_of(client.certificate)
        if holder.name != NODE_PREFIX + node:
            raise NoIdentity(
                f"the certificate in {folder} is of {holder.name}, and this node is called {node}. {_way_out(folder)}"
            )
        if clock.now() > holder.until:
            raise NoIdentity(
                f"the certificate of node {node} expired on {holder.until:%Y-%m-%d %H:%M}: it was down too long to "
                f"renew it. {_way_out(folder)}"
            )
        self._shown = self._configuration()
        self.renewed: Renewed = _nobody  # told what to show from now on

    @property
    def identity(self) -> Identity:
        """As which the node talks to the API server."""
        return Identity(self._ca, self._client.certificate, self._client.key)

    def door(self) -> grpc.ServerCredentials:
        """What the agent shows, and asks for; it follows renewals by itself."""
        return door(lambda: self._shown, certificates=True)

    def _configuration(self) -> Any:
        pair = self._serving
        return grpc.ssl_server_certificate_configuration(
            [(pair.key, pair.certificate)], root_certificates=self._ca
        )

    async def run(self, client: Client) -> None:
        """Renew both before they expire, until cancelled."""
        failures = 0
        async with asyncio.TaskGroup() as handovers:
            while True:
                due = min(self._client.renewal, self._serving.renewal)
                wait = (due - clock.now()).total_seconds()
                await asyncio.sleep(min(max(wait, SHORTEST_SLEEP), LONGEST_SLEEP))
                try:
                    if await self._renew(client):
                        handovers.create_task(self.renewed(self.identity))
                    failures = 0
                except (ApiError, NoIdentity) as error:
                    failures += 1
                    log.warning("certificate_not_renewed error=%s", error)
                    await asyncio.sleep(min(pause(failures), LONGEST_PAUSE))

    async def _renew(self, client: Client) -> bool:
        """Whether the node is to show something else to the API server."""
        if clock.now() >= self._serving.renewal:
            self._serving = await serving_pair(client, self._node)
            keyfiles.write_pair(self._folder / SERVING, self._serving)
            self._shown = self._configuration()
            log.info("certificate_renewed which=serving")
        if clock.now() < self._client.renewal:
            return False
        self._client = await client_pair(client, self._node, certificates.new_key())
        keyfiles.write_pair(self._folder / CLIENT, self._client)
        log.info("certificate_renewed which=client")
        return True


def save(folder: Path, ca: bytes, client: Pair, serving: Pair) -> None:
    """For the first time. The client's certificate comes last: who has it has all."""
    keyfiles.write(folder / CA, ca, keyfiles.PUBLIC)
    keyfiles.write_pair(folder / SERVING, serving)
    keyfiles.write_pair(folder / CLIENT, client)


def _way_out(folder: Path) -> str:
    return (
        f"Move {folder} away and join again: helmling agent --join=HOST:PORT --token=… (helmling token create makes "
        "a token); if the node exists still, delete it first"
    )


# Asking for certificates


async def client_pair(client: Client, node: str, key: certificates.PrivateKey) -> Pair:
    """A certificate for the node as a client. Raises ApiError, Refused."""
    request = certificates.signing_request(key, NODE_PREFIX + node, [NODES])
    return Pair(await _signed(client, NODE_CLIENT, request), certificates.key_pem(key))


async def serving_pair(client: Client, node: str) -> Pair:
    """A certificate for its agent as a server. Raises ApiError, Refused."""
    key = certificates.new_key()
    request = certificates.signing_request(key, NODE_PREFIX + node, [NODES], [agent_host(node)])
    return Pair(await _signed(client, NODE_SERVING, request), certificates.key_pem(key))


async def _signed(client: Client, signer: str, request: bytes) -> bytes:
    """Ask, and wait until somebody has decided: that may be a human."""
    name = "node-csr-" + hashlib.sha256(request).hexdigest()[:32]
    spec = CertificateSigningRequestSpec(request=request, signerName=signer, usages=USAGES[signer])
    try:
        csr = await client.create(
            CertificateSigningRequest(metadata=ObjectMeta(name=name), spec=spec)
        )
    except AlreadyExists:
        csr = await client.get(CertificateSigningRequest, name)
    while not csr.status.certificate:
        for condition in csr.status.conditions:
            if condition.type in ("Denied", "Failed"):
                raise Refused(condition.message)
        await asyncio.sleep(LOOK)
        csr = await client.get(CertificateSigningRequest, name)
    return csr.status.certificate


# Who may call the agent


async def admit(context: Context) -> None:
    """The API server and administrators, and nobody else who has a certificate of this cluster. Raises ApiError."""
    certificate = context.auth_context().get("x509_pem_cert")
    if not certificate:
        raise Unauthorized("Unauthorized: show a client certificate")
    holder = certificates.holder_of(certificate[0])
    if clock.now() > holder.until:
        raise Unauthorized(f"Unauthorized: the certificate of {holder.name} has expired")
    if holder.name != SERVER_CLIENT and MASTERS not in holder.groups:
        raise Forbidden(
            f"{holder.name} may not call a node's agent: that is the API server's to do"
        )
