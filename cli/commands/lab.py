"""`helmling lab`: several machines on this one, each with its own network, engine and agent."""

from contextlib import AbstractContextManager
from pathlib import Path

from cli import subcommands
from cli.cluster import daemons
from cli.cluster.layout import Layout
from cli.cluster.progress import Progress
from cli.command import Command, Session
from cli.errors import CommandError, UsageError
from cli.flags import Flag, duration, switch
from cli.lab import images, machine, plan, profile, record, running, showing, wires
from cli.lab.plan import Lab, Machine
from cli.output.table import render

NAME = Flag("name", "Which lab, where there are several.", default=plan.DEFAULT)
TIMEOUT = duration("timeout", "How long to wait until the nodes are ready.", "2m")
SERVER = "server"  # the control plane, where a node may be named


def _lab(session: Session) -> Lab:
    running.check_host()
    return record.find(session.flags.text("name"))


def _busy(name: str) -> str:
    return f'another command is at work on the lab "{name}": wait until it has ended'


def _locked(name: str) -> AbstractContextManager[None]:
    return record.locked(record.lock_of(name), _busy(name))


def _machines(session: Session, lab: Lab) -> list[Machine]:
    """Those named; at least one."""
    if not session.args:
        known = ", ".join(each.name for each in lab.machines())
        raise UsageError(f"which node? The lab has {known}")
    return [lab.machine(word) for word in session.args]


# Up and down


def up(session: Session) -> None:
    running.check_host()
    name = plan.check_name(session.flags.text("name"))
    counts = _number(session, "nodes", plan.NODES), _number(session, "segments", plan.SEGMENTS)
    with _locked(name), Progress() as progress:
        lab = _wanted(session, name, *counts)
        running.up(lab, progress, session.flags.seconds("timeout"))
        progress.say(_welcome(lab))


def _wanted(session: Session, name: str, nodes: int, segments: int) -> Lab:
    """The lab that is there, perhaps with more nodes than it had; or a new one."""
    flags = session.flags
    known = record.read(name)
    count = nodes or (known.nodes if known else 3)
    segments = segments or (known.segments if known else 1)
    folder = Path(flags.text("data-dir") or record.default_folder(name)).absolute()
    if known is None:
        return record.begin(Lab(name, 0, str(folder), count, segments, flags.seconds("grace")))
    if flags.given("data-dir") and str(folder) != known.folder:
        raise CommandError(
            f'the lab "{name}" has its folder at {known.folder}: helmling lab down first'
        )
    if count < known.nodes or segments != known.segments:
        raise CommandError(
            f'the lab "{name}" is up with {known.nodes} nodes on {known.segments} segment(s); it can be given more '
            "nodes, but nothing else can change: helmling lab down first"
        )
    return record.grown(known, count)


def _number(session: Session, flag: str, most: int) -> int:
    """0: not given."""
    if not session.flags.given(flag):
        return 0
    number = session.flags.number(flag) or 0
    if not 1 <= number <= most:
        raise UsageError(f"--{flag} takes a number from 1 to {most}, not {number}")
    return number


def _welcome(lab: Lab) -> str:
    named = "" if lab.name == plan.DEFAULT else f" --name={lab.name}"
    return (
        f"To use it:  export KUBECONFIG=$(helmling lab kubeconfig{named})\n"
        f"Try:        helmling get nodes;  helmling lab kill n1{named};  helmling lab exec n1{named} -- docker ps\n"
        f"End:        helmling lab down{named}"
    )


def down(session: Session) -> None:
    running.check_host()
    name = plan.check_name(session.flags.text("name"))
    keep = session.flags.on("keep")
    with record.locked(record.lock_of(name)):  # whoever is at work on it may end first
        lab = record.read(name)
        if lab is not None:
            running.down(lab, keep=keep)
        record.lock_of(name).unlink(missing_ok=True)
    record.forget_place()
    if lab is None:
        session.say(f'There is no lab "{name}".')
    elif keep:
        session.say(f"The lab is gone; its disks stay in {lab.folder}.")
    else:
        session.say("The lab is gone, with all it had.")


# What may happen to machines


def kill(session: Session) -> None:
    lab = _lab(session)
    if session.args == [SERVER]:
        return _kill_server(session, lab)
    for each in _machines(session, lab):
        was_on = machine.power_off(each)
        session.say(f"{each.name}: power off." if was_on else f"{each.name} had no power.")
    return None


def _kill_server(session: Session, lab: Lab) -> None:
    stopped = daemons.stop(Layout(lab.server), "server")
    session.say("The control plane is stopped." if stopped else "The control plane did not run.")


def start(session: Session) -> None:
    lab, flags = _lab(session), session.flags
    with _locked(lab.name), Progress() as progress:
        if session.args == [SERVER]:
            running.start_server(lab)
            server = running.await_server(lab)
            progress.done(f"Control plane at {server.address}")
            return server.close()
        for each in _machines(session, lab):
            running.start(
                each, progress, new_disk=flags.on("wipe"), patience=flags.seconds("timeout")
            )
    return None


