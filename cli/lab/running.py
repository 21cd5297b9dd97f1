"""The lab's life, in order: up, down, and what may happen to a machine in between."""

import os
import shutil
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from api import clock, conditions
from api.errors import ApiError, NotFound
from api.kinds import find
from cli.cluster import daemons
from cli.cluster.layout import Layout
from cli.cluster.progress import Progress
from cli.cluster.waiting import LEASES, target_of
from cli.connection import Connection, Unreachable
from cli.errors import CommandError
from cli.joining import new_token
from cli.lab import hierarchies, images, machine, profile, wires
from cli.lab.plan import PORT, TOKEN_PORT, Lab, Machine
from node_agent.engine import search_path
from proto.v1.meta_pb2 import DeleteOptions

PROGRAMS = ("ip", "bridge", "nft", "sysctl", "nsenter", "unshare", "mount", "dockerd", "containerd")
START = 60.0  # seconds that the control plane has
TOKEN_LIFE = 3600.0  # seconds
PAUSE = 0.02  # seconds between two looks at what has no event to wait for
T = TypeVar("T")


def check_host() -> None:
    """Raises CommandError, with what to do, where no lab can be."""
    if os.geteuid() != 0:
        raise CommandError("a lab makes network namespaces and mounts: run this as root")
    missing = [name for name in PROGRAMS if shutil.which(name, path=search_path()) is None]
    if missing:
        raise CommandError(
            f"a lab needs {', '.join(missing)}, not installed on this machine. On Debian and Ubuntu: "
            "apt-get install docker.io iproute2 nftables procps"
        )
    os.environ["PATH"] = search_path()


# Up


def up(lab: Lab, progress: Progress, patience: float) -> None:
    """Everything that is missing."""
    progress.doing("laying cables")
    wires.make_switch(lab)
    start_server(lab)
    since = clock.now().timestamp()
    machines = lab.machines()
    on = zip(machines, _each(machines, machine.power_on), strict=True)
    started = {each.name for each, was_off in on if was_off}
    progress.done(f"{lab.nodes} machines, {len(started)} of them just switched on")
    server = await_server(lab)
    try:
        progress.done(f"Control plane at {server.address}")
        token = invitation(lab, server)
        for each in machines:
            machine.invite(each, token)
        fill(lab, machines, images.demo, progress)
        others = {each.name for each in machines} - started - wires.cut_off(lab)
        wait = Waiting(server, dict.fromkeys(started, since) | dict.fromkeys(others, 0.0), patience)
        await_nodes(lab, wait, progress)
    finally:
        server.close()


def fill(
    lab: Lab,
    machines: list[Machine],
    files: Callable[[Lab], list[images.Saved]],
    progress: Progress,
) -> None:
    """Engines answer, and have the images."""
    progress.doing("waiting for the Docker Engines")
    _each(machines, images.await_engine)
    progress.doing("loading images")
    content = files(lab)
    _each(machines, lambda each: images.load(each, content))
    progress.done(f"{len(content)} images on {', '.join(each.name for each in machines)}")


def _each(machines: Iterable[Machine], do: Callable[[Machine], T]) -> list[T]:
    """At the same time. The first error is raised when all are done."""
    with ThreadPoolExecutor() as workers:
        return list(workers.map(do, machines))


@dataclass(frozen=True, slots=True)
class Waiting:
    """For nodes: each must have said that it lives after a moment of its own, in seconds since 1970."""

    server: Connection
    nodes: dict[str, float]
    patience: float  # seconds


def await_nodes(lab: Lab, wait: Waiting, progress: Progress) -> None:
    """Raises CommandError with the last words of one that does not come."""
    progress.doing("waiting for the nodes")
    deadline = time.monotonic() + wait.patience
    while missing := _missing(wait):
        if time.monotonic() > deadline:
            log = lab.machine(missing[0]).disk / "agent.log"
            told = f"not ready in time: {', '.join(missing)}"
            raise CommandError(f"{told}.\n{daemons.last_words(log)}")
        time.sleep(PAUSE)
    progress.done(f"Ready: {', '.join(sorted(wait.nodes))}")


