"""The program HAProxy on this node: tried, started, found again, reloaded, stopped.

It is nobody's child: when the agent ends it goes on, and the next agent finds it by its record. A reload hands the
listening sockets over from the old worker to the new one, so no connection is refused or dropped.
"""

import asyncio
import os
import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from node_agent.engine import search_path
from node_agent.network.commands import NetworkFailure, run
from node_agent.network.ingress.console import SOCKET, Console, ConsoleFailure, Worker
from node_agent.network.ingress.folder import Folder
from node_agent.processes import Process, detach, recall, remember, send

PACKAGE = "haproxy"
START = 20.0  # seconds from start or reload to the new worker's first answer
END = 5.0  # seconds for connections that are open when there is nothing left to serve
KILLED = 5.0  # seconds from SIGTERM to SIGKILL
LOG = 4 * 1024 * 1024  # bytes: a log that is larger is emptied
TICK = 0.02  # seconds between two questions whether it is there


class NotServing(Exception):
    """HAProxy cannot be started or changed; the message says why and what to do."""


class HAProxy:
    """Owner of one node's HAProxy. `folder` holds its files, `log` its words, `record` which process it is."""

    def __init__(self, folder: Folder, log: Path, record: Path) -> None:
        self.folder, self.console = folder, Console(folder.root)
        self._log, self._record = log, record

    def process(self) -> Process | None:
        """The one that we, or an agent before us, started; if it runs."""
        return recall(self._record)

    async def check(self, config: Path) -> str:
        """What HAProxy has to say against a configuration; empty: nothing. Raises NotServing: there is no HAProxy."""
        try:
            await run(program(), "-c", "-q", "-f", str(config))
        except NetworkFailure:
            pass
        else:
            return ""
        try:  # again: when it is to be quiet it does not even say what is wrong
            await run(program(), "-c", "-f", str(config))
        except NetworkFailure as error:
            return str(error)
        return ""

    async def start(self, ports: dict[str, int]) -> Process:
        """With the files that hold. Raises NotServing, also when a port is taken: {flag: port}."""
        for flag, port in ports.items():
            why = await asyncio.to_thread(taken, port)
            if why:
                raise NotServing(
                    f"port {port} of this node cannot be opened: {why}. Free it (ss -ltnp shows who has it), or give "
                    f"the agent another with {flag}. It is tried again and again"
                )
        root = str(self.folder.root)
        command = [program(), "-W", "-C", root, "-S", f"unix@{SOCKET},mode,600"]
        command += ["-f", str(self.folder.config)]
        self._trim()
        try:
            process = await asyncio.to_thread(detach, command, self._log, dict(os.environ))
        except OSError as error:
            raise NotServing(f"HAProxy did not start: {error}") from error
        remember(self._record, process)
        await self._appears(process, self.folder.used())
        return process

    async def reload(self, process: Process) -> None:
        """To the files that hold now. Raises NotServing: the worker before goes on."""
        self._trim()
        send(process, signal.SIGUSR2, 0)
        await self._appears(process, self.folder.used())

    async def serves(self, digest: str) -> bool:
        """Whether the current worker has the structure of this digest."""
        try:
            worker = await self.worker()
            return await self.console.description(worker) == f"structure-{digest}"
        except ConsoleFailure:
            return False

    async def worker(self) -> Worker:
        """That which takes new connections. Raises ConsoleFailure."""
        workers = await self.console.workers()
        if not workers or not workers[0].current:
            raise ConsoleFailure("HAProxy has no worker")
        return workers[0]

    async def stop(self) -> None:
        """Connections that are open get a moment to end."""
        process = self.process()
        if process is not None:
            await asyncio.to_thread(end, process)
        self._record.unlink(missing_ok=True)

    async def _appears(self, process: Process, digest: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(START):
                while process.alive():
                    if await self.serves(digest):
                        return
                    await asyncio.sleep(TICK)
        raise NotServing(f"HAProxy did not take its configuration: {self.words()}")

    def words(self) -> str:
        """The last things it said that matter."""
        with suppress(FileNotFoundError):
            lines = self._log.read_text(errors="replace").splitlines()[-50:]
            alerts = [line.partition(" : ")[2] for line in lines if line.startswith("[ALERT]")]
            if alerts:
                return "; ".join(alerts[-3:])
        return f"see {self._log}"

    def _trim(self) -> None:
        with suppress(FileNotFoundError):
            if self._log.stat().st_size > LOG:
                os.truncate(self._log, 0)

    def watch(self, process: Process, ended: Callable[[], None]) -> Callable[[], None]:
        """Be told when it ends, until what is returned is called. Raises ProcessLookupError: it has ended."""
        loop, descriptor = asyncio.get_running_loop(), os.pidfd_open(process.pid)
        if not process.alive():
            os.close(descriptor)
            raise ProcessLookupError(process.pid)

        def unwatch() -> None:
            loop.remove_reader(descriptor)
            os.close(descriptor)

        loop.add_reader(descriptor, ended)
        return unwatch


def program() -> str:
    """Raises NotServing."""
    found = shutil.which("haproxy", path=search_path())
    if found is None:
        raise NotServing(
            f"the program haproxy is not installed on this node: apt-get install {PACKAGE} (or: make setup)"
        )
    return found


def taken(port: int) -> str:
    """Why nobody can listen on this port; empty: one can. HAProxy itself would not always say."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
            probe.listen()
        except OSError as error:
            return os.strerror(error.errno or 0)
    return ""


def end(process: Process) -> None:
    """Blocks until it is gone; each signal is less patient than the one before."""
    for number, patience in ((signal.SIGUSR1, END), (signal.SIGTERM, KILLED)):
        if send(process, number, patience):
            return
    send(process, signal.SIGKILL, KILLED)
