"""Exec, attach and logs: sockets of the event loop, no threads, no polling.

Without a terminal the engine multiplexes stdout and stderr on one connection, in frames with a
header of eight bytes; with a terminal there is one stream, as it comes.
"""

import asyncio
import contextlib
import os
import signal
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import datetime

from docker.api.client import APIClient

from node_agent.runtime.docker import cgroups
from node_agent.runtime.docker.engine import Conflict
from node_agent.runtime.docker.http import Reply
from node_agent.runtime.docker.part import Part
from node_agent.runtime.errors import ExecTimeout, NotFound, RuntimeFailure, RuntimeUnavailable
from node_agent.runtime.interface import Stream
from node_agent.runtime.model import Channel, ExecResult, LogLine

CAPTURE_BYTES = 64 * 1024  # of a probe's or hook's output; the rest is read and dropped
_EXIT_WAITS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
EXEC_STARTS, EXEC_LOOK = (
    50,
    0.1,
)  # how often, and how many seconds apart, a command that must end is looked for
_HEADER = struct.Struct(">BxxxL")


class Demultiplexer:
    """Bytes in, (channel, bytes) out, whatever the pieces they come in."""

    def __init__(self, *, tty: bool) -> None:
        self._tty = tty
        self._rest = b""

    def feed(self, data: bytes) -> list[tuple[Channel, bytes]]:
        """The frames that are complete now."""
        if self._tty:
            return [("stdout", data)]
        frames: list[tuple[Channel, bytes]] = []
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            number, size = _HEADER.unpack_from(self._rest)
            if len(self._rest) < _HEADER.size + size:
                break
            frame = self._rest[_HEADER.size : _HEADER.size + size]
            frames.append(("stderr" if number == 2 else "stdout", frame))
            self._rest = self._rest[_HEADER.size + size :]
        return frames


class DockerStream:
    """A hijacked connection: what we write is stdin, what we read is output."""

    def __init__(
        self,
        reply: Reply,
        *,
        tty: bool,
        resize: Callable[[int, int], Awaitable[None]],
        exit_code: Callable[[], Awaitable[int]],
    ) -> None:
        self._reply = reply
        self._tty = tty
        self._resize = resize
        self._exit_code = exit_code
        self._split = Demultiplexer(tty=tty)
        self._pending: deque[tuple[Channel, bytes]] = deque()
        self._ended = asyncio.Event()

    async def read(self) -> tuple[Channel, bytes] | None:
        while not self._pending:
            try:
                data = await self._reply.reader.read(65536)
            except OSError:
                data = b""
            if not data:
                self._ended.set()
                return None
            self._pending.extend(self._split.feed(data))
        return self._pending.popleft()

    async def write(self, data: bytes) -> None:
        self._reply.writer.write(data)
        await self._reply.writer.drain()

    async def close_stdin(self) -> None:
        if self._reply.writer.can_write_eof() and not self._reply.writer.is_closing():
            self._reply.writer.write_eof()

    async def resize(self, width: int, height: int) -> None:
        if self._tty:
            await self._resize(width, height)

    async def exit_code(self) -> int:
        await self._ended.wait()
        return await self._exit_code()

    async def close(self) -> None:
        self._ended.set()
        await self._reply.close()