def _missing(wait: Waiting) -> list[str]:
    """Nodes that are not ready; and an old word proves nothing, of a machine that has just been switched on."""
    kind = find("leases")
    assert kind is not None
    leases, _ = wait.server.list(kind, LEASES)
    heard = {each.metadata.name: each.spec.renewTime.ToMicroseconds() / 1e6 for each in leases}
    found = nodes(wait.server)
    return [
        name
        for name, since in wait.nodes.items()
        if name not in found or not is_ready(found[name]) or heard.get(name, -1.0) < since
    ]


def nodes(server: Connection) -> dict[str, Any]:
    kind = find("nodes")
    assert kind is not None
    found, _ = server.list(kind)
    return {node.metadata.name: node for node in found}


def is_ready(node: Any) -> bool:
    return conditions.holds(node.status.conditions, "Ready")


# The control plane


def start_server(lab: Lab) -> bool:
    """Whether it did not run."""
    layout = Layout(lab.server)
    layout.make()
    if daemons.running(layout, "server") is not None:
        return False
    where = str(lab.host.ip)
    daemons.start(
        layout,
        "server",
        [
            f"--data-dir={lab.server}",
            f"--advertise-address={where}",
            f"--listen={where}:{PORT}",
            f"--token-port={TOKEN_PORT}",
            *profile.server(lab.grace),
        ],
    )
    return True


def await_server(lab: Lab) -> Connection:
    """Raises CommandError."""
    layout, deadline = Layout(lab.server), time.monotonic() + START
    while True:
        if daemons.running(layout, "server") is None:
            raise CommandError(f"the server ended.\n{daemons.last_words(layout.log('server'))}")
        if layout.admin.exists():
            server = Connection(target_of(layout))
            try:
                server.version(timeout=START)
            except (Unreachable, ApiError):
                server.close()
            else:
                return server
        if time.monotonic() > deadline:
            raise CommandError(f"no control plane.\n{daemons.last_words(layout.log('server'))}")
        time.sleep(PAUSE)


def invitation(lab: Lab, server: Connection) -> str:
    """A token for the lab's machines."""
    target = target_of(Layout(lab.server))
    return str(new_token(server, target, TOKEN_LIFE, "the lab's machines"))


# One machine


def start(chosen: Machine, progress: Progress, *, new_disk: bool, patience: float) -> None:
    """Switch it on again, with the disk it had, or with an empty one: then it is another machine of the same name."""
    lab = chosen.lab
    server = await_server(lab)
    try:
        if new_disk:
            machine.wipe(chosen)
            _forget(server, chosen.name)
        since = clock.now().timestamp()
        if not machine.power_on(chosen):
            progress.say(f"{chosen.name} has power already.")
        machine.invite(chosen, invitation(lab, server))
        progress.done(f"{chosen.name} is switched on")
        fill(lab, [chosen], images.demo, progress)
        await_nodes(lab, Waiting(server, {chosen.name: since}, patience), progress)
    finally:
        server.close()


def _forget(server: Connection, node: str) -> None:
    kind = find("nodes")
    assert kind is not None
    with suppress(NotFound):
        server.delete(kind, node, "", DeleteOptions())


# Down


def down(lab: Lab, *, keep: bool) -> None:
    """Nothing is left but, if wished, the disks and the cluster's state."""
    _each(lab.machines(), machine.power_off)
    layout = Layout(lab.server)
    if lab.server.exists():
        daemons.stop(layout, "server")
    wires.remove_switch(lab)
    hierarchies.remove(lab.cgroup)
    with suppress(OSError):  # another lab may be there
        hierarchies.remove_if_empty(Path(lab.cgroup).parts[0])
    if not keep:
        for folder in (lab.server, lab.images, *(each.disk for each in lab.machines())):
            shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):  # somebody else's files are in it
            Path(lab.folder).rmdir()
    shutil.rmtree(lab.run, ignore_errors=True)
