"""`helmling agent`: a node in the foreground, until Ctrl-C; or a herd of hollow ones."""

import asyncio
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from cli.cluster import nameflags
from cli.cluster.ingressflags import FLAGS as INGRESS
from cli.cluster.ingressflags import with_ingress
from cli.cluster.layout import SERVICE_CIDR, Layout, Wishes
from cli.cluster.serviceflags import network
from cli.command import Command, Session
from cli.commands.server import LOG_LEVEL, log_level
from cli.commands.up import (
    LEASE,
    cidr,
    hollow_count,
    is_ipv4,
    lease_period,
    machine_name,
    port_of,
)
from cli.errors import CommandError, UsageError
from cli.flags import Flag
from cli.kubeconfig import address_of, data_dir

if TYPE_CHECKING:
    from node_agent.join import Invitation
    from node_agent.options import AgentOptions, Overlay

OVERLAYS = ("auto", "vxlan", "none")
HOLLOW = "hollow"  # what hollow nodes are called when nobody gives them a name


def run(session: Session) -> int | None:
    flags = session.flags
    if session.args:
        raise UsageError(f"agent takes no arguments: {' '.join(session.args)}")
    level = log_level(session)
    count = hollow_count(flags.number("hollow") or 0)
    wishes = Wishes(
        node_name=flags.text("node-name") or (HOLLOW if count else machine_name()),
        pod_cidr=cidr(flags.text("pod-cidr")) if flags.given("pod-cidr") else "",
        hollow=count,
        lease_period=lease_period(flags),
        service_cidr=str(network(flags.text("service-cidr"))),
    )
    wishes = nameflags.of(flags, with_ingress(wishes, flags))
    layout = Layout(Path(data_dir(flags)).absolute())
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="time=%(asctime)s level=%(levelname)s from=%(name)s event=%(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    server = address_of(flags.text("server"), "--server") if flags.given("server") else ""
    invitation = _invitation(session)
    if count and invitation is not None:
        raise UsageError(
            "hollow nodes do not join: they are the administrator's, so give them a kubeconfig (--kubeconfig=FILE)"
        )
    if count:
        asyncio.run(_hollow(session, server, wishes))
    else:
        asyncio.run(_real(_told(session, layout, server, wishes), layout, invitation))
    return 0


def _invitation(session: Session) -> "Invitation | None":
    from node_agent.join import Invitation

    where, token = session.flags.text("join"), session.flags.text("token")
    if bool(where) != bool(token):
        raise UsageError("--join and --token go together: helmling token create prints both")
    return Invitation(address_of(where, "--join"), token) if where else None


def _told(session: Session, layout: Layout, server: str, wishes: Wishes) -> "AgentOptions":
    from cli.cluster.agents import options

    address, overlay = session.flags.text("node-ip"), session.flags.text("overlay")
    if address and not is_ipv4(address):
        raise UsageError(f"--node-ip={address} is no IPv4 address")
    if overlay not in OVERLAYS:
        raise UsageError(f"--overlay must be one of {', '.join(OVERLAYS)}, not {overlay}")
    told = options(layout, server, wishes)
    port = port_of(session.flags, "port")
    return replace(told, node_ip=address, port=port, overlay=cast("Overlay", overlay))


async def _real(told: "AgentOptions", layout: Layout, invitation: "Invitation | None") -> None:
    from cli.cluster.membership import become_member
    from node_agent.credentials import NoIdentity
    from node_agent.main import serve

    try:
        await serve(await become_member(layout, told, invitation))
    except NoIdentity as error:
        raise CommandError(str(error)) from None


async def _hollow(session: Session, server: str, wishes: Wishes) -> None:
    from api.grpc_client import connect
    from cli.cluster.agents import hollow_names
    from cli.cluster.membership import admin_of, follow_admin
    from node_agent.hollow import run_hollow

    admin = await admin_of(session.flags)
    address = server or admin.address
    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, enough.set)
    async with (
        connect(address, admin.identity, manager="kubelet") as client,
        asyncio.TaskGroup() as tasks,
    ):
        names = hollow_names(wishes.node_name, wishes.hollow)
        herd = tasks.create_task(run_hollow(client, names, lease_period=wishes.lease_period))
        following = tasks.create_task(follow_admin(session.flags, admin, client.become))
        await enough.wait()
        herd.cancel()
        following.cancel()


AGENT = Command(
    usage="agent [--join=HOST:PORT --token=TOKEN] [--server=HOST:PORT] [--node-name=NAME] [--node-ip=ADDRESS] "
    "[--overlay=auto|vxlan|none] [--hollow=N] [--data-dir=DIR]",
    about="Run a node's agent in the foreground: it starts the containers of the pods that are bound to its "
    "node, and reports on them.\n\n"
    "The first start needs an identity: beside a control plane (in the same --data-dir) the node gets one from it; "
    "on another machine, from a join token. Ctrl-C or SIGTERM ends the agent; the containers go on running, and the "
    "next agent takes them up again.",
    examples="""  # The node of this machine, beside its control plane
  helmling agent

  # Another machine: helmling token create, over there, prints this line
  helmling agent --join=192.168.1.10:6441 --token=HL1…

  # 100 hollow nodes for a control plane on another port
  helmling agent --hollow=100 --server=127.0.0.1:7000

  # In a lab, with helmling server --node-monitor-period=1s --node-monitor-grace-period=3s
  helmling agent --lease-period=1s""",
    run=run,
    tidies_up=True,
    flags=(
        Flag("node-name", "The name of the node; default: this machine's name; hollow nodes are NAME-1, NAME-2, …"),
        Flag("join", "Where the cluster takes join tokens, for the first start on another machine than the server's."),
        Flag("node-ip", "This machine's address for others; default: the one it has towards the server."),
        Flag("port", "Where the API server finds the agent, for logs and exec; 0: any free port.", form="number",
             default="0"),
        Flag("pod-cidr", "The addresses of the node's pods; default: what the cluster gives it."),
        Flag("overlay", "How pods reach those of other nodes: auto (plainly on the same segment, else through VXLAN), "
             "vxlan (always), none (never).", default="auto"),
        Flag("service-cidr", "The addresses of Services, as the server was told.", default=SERVICE_CIDR),
        *nameflags.FLAGS,
        Flag("hollow", "Run so many hollow nodes, where nothing really runs.", form="number"),
        LEASE,
        *INGRESS,
        LOG_LEVEL,
    ),
)  # fmt: skip
