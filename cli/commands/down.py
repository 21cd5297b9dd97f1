"""`helmling down`: stops the cluster of this machine. What it knows stays, unless --wipe."""

import os
import shutil
import sys
from pathlib import Path

from cli.cluster import daemons
from cli.cluster.layout import Layout, Wishes
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import switch
from cli.kubeconfig import data_dir


def run(session: Session) -> int | None:
    flags = session.flags
    if session.args:
        raise UsageError(f"down takes no arguments: {' '.join(session.args)}")
    if flags.on("wipe") and flags.on("keep-pods"):
        raise UsageError(
            "--wipe and --keep-pods cannot be used together: without its state nobody looks after the pods"
        )
    layout = Layout(Path(data_dir(flags)).absolute())
    wishes = layout.read_wishes()
    if wishes is None:
        session.say(f"There is no cluster in {layout.root}.")
        return 0
    if flags.on("wipe") and not flags.on("yes"):
        _confirm(layout)
    layout.make()
    with layout.locked():
        _stop(session, layout, wishes)
    if flags.on("wipe"):
        shutil.rmtree(layout.root)
        session.say(f"Deleted {layout.root} with all that the cluster knew.")
    else:
        session.say(f"Its state stays in {layout.root}: helmling up brings it back.")
    return 0


def _confirm(layout: Layout) -> None:
    if not sys.stdin.isatty():
        raise CommandError(f"--wipe deletes all of {layout.root}: say so with --yes")
    sys.stdout.write(f"Delete {layout.root} with every object of the cluster? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise CommandError("nothing was done")


def _stop(session: Session, layout: Layout, wishes: Wishes) -> None:
    """The agent first, so that nobody starts again what is being removed."""
    for part in reversed(daemons.PARTS):
        if daemons.stop(layout, part):
            session.say(f"Stopped the {part}.")
    if wishes.is_hollow:
        return
    if session.flags.on("keep-pods"):
        session.say(
            "The pods' containers go on running, and nobody looks after them until the next helmling up."
        )
        return
    _stop_ingress(layout, wishes)
    _remove_containers(session, layout, wishes)
    _stop_engine(session, layout)


def _stop_ingress(layout: Layout, wishes: Wishes) -> None:
    from cli.cluster.agents import stop_ingress

    stop_ingress(layout, wishes)


def _remove_containers(session: Session, layout: Layout, wishes: Wishes) -> None:
    from cli.cluster.agents import remove_containers
    from node_agent.engine import DEFAULT_ADDRESS, EngineError, ask_version

    try:
        ask_version(os.environ.get("DOCKER_HOST") or DEFAULT_ADDRESS)
    except EngineError:
        session.say("No Docker Engine answers: its containers are stopped already.")
        return
    remove_containers(layout, wishes)
    session.say("Removed the containers and the network of this cluster's pods; no others.")


def _stop_engine(session: Session, layout: Layout) -> None:
    from node_agent.engine import EngineError, stop_engine

    try:
        if stop_engine(layout.engine):
            session.say("Stopped the Docker Engine, which helmling up had started.")
    except EngineError as error:
        raise CommandError(str(error)) from None


DOWN = Command(
    usage="down [--keep-pods] [--wipe [--yes]] [--data-dir=DIR]",
    about="Stop the cluster on this machine.\n\nStops the agent and the server, and removes the containers "
    "and the network of this "
    "cluster's pods. What the cluster knows stays on disk: the next helmling up starts the same pods "
    "again. A Docker Engine is stopped "
    "only if helmling up has started it.",
    examples="""  # Stop
  helmling down

  # Stop the cluster's programs only; the pods go on
  helmling down --keep-pods

  # Stop, and forget everything
  helmling down --wipe --yes""",
    run=run,
    tidies_up=True,
    flags=(
        switch("keep-pods", "Leave the pods' containers running."),
        switch("wipe", "Also delete the data directory: all objects are lost."),
        switch("yes", "Do not ask.", "y"),
    ),
)
