"""A machine of the lab from its first moment on: one process becomes it, and its child is the machine's PID 1.

`enter` joins the machine's control groups, before a namespace hides them, and its network, which is there already;
all other namespaces are new. Whoever makes a process namespace is not in it, but its children are: so it forks, and
ends. The child, `init`, gives the machine a name, a /run, a /proc, a /sys, and looks after two programs, the engine
and the agent, as an init system would: what ends is started again.

Only the standard library is imported: this process stays, once for each machine.
"""

import ctypes
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.lab import hierarchies

LIBC = ctypes.CDLL(None, use_errno=True)
NETWORK = 0x40000000  # CLONE_NEWNET; the others: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWPID
NEW = 0x00020000 | 0x02000000 | 0x04000000 | 0x08000000 | 0x20000000
FILES = 1 << 20  # open files that a container may ask for
AGAIN = 1.0  # seconds after which a program that ended is started again
HOSTS_OWN = (
    "/run/",
    "/var/lib/docker/",
    "/var/lib/containerd/",
)  # mounts below are the host's business


def enter(told: Path) -> None:
    """Become the machine. Does not return."""
    about = json.loads(told.read_text())
    hierarchies.join(about["cgroup"], os.getpid())
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    with open(f"/run/netns/{about['netns']}") as network:
        _system_call("setns", network.fileno(), NETWORK)
    _system_call("unshare", NEW)
    if os.fork() == 0:
        init(told.parent, about)
    os._exit(0)


def _system_call(name: str, *arguments: int) -> None:
    """Python has these from 3.12 on."""
    if getattr(LIBC, name)(*arguments) != 0:
        sys.exit(f"{name}: {os.strerror(ctypes.get_errno())}")


def init(run: Path, about: dict[str, Any]) -> None:
    """PID 1. Does not return before it is told to end."""
    disk = Path(about["disk"])
    own = os.readlink("/proc/self")  # the host's /proc is still mounted: what the host calls us
    socket.sethostname(about["name"])
    _mount_all(run, disk)
    Path("/run/daemon.json").write_text(json.dumps(about["engine"]))
    (run / "init.pid.new").write_text(own)
    (run / "init.pid.new").rename(run / "init.pid")  # from now on we count as on
    engine = Program(["dockerd", "--config-file=/run/daemon.json"], disk / "dockerd.log")
    agent = Program(about["agent"], disk / "agent.log", after=run / "join.json")
    Supervisor([engine, agent]).run()


# Mounts


def foreign(mounts: str) -> list[str]:
    """The mount points, of the text of /proc/mounts, that would be held here for ever though they are the host's. Pure.

    Innermost first: files of its network namespaces, file systems of its containers, what its agents mounted.
    """
    rows = [line.split() for line in mounts.splitlines()]
    found = [
        point
        for _, point, kind, *_ in rows
        if point.startswith(HOSTS_OWN)
        or (kind in ("nsfs", "overlay") and point != "/")
        or (kind == "tmpfs" and "/pods/" in point)
    ]
    return found[::-1]


def _mount_all(run: Path, disk: Path) -> None:
    _do("mount", "--make-rprivate", "/")
    for point in foreign(Path("/proc/mounts").read_text()):
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)
    _private_run(run, disk)
    _do("mount", "-t", "proc", "proc", "/proc")
    _do("mount", "-t", "sysfs", "sysfs", "/sys")
    _control_groups(Path("/proc/self/cgroup").read_text())


def _private_run(run: Path, disk: Path) -> None:
    """Engines keep state in /run. The machine gets its own, in which it still sees the lab's folder."""
    new = disk / "run"
    new.mkdir(exist_ok=True)
    _do("mount", "-t", "tmpfs", "-o", "mode=755", "run", str(new))
    inside = new / run.parent.relative_to("/run")
    inside.mkdir(parents=True)
    _do("mount", "--bind", str(run.parent), str(inside))
    _do("mount", "-n", "--move", str(new), "/run")
    for name in ("netns", "lock"):
        Path("/run", name).mkdir()


def _control_groups(own: str) -> None:
    """Mount them as this machine's namespace shows them. `own`: the text of /proc/self/cgroup."""
    root, rows = Path("/sys/fs/cgroup"), [line.split(":") for line in own.splitlines()]
    if all(not controllers for _, controllers, _ in rows):
        _do("mount", "-t", "cgroup2", "cgroup2", str(root))
        return _delegate(root)
    _do("mount", "-t", "tmpfs", "-o", "mode=755", "cgroup", str(root))
    for _, controllers, _ in rows:
        folder = root / (controllers.removeprefix("name=") or "unified")
        folder.mkdir()
        if not controllers:
            _do("mount", "-t", "cgroup2", "cgroup2", str(folder))
        else:
            named = f"none,{controllers}" if controllers.startswith("name=") else controllers
            _do("mount", "-t", "cgroup", "-o", named, "cgroup", str(folder))
    return None


def _delegate(root: Path) -> None:
    """Version 2: a group that gives controllers to groups inside has no processes of its own. So we step aside."""
    (root / hierarchies.ASIDE).mkdir(exist_ok=True)
    (root / hierarchies.ASIDE / "cgroup.procs").write_text("1")
    hierarchies.give_controllers(root)


def _do(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr.strip()}")


# Programs


@dataclass
class Program:
    words: list[str]
    log: Path
    after: Path | None = None  # this file must be there; it holds further words
    pid: int = 0  # 0: it does not run
    due: float = field(default_factory=time.monotonic)  # not to be started before

    @property
    def may_start(self) -> bool:
        allowed = self.after is None or self.after.exists()
        return not self.pid and allowed and time.monotonic() >= self.due

    def start(self) -> None:
        more = json.loads(self.after.read_text()) if self.after is not None else []
        log = (str(self.log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.pid = os.posix_spawnp(
            self.words[0],
            [*self.words, *more],
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, *log),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsigmask=[],
        )


class Supervisor:
    """The parent of all that has lost its own. Signals wait until they are asked for."""

    def __init__(self, programs: list[Program]) -> None:
        self._programs = programs
        self._ending = False

    def run(self) -> None:
        signals = {signal.SIGCHLD, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        while not (self._ending and not any(program.pid for program in self._programs)):
            for program in self._programs:
                if program.may_start and not self._ending:
                    program.start()
            told = signal.sigtimedwait(signals, 5.0 if self._all_run() else 0.05)
            if told is not None and told.si_signo == signal.SIGTERM:
                self._end()
            self._reap()

    def _all_run(self) -> bool:
        return all(program.pid for program in self._programs)

    def _end(self) -> None:
        self._ending = True
        for program in self._programs:
            if program.pid:
                os.kill(program.pid, signal.SIGTERM)

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while (pid := os.waitpid(-1, os.WNOHANG)[0]) != 0:
                for program in self._programs:
                    if program.pid == pid:
                        program.pid, program.due = 0, time.monotonic() + AGAIN


if __name__ == "__main__":
    enter(Path(sys.argv[1]))
