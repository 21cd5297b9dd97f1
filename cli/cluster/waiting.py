"""Waiting until a cluster that was just started is there: server answering, nodes ready, processes alive."""

import socket
import time
from dataclasses import dataclass

from api.errors import ApiError
from api.kinds import find
from cli.cluster import daemons
from cli.cluster.layout import HOST, Layout, Wishes
from cli.cluster.progress import Progress
from cli.connection import Connection, Unreachable
from cli.errors import CommandError
from cli.kubeconfig import Target, of_file

LEASES = "kube-node-lease"
SERVER_START = 60.0  # seconds; a large store on a slow disk takes its time
PAUSE = 0.02  # seconds between two looks at something that has no event to wait for


def usable(layout: Layout, wishes: Wishes) -> bool:
    try:
        server = Connection(target_of(layout))
    except CommandError:
        return False
    try:
        return len(_ready(server)) >= max(wishes.hollow, 1)
    except (ApiError, CommandError):
        return False
    finally:
        server.close()


def target_of(layout: Layout) -> Target:
    """As the administrator. Raises CommandError before the first start."""
    return of_file(str(layout.admin))


def await_server(layout: Layout, progress: Progress) -> Connection:
    progress.doing("starting the control plane")
    wishes = layout.read_wishes() or Wishes()
    deadline = time.monotonic() + SERVER_START
    while True:
        _until_listening(layout, f"{HOST}:{wishes.port}", deadline)
        server = Connection(target_of(layout))
        try:
            server.version(timeout=SERVER_START)
        except Unreachable:  # admin.conf is of an older start; the server is about to replace it
            server.close()
            if time.monotonic() > deadline:
                raise
            time.sleep(PAUSE)
            continue
        progress.done(f"Control plane at {server.address}")
        return server


def _until_listening(layout: Layout, address: str, deadline: float) -> None:
    """Until the port is open and admin.conf is written. Asking costs a system call; there is no event to wait for."""
    host, _, port = address.rpartition(":")
    while True:
        _check_alive(layout)
        with socket.socket() as probe:
            if probe.connect_ex((host, int(port))) == 0 and layout.admin.exists():
                return
        if time.monotonic() > deadline:
            raise CommandError(
                f"the control plane does not answer.\n{daemons.last_words(layout.log('server'))}"
            )
        time.sleep(PAUSE)


@dataclass(frozen=True, slots=True)
class Nodes:
    """Where to ask about nodes, and for how long."""

    server: Connection
    since: float  # seconds since 1970: older signs of life do not count
    limit: float  # seconds


def await_nodes(layout: Layout, wishes: Wishes, progress: Progress, nodes: Nodes) -> None:
    """A node's readiness is an object: but whether its agent still lives is not, hence the look every now and then."""
    wanted = max(wishes.hollow, 1)
    what = f"{wanted} hollow nodes" if wishes.is_hollow else f"node {wishes.node_name}"
    progress.doing(f"waiting for {what}")
    deadline = time.monotonic() + nodes.limit
    while True:
        _check_alive(layout)
        try:
            ready = _ready(nodes.server, nodes.since)
        except Unreachable:
            ready = set()
        if (wishes.is_hollow and len(ready) >= wanted) or wishes.node_name in ready:
            return progress.done(f"Ready: {what}")
        if time.monotonic() > deadline:
            raise CommandError(
                f"{what}: not ready in time ({len(ready)} ready). It may still come: helmling get nodes.\n"
                f"{daemons.last_words(layout.log('agent'))}"
            )
        time.sleep(PAUSE if wanted == 1 else PAUSE * 5)


def _ready(server: Connection, since: float = 0) -> set[str]:
    """The nodes that are ready and, since that time, have given a sign of life: an old status proves nothing."""
    kind, lease_kind = find("nodes"), find("leases")
    assert kind is not None
    assert lease_kind is not None
    nodes, _ = server.list(kind)
    leases, _ = server.list(lease_kind, LEASES)
    renewed = {each.metadata.name: each.spec.renewTime.ToMicroseconds() / 1e6 for each in leases}
    return {
        node.metadata.name
        for node in nodes
        for each in node.status.conditions
        if each.type == "Ready"
        and each.status == "True"
        and max(renewed.get(node.metadata.name, 0), each.lastHeartbeatTime.seconds + 1) >= since
    }


def _check_alive(layout: Layout) -> None:
    for part in daemons.PARTS:
        if daemons.running(layout, part) is None:
            _stop_other(layout, part)
            raise CommandError(
                f"the {part} ended right after its start.\n{daemons.last_words(layout.log(part))}\n"
                f"When the cause is mended, run helmling up again; helmling {part} --help shows how to "
                "run it in the foreground."
            )


def _stop_other(layout: Layout, part: str) -> None:
    for other in daemons.PARTS:
        if other != part:
            daemons.stop(layout, other)