def partition(session: Session) -> None:
    for each in _powered(session):
        wires.partition(each)
        session.say(f"{each.name}: its cable is pulled out. It goes on, and reaches nobody.")


def heal(session: Session) -> None:
    lab = _lab(session)
    for each in _machines(session, lab) if session.args else lab.machines():
        if machine.first_process(each) is not None and each.name in wires.cut_off(lab):
            wires.heal(each)
            session.say(f"{each.name}: its cable is in again.")


def _powered(session: Session) -> list[Machine]:
    found = _machines(session, _lab(session))
    for each in found:
        if machine.first_process(each) is None:
            raise CommandError(f"{each.name} has no power: helmling lab start {each.name}")
    return found


# Looking, and reaching in


def status(session: Session) -> None:
    lab = _lab(session)
    for line in render(showing.rows(lab)):
        session.say(line)
    session.say(f"\nFolder: {lab.folder}")


def show(session: Session) -> None:
    found = [lab for name in record.names() if (lab := record.read(name)) is not None]
    if not found:
        session.warn("There is no lab. Make one: helmling lab up")
        return
    rows = [["LAB", "NODES", "NETWORK", "FOLDER"]]
    rows += [[lab.name, str(lab.nodes), str(lab.host.network), lab.folder] for lab in found]
    for line in render(rows):
        session.say(line)


def kubeconfig(session: Session) -> None:
    lab = record.find(session.flags.text("name"))
    session.say(str(Layout(lab.server).admin))


def run_inside(session: Session) -> None:
    words = session.flags.after_dash
    if len(session.args) != 1 or not words:
        raise UsageError("expected: helmling lab exec NODE -- COMMAND [ARGUMENT …]")
    machine.become(_lab(session).machine(session.args[0]), words)


def load(session: Session) -> None:
    if not session.args:
        raise UsageError("which image? helmling lab load IMAGE…")
    lab = _lab(session)
    on = [each for each in lab.machines() if machine.first_process(each) is not None]
    with Progress() as progress:
        running.fill(lab, on, lambda lab: images.saved(lab, session.args), progress)


ACTIONS = {
    "up": subcommands.Action(
        up,
        (
            NAME,
            Flag("nodes", "How many machines; default 3.", form="number"),
            Flag("segments", "On how many network segments, with a router between; default 1.", form="number"),
            duration("grace", "How long a node may be silent until it is given up.", f"{profile.GRACE:g}s"),
            TIMEOUT,
        ),
    ),
    "status": subcommands.Action(status, (NAME,)),
    "list": subcommands.Action(show, ()),
    "kubeconfig": subcommands.Action(kubeconfig, (NAME,)),
    "kill": subcommands.Action(kill, (NAME,)),
    "start": subcommands.Action(
        start, (NAME, TIMEOUT, switch("wipe", "With an empty disk: another machine of the same name."))
    ),
    "partition": subcommands.Action(partition, (NAME,)),
    "heal": subcommands.Action(heal, (NAME,)),
    "exec": subcommands.Action(run_inside, (NAME,)),
    "load": subcommands.Action(load, (NAME,)),
    "down": subcommands.Action(down, (NAME, switch("keep", "Keep the disks, and what the cluster knows."))),
}  # fmt: skip
LAB = Command(
    usage="lab (up [--nodes=3] [--segments=1] [--grace=3s] [--data-dir=DIR] | status | list | kubeconfig | "
    "kill NODE… | start NODE… [--wipe] | partition NODE… | heal [NODE…] | exec NODE -- COMMAND | load IMAGE… | "
    "down [--keep]) [--name=LAB]",
    about="A cluster of several machines on this one, to see what becomes of it when machines fail.\n\n"
    "Each node has a network, mounts, processes, control groups, a Docker Engine, an agent and a disk of its own. "
    "`kill` pulls the plug, `partition` the network cable; `kill server` and `start server` mean the control plane. "
    "Needs root and Docker Engine's programs; no packet of the lab leaves this machine.",
    examples="""  # Three nodes
  helmling lab up --nodes=3
  export KUBECONFIG=$(helmling lab kubeconfig)
  helmling get nodes

  # What becomes of its pods?
  helmling lab kill n2
  helmling get pods -o wide --watch

  # And back
  helmling lab start n2

  # In a machine
  helmling lab exec n1 -- ip route

  # Two nodes behind a router
  helmling lab up --name=far --nodes=2 --segments=2""",
    run=lambda session: subcommands.run(session, "lab", ACTIONS),
    flags=subcommands.all_flags(ACTIONS),
    actions=tuple(ACTIONS),
    tidies_up=True,
)
