"""`helmling up`: a cluster on this machine, in the background.

Server and agent start at the same time: the agent builds what it needs while the server opens its store. Everything
is remembered in the data directory, so that `up` after `down`, or after a crash, brings the same cluster back. What
runs already is left alone.
"""

import os
import re
import socket
from dataclasses import asdict, replace
from pathlib import Path

from api import clock
from cli.cluster import daemons, ingressflags, nameflags
from cli.cluster.layout import (
    EVERYWHERE,
    HOST,
    HTTP_PORT,
    LEASE_PERIOD,
    PORT,
    SERVICE_CIDR,
    TOKEN_PORT,
    Layout,
    Wishes,
)
from cli.cluster.progress import Progress
from cli.cluster.serviceflags import network
from cli.cluster.waiting import Nodes, await_nodes, await_server, usable
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, Parsed, duration, switch
from cli.kubeconfig import data_dir

SHORTEST_LEASE, LONGEST_LEASE = (
    0.2,
    40.0,
)  # seconds; the server gives a node up after 50, if not told otherwise
LEASE = duration("lease-period", "How often a node says that it lives.", "10s")
FLAGS = (
    Flag("port", f"The port of the API server on 127.0.0.1; 0: any free one. Default {PORT}.", form="number"),
    Flag("token-port", f"The port where machines join; 0: any free one. Default {TOKEN_PORT}.", form="number"),
    Flag("http-port", f"The port for kubectl; 0: any free one. Default {HTTP_PORT}.", form="number"),
    Flag("advertise-address", "This machine's address for others: then they can reach the API server, and join."),
    Flag("node-name", "The name of the node; default: this machine's name."),
    Flag("pod-cidr", "The addresses of the node's pods; default: what the cluster gives it."),
    *nameflags.FLAGS,
    Flag("service-cidr", f"The addresses of Services. Default {SERVICE_CIDR}."),
    Flag("hollow", "So many hollow nodes instead of a real one: no Docker, nothing really runs.", form="number"),
    Flag("store", "Another store than SQLite in the data directory: etcd://127.0.0.1:2379."),
    LEASE,
    *ingressflags.FLAGS,
    duration("timeout", "How long to wait until the nodes are ready.", "2m"),
    switch("wait", "Wait until the nodes are ready.", default=True),
)  # fmt: skip


def run(session: Session) -> int | None:
    if session.args:
        raise UsageError(f"up takes no arguments: {' '.join(session.args)}")
    layout = Layout(Path(data_dir(session.flags)).absolute())
    layout.make()
    with layout.locked(), Progress() as progress:
        wishes = _wishes(session, layout)
        since = clock.now().timestamp()
        started = _start(layout, wishes, progress)
        if not started and usable(layout, wishes):
            progress.say(f"The cluster is up already: {layout.root}. See helmling status.")
            return 0
        limit = session.flags.seconds("timeout")
        server = await_server(layout, progress)
        try:
            if session.flags.on("wait"):
                await_nodes(layout, wishes, progress, Nodes(server, since, limit))
        finally:
            server.close()
        _welcome(session, layout, wishes, progress)
    return 0


# What is wanted


def _wishes(session: Session, layout: Layout) -> Wishes:
    """What was asked for now, or the last time, or the defaults."""
    flags = session.flags
    kept = layout.read_wishes()
    wishes = kept or Wishes()
    if flags.given("port"):
        wishes = replace(wishes, port=port_of(flags, "port"))
        if wishes.port == 0:  # then the others, too, if nobody says otherwise
            wishes = replace(wishes, token_port=0, http_port=0)
    if flags.given("token-port"):
        wishes = replace(wishes, token_port=port_of(flags, "token-port"))
    if flags.given("http-port"):
        wishes = replace(wishes, http_port=port_of(flags, "http-port"))
    if flags.given("advertise-address"):
        wishes = replace(wishes, advertise_address=flags.text("advertise-address"))
    if flags.given("node-name"):
        wishes = replace(wishes, node_name=flags.text("node-name"))
    if flags.given("pod-cidr"):
        wishes = replace(wishes, pod_cidr=cidr(flags.text("pod-cidr")))
    wishes = nameflags.of(flags, wishes)
    if flags.given("service-cidr"):
        wishes = replace(wishes, service_cidr=str(network(flags.text("service-cidr"))))
    if flags.given("hollow"):
        wishes = replace(wishes, hollow=hollow_count(flags.number("hollow") or 0))
    if flags.given("store"):
        wishes = replace(wishes, store=flags.text("store"))
    if flags.given("lease-period"):
        wishes = replace(wishes, lease_period=lease_period(flags))
    wishes = ingressflags.with_ingress(wishes, flags)
    if not wishes.node_name:
        wishes = replace(wishes, node_name="hollow" if wishes.is_hollow else machine_name())
    changed = [key for key, value in asdict(wishes).items() if kept and asdict(kept)[key] != value]
    if changed and any(daemons.running(layout, part) for part in daemons.PARTS):
        said = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise CommandError(
            f"the cluster in {layout.root} runs with another {said}: helmling down first"
        )
    return wishes


def port_of(flags: Parsed, name: str) -> int:
    port = flags.number(name) or 0
    if not 0 <= port <= 65535:
        raise UsageError(f"--{name} must be between 0 and 65535, not {port}")
    return port


def lease_period(flags: Parsed) -> float:
    """Seconds. Raises UsageError."""
    period = flags.seconds("lease-period")
    if not SHORTEST_LEASE <= period <= LONGEST_LEASE:
        raise UsageError(
            f"--lease-period must be between {SHORTEST_LEASE:g}s and {LONGEST_LEASE:g}s, "
            f"not {flags.text('lease-period')}"
        )
    return period