class DockerStreams(Part):
    """The `Streams` part of the runtime."""

    async def exec_capture(
        self, container_id: str, command: Sequence[str], *, timeout: float
    ) -> ExecResult:
        exec_id = await self._create_exec(container_id, command, tty=False, stdin=False)
        try:
            async with asyncio.timeout(timeout):
                stream = await self._start_exec(container_id, exec_id, tty=False)
                try:
                    output = await _capture(stream)
                finally:
                    await stream.close()
                return ExecResult(await stream.exit_code(), output)
        except TimeoutError as error:
            await self._kill_exec(container_id, exec_id)
            words = " ".join(command)
            raise ExecTimeout(f'"{words}" did not end within {timeout:g} s') from error

    async def exec_stream(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Stream:
        exec_id = await self._create_exec(container_id, command, tty=tty, stdin=stdin)
        return await self._start_exec(container_id, exec_id, tty=tty)

    async def attach(self, container_id: str) -> Stream:
        seen = await self._engine.call(lambda client: client.inspect_container(container_id))
        if not seen["State"]["Running"]:
            raise NotFound(f"container {container_id[:12]} is not running")
        query = {"stream": "1", "stdout": "1", "stderr": "1"}
        if seen["Config"]["OpenStdin"]:
            query["stdin"] = "1"
        reply = await self._engine.converse(f"/containers/{container_id}/attach", query=query)

        async def resize(width: int, height: int) -> None:
            await self._quietly(lambda client: client.resize(container_id, height, width))

        async def exit_code() -> int:
            async with self._engine.open(f"/containers/{container_id}/wait", method="POST") as end:
                return int((await anext(end.lines()))["StatusCode"])

        return DockerStream(reply, tty=seen["Config"]["Tty"], resize=resize, exit_code=exit_code)

    async def logs(
        self,
        container_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[LogLine]:
        seen = await self._engine.call(lambda client: client.inspect_container(container_id))
        query = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": str(int(follow))}
        query["tail"] = "all" if tail is None else str(tail)
        query["since"] = "0" if since is None else f"{since.timestamp():.6f}"
        left = limit_bytes
        path = f"/containers/{container_id}/logs"
        async with self._engine.open(path, query=query) as reply:
            async for channel, entry in _entries(reply, tty=seen["Config"]["Tty"]):
                if left is not None and left <= 0:
                    return
                time, _, text = entry.partition(b" ")
                line = text if left is None else text[:left]
                left = None if left is None else left - len(line)
                yield LogLine(channel, time.decode(), line)

    async def _create_exec(
        self, container_id: str, command: Sequence[str], *, tty: bool, stdin: bool
    ) -> str:
        def create(client: APIClient) -> str:
            made = client.exec_create(container_id, list(command), stdin=stdin, tty=tty)
            return str(made["Id"])

        try:
            return await self._engine.call(create)
        except Conflict as error:
            raise NotFound(f"container {container_id[:12]} is not running") from error

    async def _start_exec(self, container_id: str, exec_id: str, *, tty: bool) -> DockerStream:
        try:
            reply = await self._engine.converse(
                f"/exec/{exec_id}/start", body={"Detach": False, "Tty": tty}
            )
        except Conflict as error:
            raise NotFound(f"container {container_id[:12]} is not running") from error

        async def resize(width: int, height: int) -> None:
            await self._resize_exec(exec_id, width, height)

        async def exit_code() -> int:
            return await self._exec_exit_code(exec_id)

        return DockerStream(reply, tty=tty, resize=resize, exit_code=exit_code)

    async def _resize_exec(self, exec_id: str, width: int, height: int) -> None:
        """The engine answers our start a moment before the process is there to be resized."""
        for wait in _EXIT_WAITS:
            await asyncio.sleep(wait)
            try:
                return await self._engine.call(
                    lambda client: client.exec_resize(exec_id, height, width)
                )
            except RuntimeUnavailable:
                raise
            except RuntimeFailure:
                if not await self._exec_pending(exec_id):
                    return None
        return None

    async def _exec_pending(self, exec_id: str) -> bool:
        """Whether the command has not ended: it runs, or has yet to begin."""
        seen = await self._engine.call(lambda client: client.exec_inspect(exec_id))
        return seen["Running"] or seen["ExitCode"] is None

    async def _exec_exit_code(self, exec_id: str) -> int:
        """Output ends a moment before the engine has noted the exit code."""
        for wait in _EXIT_WAITS:
            await asyncio.sleep(wait)
            seen = await self._engine.call(lambda client: client.exec_inspect(exec_id))
            if not seen["Running"] and seen["ExitCode"] is not None:
                return int(seen["ExitCode"])
        raise RuntimeUnavailable("the engine does not tell how the command ended")

    async def _kill_exec(self, container_id: str, exec_id: str) -> None:
        """The engine has no verb for it. Its pid is ours to signal: one kernel, one agent.

        It may be on its way still, without a pid or outside of the container; one that does not get there never began.
        """

        def ended(client: APIClient) -> bool:
            seen = client.exec_inspect(exec_id)
            if (
                seen["ExitCode"] is None
                and seen["Pid"]
                and cgroups.belongs(seen["Pid"], container_id)
            ):
                os.kill(seen["Pid"], signal.SIGKILL)
                return True
            return seen["ExitCode"] is not None

        with contextlib.suppress(NotFound, ProcessLookupError):  # ended by itself after all
            for _ in range(EXEC_STARTS):
                if await self._engine.call(ended):
                    return
                await asyncio.sleep(EXEC_LOOK)

    async def _quietly(self, do: Callable[[APIClient], None]) -> None:
        """A call that is without an object, not wrong, once the container has ended."""
        try:
            await self._engine.call(do)
        except RuntimeUnavailable:
            raise
        except RuntimeFailure:
            pass


async def _capture(stream: DockerStream) -> bytes:
    output = bytearray()
    while (piece := await stream.read()) is not None:
        output += piece[1][: CAPTURE_BYTES - len(output)]
    return bytes(output)


async def _entries(reply: Reply, *, tty: bool) -> AsyncIterator[tuple[Channel, bytes]]:
    """Log entries `time text`: a frame each, or with a terminal a line each."""
    split, rest = Demultiplexer(tty=tty), b""
    async for piece in reply.body():
        for channel, data in split.feed(piece):
            if not tty:
                yield channel, data
                continue
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield channel, line + b"\n"
    if rest:
        yield "stdout", rest
