"""Talking to a running HAProxy: its master knows the workers, and leads commands to each.

After a reload the workers before go on until their clients have gone.
https://docs.haproxy.org/2.6/management.html#9.4
"""

import asyncio
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from node_agent.network.ingress.slots import Place, parse

TIMEOUT = 10.0  # seconds; it answers within milliseconds
ABSENT = 1.0  # seconds for which nobody may listen
TICK = 0.02  # seconds between two attempts
LINE = 8000  # characters that a line of commands may have: half of HAProxy's buffer
SOCKET = "console"
_FINE = re.compile(r"no need to change|changed from|^\s*$")


class ConsoleFailure(Exception):
    """HAProxy does not answer, or not as it should."""


@dataclass(frozen=True)
class Worker:
    pid: int
    current: bool  # takes new connections


class Console:
    """`folder` holds the socket. Its own path may be longer than a socket's address can be, so it is held open."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def workers(self) -> list[Worker]:
        """The current one first. Raises ConsoleFailure."""
        found, current = [], True
        for line in (await self._ask("show proc")).splitlines():
            columns = line.split()
            if line.startswith("# old workers"):
                current = False
            elif len(columns) > 1 and columns[1] == "worker" and columns[0].isdigit():
                found.append(Worker(int(columns[0]), current))
        return found

    async def description(self, worker: Worker) -> str:
        """What its configuration says of itself. Raises ConsoleFailure."""
        answer = await self._ask(f"@!{worker.pid} show info")
        found = re.search(r"^description: (.*)$", answer, re.MULTILINE | re.IGNORECASE)
        return found[1].strip() if found else ""

    async def places(self, worker: Worker, backend: str = "") -> dict[str, list[Place]]:
        """Of all backends, or of one. Raises ConsoleFailure."""
        return parse(await self._ask(f"@!{worker.pid} show servers state {backend}".rstrip()))

    async def tell(self, worker: Worker, commands: Sequence[str]) -> None:
        """Raises ConsoleFailure: some may have been carried out."""
        for line in _lines([f"@!{worker.pid} {command}" for command in commands]):
            answer = await self._ask(line)
            refused = [each for each in answer.splitlines() if not _FINE.search(each)]
            if refused:
                raise ConsoleFailure(f"HAProxy refused a command: {refused[0].strip()}")

    async def _ask(self, line: str) -> str:
        try:
            async with asyncio.timeout(TIMEOUT):
                reader, writer = await self._connected()
                try:
                    writer.write(f"{line}\n".encode())
                    writer.write_eof()
                    return (await reader.read()).decode(errors="replace")
                finally:
                    writer.close()
        except (OSError, TimeoutError) as error:
            raise ConsoleFailure(f"HAProxy does not answer: {error!r}") from error

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The master executes itself anew when a worker has begun, and nobody listens for a moment. Raises OSError."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + ABSENT
        while True:
            held = os.open(self._folder, os.O_PATH | os.O_CLOEXEC)
            try:
                return await asyncio.open_unix_connection(f"/proc/self/fd/{held}/{SOCKET}")
            except OSError:
                if loop.time() > deadline:
                    raise
            finally:
                os.close(held)
            await asyncio.sleep(TICK)


def _lines(commands: Sequence[str]) -> Iterator[str]:
    """Many in one line, as long as it is short enough."""
    line = ""
    for command in commands:
        if line and len(line) + len(command) > LINE:
            yield line
            line = ""
        line = f"{line}; {command}" if line else command
    if line:
        yield line