def hollow_count(count: int) -> int:
    if not 0 <= count <= 5000:
        raise UsageError(f"--hollow takes a number from 0 to 5000, not {count}")
    return count


def cidr(text: str) -> str:
    import ipaddress

    try:
        network = ipaddress.IPv4Network(text)
    except ValueError as error:
        raise UsageError(f"--pod-cidr {text}: {error}") from None
    if network.prefixlen > 29:
        raise UsageError(f"--pod-cidr {text} has no room for pods: take a /24")
    return str(network)


def machine_name() -> str:
    """The machine's name as a node may be called."""
    name = re.sub(r"[^a-z0-9.-]+", "-", socket.gethostname().lower()).strip("-.")
    return name or "node"


# Starting


def _start(layout: Layout, wishes: Wishes, progress: Progress) -> bool:
    """Starts what does not run; whether anything had to be started."""
    alive = {part: daemons.running(layout, part) is not None for part in daemons.PARTS}
    if not alive["server"]:
        if alive["agent"]:  # it was told another port, perhaps
            daemons.stop(layout, "agent")
            alive["agent"] = False
        port, token_port = _free_port(wishes.port), _free_port(wishes.token_port)
        http_port = _free_port(wishes.http_port)
        wishes = replace(wishes, port=port, token_port=token_port, http_port=http_port)
        layout.write_wishes(wishes)
        daemons.start(layout, "server", _server_arguments(layout, wishes))
    if not alive["agent"]:
        kept = layout.read_wishes() or wishes
        if not wishes.is_hollow:
            _engine(layout, progress)
        daemons.start(layout, "agent", _agent_arguments(layout, kept))
    return not all(alive.values())


def _free_port(port: int) -> int:
    """The port itself if nobody has it. Raises CommandError."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"port {port} on {HOST} cannot be used: {error.strerror}. Another cluster on this machine? "
                "Choose another with --port, or --port=0 for any free one"
            ) from None
        return int(probe.getsockname()[1])


def _server_arguments(layout: Layout, wishes: Wishes) -> list[str]:
    host = EVERYWHERE if wishes.advertise_address else HOST
    return [
        f"--data-dir={layout.root}",
        f"--listen={host}:{wishes.port}",
        f"--token-port={wishes.token_port}",
        f"--http-port={wishes.http_port}",
        f"--service-cidr={wishes.service_cidr}",
        f"--cluster-domain={wishes.cluster_domain}",
        *_told("advertise-address", wishes.advertise_address),
        *_told("store", wishes.store),
    ]


def is_ipv4(text: str) -> bool:
    try:
        socket.inet_pton(socket.AF_INET, text)
    except OSError:
        return False
    return True


def _told(flag: str, value: str) -> list[str]:
    return [f"--{flag}={value}"] if value else []


def _agent_arguments(layout: Layout, wishes: Wishes) -> list[str]:
    return [
        f"--data-dir={layout.root}",
        f"--server={HOST}:{wishes.port}",
        f"--node-name={wishes.node_name}",
        *_told("pod-cidr", wishes.pod_cidr),
        *_told("node-ip", wishes.advertise_address if is_ipv4(wishes.advertise_address) else ""),
        f"--service-cidr={wishes.service_cidr}",
        *nameflags.arguments(wishes),
        *(
            [f"--lease-period={wishes.lease_period:g}s"]
            if wishes.lease_period != LEASE_PERIOD
            else []
        ),
        *([f"--hollow={wishes.hollow}"] if wishes.is_hollow else []),
        *ingressflags.arguments(wishes),
    ]


def _engine(layout: Layout, progress: Progress) -> None:
    from node_agent.engine import EngineError, ensure_engine

    progress.doing("looking for a Docker Engine")
    try:
        engine = ensure_engine(layout.engine)
    except EngineError as error:
        daemons.stop(layout, "server")
        raise CommandError(
            f"{error}\nWithout Docker, helmling up --hollow=3 shows a cluster of hollow nodes, "
            "where nothing really runs."
        ) from None
    whose = "started by us" if engine.ours else "found running"
    progress.done(f"Docker Engine {engine.version}, {whose}")


def _welcome(session: Session, layout: Layout, wishes: Wishes, progress: Progress) -> None:
    if wishes.is_hollow:
        progress.say(
            "These nodes are HOLLOW: pods are scheduled and reported as running, but nothing runs."
        )
    usual = str(layout.root) == data_dir_without_flags(session)
    if os.environ.get("KUBECONFIG"):
        progress.say(f"$KUBECONFIG points elsewhere: use --data-dir={layout.root}, or unset it.")
    elif not usual:
        progress.say(f"To find it:  export HELMLING_DATA_DIR={layout.root}")
    progress.say(
        "Try:  helmling get nodes;  helmling run web --image=helmling/hello:v1;  helmling get pods"
    )
    progress.say("Stop: helmling down (its state stays)")


def data_dir_without_flags(session: Session) -> str:
    from cli.kubeconfig import DATA_DIR

    return str(Path(os.environ.get("HELMLING_DATA_DIR") or DATA_DIR).absolute())


UP = Command(
    usage="up [--hollow=N] [--port=PORT] [--node-name=NAME] [--pod-cidr=CIDR] [--store=URL] [--data-dir=DIR]",
    about="Start a cluster on this machine, in the background: a control plane and one node with real containers.\n\n"
    "Starts a Docker Engine if none answers and we may. State, logs and admin.conf are in /var/lib/helmling, "
    "$HELMLING_DATA_DIR or --data-dir. A second up changes nothing; up after down brings everything back.",
    examples="""  # A cluster
  helmling up

  # Three hollow nodes, without Docker, in a folder of your own
  helmling up --hollow=3 --data-dir=$HOME/hollow""",
    run=run,
    tidies_up=True,
    flags=FLAGS,
)
