"""The Docker Engine of this machine: the one that answers, or else one that we start.

An engine that answers belongs to somebody; it is used and left alone. Only where none does, and we are root, is
`dockerd` started, and only what we started do we stop. Which process that is stands in the state folder as its
PID together with the moment it was born, because a PID alone may be somebody else's by the next look.

Nothing here needs the `docker` package: `helmling up` asks for an engine before it does anything else.
"""

import contextlib
import fcntl
import http.client
import json
import os
import re
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from node_agent import cgroups
from node_agent.processes import Process, detach, recall, remember, terminate

DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
OLDEST = (20, 10)
ANSWER = 20.0  # seconds to answer a question; systemd may have to start the engine first
START = 90.0  # seconds from exec to the first answer: the first start on a slow disk takes long
STOP = 120.0  # seconds; dockerd gives its containers time to stop
LOG_LINES = 12


class EngineError(Exception):
    """No engine can be had, or it cannot be used. The message says why and what to do."""


class NoAnswer(EngineError):
    """Nothing listens at the address."""


@dataclass(frozen=True)
class Engine:
    address: str  # as $DOCKER_HOST would have it
    version: str  # e.g. "28.2.2"
    ours: bool  # we started it, so `stop_engine` would stop it


def ensure_engine(
    state: Path, *, address: str | None = None, arguments: Sequence[str] = ()
) -> Engine:
    """The engine at `address` (or $DOCKER_HOST, or the usual socket), started if need be.

    `arguments` go to `dockerd` if we start it. Raises EngineError.
    """
    chosen = os.environ.get("DOCKER_HOST") if address is None else None
    address = address or chosen or DEFAULT_ADDRESS
    with locked(state):
        with contextlib.suppress(NoAnswer):
            return Engine(address, ask_version(address), ours=started(state) is not None)
        if chosen:
            raise EngineError(
                f"No Docker Engine answers at $DOCKER_HOST ({chosen}). Start it there, or unset "
                "the variable to use this machine's own."
            )
        return start(state, address, arguments)


def stop_engine(state: Path) -> bool:
    """Stop the engine that we started, and with it its containers; False if there is none."""
    with locked(state):
        process = started(state)
        if process is not None and not terminate(process, STOP):
            raise EngineError(
                f"dockerd (process {process.pid}) still runs {STOP:.0f} s after SIGTERM.\n"
                f"{tail(state / 'dockerd.log')}"
            )
        record(state).unlink(missing_ok=True)
        return process is not None


def ask_version(address: str) -> str:
    """The version of the engine that answers there. Raises NoAnswer, EngineError."""
    try:
        with contextlib.closing(connection(address)) as http_connection:
            http_connection.request("GET", "/version", headers={"Host": "docker"})
            about = json.loads(http_connection.getresponse().read())
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoAnswer(f"No Docker Engine answers at {address}.") from error
    except PermissionError as error:
        raise EngineError(
            f"You may not use the Docker Engine at {address}. Run this as root, or join the group "
            "`docker` (`sudo usermod -aG docker $USER`, then log in again)."
        ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise EngineError(
            f"What listens at {address} does not answer as a Docker Engine does: {error!r}"
        ) from error
    return supported(str(about.get("Version", "unknown")), address)


def supported(version: str, address: str) -> str:
    numbers = re.match(r"(\d+)\.(\d+)", version)
    if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST:
        raise EngineError(
            f"The engine at {address} says it is version {version}; Helmling needs Docker Engine "
            f"{OLDEST[0]}.{OLDEST[1]} or later."
        )
    return version


def connection(address: str) -> http.client.HTTPConnection:
    scheme, _, rest = address.partition("://")
    if scheme == "unix":
        return UnixConnection(rest)
    if scheme in ("tcp", "http"):
        return http.client.HTTPConnection(rest.rstrip("/"), timeout=ANSWER)
    raise EngineError(
        f"Helmling does not speak to an engine at {address!r}: it knows unix:// and tcp://."
    )


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("docker", timeout=ANSWER)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def start(state: Path, address: str, arguments: Sequence[str]) -> Engine:
    """Start `dockerd` and wait until it answers."""
    program = find_dockerd(address)
    try:
        cgroups.mount_if_missing()
    except OSError as error:
        raise EngineError(f"Docker needs control groups: {error}") from error
    for file, name in pid_files(arguments):
        forget_stale(file, name)
    log = state / "dockerd.log"
    if log.exists():
        log.replace(state / "dockerd.log.previous")
    environment = {**os.environ, "PATH": search_path()}  # it looks for iptables and containerd
    try:
        process = detach([program, "-H", address, *arguments], log, environment)
    except OSError as error:
        raise EngineError(f"{error}\n{tail(log)}") from error
    remember(record(state), process)
    return Engine(address, wait_until_answering(process, address, log), ours=True)


def find_dockerd(address: str) -> str:
    if os.geteuid() != 0:
        raise EngineError(
            f"No Docker Engine answers at {address}, and only root can start one: run this as "
            "root, or start Docker (`sudo systemctl start docker`)."
        )
    program = shutil.which("dockerd", path=search_path())
    if program is None:
        raise EngineError(
            f"No Docker Engine answers at {address}, and there is no `dockerd` to start. Install "
            "one: `make setup`, or on Debian and Ubuntu `apt-get install docker.io`."
        )
    return program


def search_path() -> str:
    """$PATH and the folders for root's programs: `su` without `-` leaves root with a user's PATH."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/local/sbin:/usr/sbin:/sbin"


def wait_until_answering(process: Process, address: str, log: Path) -> str:
    deadline = time.monotonic() + START
    while process.alive():
        with contextlib.suppress(NoAnswer):
            return ask_version(address)
        if time.monotonic() > deadline:
            terminate(process, STOP)
            raise EngineError(f"dockerd does not answer within {START:.0f} s.\n{tail(log)}")
        time.sleep(0.05)
    hint = "" if cgroups.usable() else "\nControl groups are not mounted at /sys/fs/cgroup."
    raise EngineError(f"dockerd ended before it answered.{hint}\n{tail(log)}")


def started(state: Path) -> Process | None:
    """The engine that we started, if it still runs."""
    return recall(record(state))


def record(state: Path) -> Path:
    return state / "dockerd.json"


def pid_files(arguments: Sequence[str]) -> list[tuple[Path, str]]:
    """Where dockerd and its containerd note their PIDs, and the programs' names."""
    given = dict(argument.split("=", 1) for argument in arguments if "=" in argument)
    folder = Path(given.get("--exec-root", "/var/run/docker"))
    own = Path(given.get("--pidfile", "/var/run/docker.pid"))
    return [(own, "dockerd"), (folder / "containerd/containerd.pid", "containerd")]


def forget_stale(file: Path, program: str) -> None:
    """Remove a PID file whose process is another program by now.

    dockerd refuses to start if any process has the PID; where /run outlives a reboot one soon does.
    """
    with contextlib.suppress(OSError, ValueError):
        pid = int(file.read_text())
        name = Path(f"/proc/{pid}/comm")
        if not name.exists() or name.read_text().strip() != program:
            file.unlink()


def tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
    except FileNotFoundError:
        return ""
    return "\n".join([f"The end of its log, {log}:", *(f"  {line}" for line in lines)])


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """One process at a time starts or stops the engine."""
    state.mkdir(parents=True, exist_ok=True)
    with (state / "dockerd.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
