"""Processes that outlive the one that started them: start, recognise, stop.

A PID alone names nothing, because it is used again. A process is its PID together with the moment it was born.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process and not merely a number: PIDs are used again."""

    pid: int
    born: int  # clock ticks since boot
    boot: str  # the kernel's name for this run of it

    @classmethod
    def of(cls, pid: int) -> "Process | None":
        """None if there is none, or only its remains."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text()
        except OSError:
            return None
        # "1234 (a name) S 1 ...": the name may hold anything, so count from its closing bracket.
        fields = stat[stat.rindex(")") + 2 :].split()
        if fields[0] in "ZX":
            return None
        return cls(pid, int(fields[19]), this_boot())

    def alive(self) -> bool:
        return Process.of(self.pid) == self


def this_boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


# A process between us and the engine, which ends at once: so the command is nobody's child, nobody needs to
# wait for it, and Popen closes all files that we happen to hold (an inherited lock would never be released).
# As the parent it can tell when the command was born, even if that has ended by now.
LAUNCHER = """
import subprocess, sys
with open(sys.argv[1], "ab") as log:
    daemon = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                              start_new_session=True, cwd="/")
with open(f"/proc/{daemon.pid}/stat") as stat:
    print(daemon.pid, stat.read().rpartition(")")[2].split()[19])
"""


def detach(command: Sequence[str], log: Path, environment: Mapping[str, str]) -> Process:
    """Start a command that nobody waits for, its output in `log`. It may have ended already. Raises OSError."""
    launched = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, log, *command],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if launched.returncode != 0:
        raise OSError(f"{command[0]} did not start. {launched.stderr}".strip())
    pid, born = map(int, launched.stdout.split())
    return Process(pid, born, this_boot())


def remember(record: Path, process: Process) -> None:
    """Note which process it is, for whoever comes after us."""
    record.write_text(json.dumps(asdict(process)) + "\n")


def recall(record: Path) -> Process | None:
    """The process that was noted there, if it still runs."""
    try:
        process = Process(**json.loads(record.read_text()))
    except (FileNotFoundError, ValueError, TypeError):  # torn by a crash in the middle of a write
        return None
    return process if process.alive() else None


def terminate(process: Process, patience: float) -> bool:
    """SIGTERM, and wait for the end up to `patience` seconds; whether it came."""
    return send(process, signal.SIGTERM, patience)


def send(process: Process, number: signal.Signals, patience: float) -> bool:
    """A signal, and wait for the end up to `patience` seconds; whether it came."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return True
    try:
        if not process.alive():  # the descriptor holds whoever has the PID now
            return True
        signal.pidfd_send_signal(descriptor, number)
        ended, _, _ = select.select([descriptor], [], [], patience)
    finally:
        os.close(descriptor)
    return bool(ended)
