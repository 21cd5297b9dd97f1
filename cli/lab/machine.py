"""A machine's power: on, off; and a command inside."""

import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cli.errors import CommandError
from cli.lab import hierarchies, profile, wires
from cli.lab.plan import PORT, TOKEN_PORT, Machine
from node_agent.engine import search_path
from node_agent.processes import Process, detach

GONE = 60.0  # seconds: how long the kernel may take to end everything
START = 30.0  # seconds until a machine's first process is there
NAMESPACES = ("--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup")
SOURCE = Path(__file__).resolve().parent.parent.parent


def first_process(machine: Machine) -> Process | None:
    """The machine's PID 1 as the host sees it; None: its power is off."""
    try:
        process = Process(**json.loads((machine.run / "process.json").read_text()))
    except FileNotFoundError:
        return None
    return process if process.alive() else None


def power_on(machine: Machine) -> bool:
    """Whether it was off. Does not wait until its programs are ready."""
    if first_process(machine) is not None:
        return False
    _clean(machine)
    machine.run.mkdir(parents=True, exist_ok=True)
    machine.disk.mkdir(parents=True, exist_ok=True)
    wires.plug_in(machine)
    hierarchies.make(machine.cgroup)
    told = machine.run / "machine.json"
    told.write_text(json.dumps(_about(machine), indent=2) + "\n")
    log = machine.disk / "console.log"
    log.unlink(missing_ok=True)
    try:
        detach([sys.executable, "-m", "cli.lab.boot", str(told)], log, _environment())
    except OSError as error:
        raise CommandError(f"{machine.name} does not start: {error}") from None
    _await_init(machine, log)
    return True


def _about(machine: Machine) -> dict[str, object]:
    """What boot.py is told."""
    return {
        "name": machine.name,
        "netns": machine.netns,
        "cgroup": machine.cgroup,
        "disk": str(machine.disk),
        "engine": machine.engine,
        "agent": [
            *(sys.executable, "-m", "cli.main", "agent"),
            f"--data-dir={machine.disk / 'helmling'}",
            f"--node-name={machine.name}",
            f"--server={machine.lab.host.ip}:{PORT}",
            *profile.AGENT,
        ],
    }


def invite(machine: Machine, token: str) -> None:
    """Its agent may start: it knows where to join, and with what. One that has joined does not look at it."""
    join = [f"--join={machine.lab.host.ip}:{TOKEN_PORT}", f"--token={token}"]
    scratch = machine.run / "join.new"
    scratch.touch(mode=0o600)
    scratch.write_text(json.dumps(join))
    scratch.replace(machine.run / "join.json")


def _environment() -> dict[str, str]:
    """Nothing of ours gets in but where programs are."""
    return {
        "PATH": search_path(),
        "PYTHONPATH": str(SOURCE),
        "HOME": "/root",
        "PYTHONUNBUFFERED": "1",
    }


def _await_init(machine: Machine, log: Path) -> None:
    """Raises CommandError, with what it has said."""
    deadline, file = time.monotonic() + START, machine.run / "init.pid"
    while not file.exists():
        if time.monotonic() > deadline or log.stat().st_size > 0:
            words = log.read_text(errors="replace").strip()
            raise CommandError(f"{machine.name} does not start: {words or 'it says nothing'}")
        time.sleep(0.005)
    process = Process.of(int(file.read_text()))
    if process is None:
        raise CommandError(f"{machine.name} ended as soon as it had started")
    (machine.run / "process.json").write_text(json.dumps(vars(process)))


def power_off(machine: Machine) -> bool:
    """As if the plug were pulled; whether it was on. Its disk stays, all else is gone."""
    process = first_process(machine)
    if process is not None:
        _kill(machine, process)
    _clean(machine)
    return process is not None


def _kill(machine: Machine, process: Process) -> None:
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    try:
        if process.alive():
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ended, _, _ = select.select([descriptor], [], [], GONE)
    finally:
        os.close(descriptor)
    if not ended:
        raise CommandError(f"{machine.name}: its first process, {process.pid}, does not end")


def _clean(machine: Machine) -> None:
    """What a machine without power does not have."""
    wires.unplug(machine)
    hierarchies.remove(machine.cgroup)
    shutil.rmtree(machine.run, ignore_errors=True)


def wipe(machine: Machine) -> None:
    """A new disk."""
    shutil.rmtree(machine.disk, ignore_errors=True)


def inside(machine: Machine, command: Sequence[str]) -> list[str]:
    """The command line that runs this in all of the machine's namespaces. Raises CommandError."""
    process = first_process(machine)
    if process is None:
        raise CommandError(
            f"{machine.name} has no power. Switch it on: helmling lab start {machine.name}"
        )
    named = ["env", f"HOSTNAME={machine.name}"]
    return ["nsenter", f"--target={process.pid}", *NAMESPACES, "--", *named, *command]


def become(machine: Machine, command: Sequence[str]) -> None:
    """This process becomes the command, inside. Does not return. Raises CommandError."""
    words = inside(machine, command)
    hierarchies.join(machine.cgroup, os.getpid())
    sys.stdout.flush()
    os.execvpe(words[0], words, os.environ | {"PATH": search_path()})
