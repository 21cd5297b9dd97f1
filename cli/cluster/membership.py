"""How an agent that is about to start comes to its identity.

In this order: it has one; it joins with a token; or it stands beside a control plane, in the same data directory, and
then whoever may read that directory may sign for himself: no token would make it safer. The control plane makes its
authority at its first start, and the agent, which starts at the same time, waits for it.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

from api import certificates, clock, keyfiles
from api.certificates import BadCertificate
from api.identities import NODE_PREFIX, NODES, agent_host
from api.keyfiles import Pair
from api.tls import Identity
from cli import kubeconfig
from cli.cluster.layout import Layout
from cli.errors import CommandError
from cli.flags import Parsed
from cli.kubeconfig import Target
from control_plane.pki.authority import Authority, Wanted
from control_plane.pki.keeper import CannotTrust, load
from node_agent import credentials
from node_agent.join import Invitation, join, joined
from node_agent.options import AgentOptions

log = logging.getLogger(__name__)

PAUSE = 0.01  # seconds between two looks for a file that another process is about to write
TELL = 500  # looks after which the log says what is waited for
LOOK_AGAIN = 60.0  # seconds between two looks whether admin.conf has changed


async def become_member(
    layout: Layout, told: AgentOptions, invitation: Invitation | None
) -> AgentOptions:
    """The options with all that membership adds. Raises NoIdentity, CommandError."""
    folder, server = told.pki_dir, joined(told.pki_dir)
    if invitation is not None and not server:
        server = await join(invitation, told.node, folder)
        log.info("joined server=%s node=%s", server, told.node)
    if server:
        server = told.server or server
        return replace(told, server=server, address=told.node_ip or address_towards(server))
    authority = await _beside(layout)
    if not _valid(authority, folder, told.node):
        _sign(authority, folder, told.node)
    server = told.server or kubeconfig.of_file(str(layout.admin)).address
    return replace(told, server=server, address=told.node_ip or told.address)


async def _beside(layout: Layout) -> Authority:
    """The authority of the control plane that keeps its state in the same folder."""
    await _written(layout.pki / "ca.crt", "the control plane on this machine makes it; to join another machine's "
                   "cluster: --join=HOST:PORT --token=…")  # fmt: skip
    try:
        return load(layout.pki)
    except CannotTrust as error:
        raise CommandError(str(error)) from None


async def _written(path: Path, advice: str) -> None:
    looks = 0
    while not os.path.exists(path):  # noqa: ASYNC240 (another process writes it)
        looks += 1
        if looks % TELL == 0:
            log.info("waiting for=%s (%s)", path, advice)
        await asyncio.sleep(PAUSE)


def _valid(authority: Authority, folder: Path, node: str) -> bool:
    """Are there certificates, of this authority, for this node, that will hold until they are renewed?"""
    try:
        pairs = [
            keyfiles.read_pair(folder / name) for name in (credentials.CLIENT, credentials.SERVING)
        ]
        return all(
            pair is not None
            and clock.now() < pair.renewal
            and certificates.holder_of(pair.certificate).name == NODE_PREFIX + node
            and authority.signed(certificates.read(pair.certificate))
            for pair in pairs
        )
    except BadCertificate:
        return False


def _sign(authority: Authority, folder: Path, node: str) -> None:
    name = NODE_PREFIX + node
    client = Pair(*authority.issue(Wanted(name, [NODES])))
    serving = Pair(*authority.issue(Wanted(name, [NODES], [agent_host(node)], ("server",))))
    credentials.save(folder, authority.pem, client, serving)


def address_towards(server: str) -> str:
    """The address that this machine has in the direction of the server: there its agent is to be found."""
    host, _, port = server.rpartition(":")
    host = host.strip("[]")
    try:
        family, _, _, _, where = socket.getaddrinfo(host, int(port), type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect(where)  # sends nothing
            return str(probe.getsockname()[0])
    except OSError as error:
        raise CommandError(f"there is no way to {server}: {error.strerror}") from None


# Hollow nodes, which are many in one process, are the administrator's


async def admin_of(flags: Parsed) -> Target:
    """As the kubeconfig says; admin.conf may be about to be written."""
    if not flags.given("kubeconfig"):
        (path, *_) = kubeconfig.paths(flags)
        await _written(Path(path), "the control plane on this machine writes it when it listens")
    return kubeconfig.find(flags)


async def follow_admin(
    flags: Parsed, admin: Target, become: Callable[[Identity], Awaitable[None]]
) -> None:
    """The server renews the administrator's certificate in admin.conf; go on with the new one."""
    while True:
        await asyncio.sleep(LOOK_AGAIN)
        try:
            fresh = kubeconfig.find(flags)
        except CommandError as error:
            log.warning("kubeconfig_unreadable error=%s", error)
            continue
        if fresh.identity != admin.identity:
            admin = fresh
            await become(fresh.identity)
