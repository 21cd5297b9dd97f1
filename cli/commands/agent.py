"""`helmling agent`: a node in the foreground, until Ctrl-C; or a herd of hollow ones."""

import asyncio
import logging
import signal
import sys
from pathlib import Path

from cli.cluster.layout import POD_CIDR, Layout, Wishes
from cli.command import Command, Session
from cli.commands.server import LOG_LEVEL, log_level
from cli.commands.up import cidr, hollow_count, machine_name
from cli.errors import UsageError
from cli.flags import Flag
from cli.kubeconfig import address_of, data_dir

HOLLOW = "hollow"  # what hollow nodes are called when nobody gives them a name


def run(session: Session) -> int | None:
    flags = session.flags
    if session.args:
        raise UsageError(f"agent takes no arguments: {' '.join(session.args)}")
    level = log_level(session)
    count = hollow_count(flags.number("hollow") or 0)
    wishes = Wishes(
        node_name=flags.text("node-name") or (HOLLOW if count else machine_name()),
        pod_cidr=cidr(flags.text("pod-cidr")),
        hollow=count,
    )
    server = (
        address_of(flags.text("server"), "--server")
        if flags.given("server")
        else session.target.address
    )
    layout = Layout(Path(data_dir(flags)).absolute())
    logging.basicConfig(
        stream=sys.stderr,
        level=level.upper(),
        format="time=%(asctime)s level=%(levelname)s from=%(name)s event=%(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
    )
    asyncio.run(_hollow(server, wishes) if count else _real(layout, server, wishes))
    return 0


async def _real(layout: Layout, server: str, wishes: Wishes) -> None:
    from cli.cluster.agents import options
    from node_agent.main import serve

    await serve(options(layout, server, wishes))


async def _hollow(server: str, wishes: Wishes) -> None:
    from api.grpc_client import connect
    from cli.cluster.agents import hollow_names
    from node_agent.hollow import run_hollow

    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, enough.set)
    async with connect(server, manager="kubelet") as client, asyncio.TaskGroup() as tasks:
        names = hollow_names(wishes.node_name, wishes.hollow)
        herd = tasks.create_task(run_hollow(client, names))
        await enough.wait()
        herd.cancel()


AGENT = Command(
    usage="agent [--server=HOST:PORT] [--node-name=NAME] [--pod-cidr=CIDR] [--hollow=N] [--data-dir=DIR]",
    about="Run a node's agent in the foreground: it starts the containers of the pods that are bound to its "
    "node, and reports on "
    "them.\n\nCtrl-C or SIGTERM ends the agent; the containers go on running, and the next agent takes "
    "them up again.",
    examples="""  # The node of this machine
  helmling agent

  # 100 hollow nodes for a control plane on another port
  helmling agent --hollow=100 --server=127.0.0.1:7000""",
    run=run,
    tidies_up=True,
    flags=(
        Flag("node-name", "The name of the node; default: this machine's name; hollow nodes are NAME-1, NAME-2, …"),
        Flag("pod-cidr", "The addresses of the pods.", default=POD_CIDR),
        Flag("hollow", "Run so many hollow nodes, where nothing really runs.", form="number"),
        LOG_LEVEL,
    ),
)  # fmt: skip
