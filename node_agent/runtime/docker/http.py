"""Conversations with the engine that last: events, logs, attach, exec, wait, pull.

Docker speaks HTTP/1.1 over a unix socket. A call that is over in milliseconds goes through the
`docker` package on a thread (engine.py). A call that may last for hours must not hold a thread,
and must end the moment its task is cancelled, so it is a socket of the event loop's own: this
small client. (The package's own socket mode reads ahead through a buffer it then forgets, and the
first bytes of a fast command's output are lost.)
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from node_agent.runtime.errors import RuntimeUnavailable

CONNECT_TIMEOUT = 30.0  # seconds until the engine's answer begins


@dataclass(frozen=True)
class Reply:
    """An answer whose head has been read; the body is still to come."""

    status: int
    headers: Mapping[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body in pieces, as the engine sends them."""
        try:
            if self.headers.get("transfer-encoding") == "chunked":
                while size := int((await self.reader.readline()).split(b";")[0] or b"0", 16):
                    yield (await self.reader.readexactly(size + 2))[:-2]
            elif "content-length" in self.headers:
                yield await self.reader.readexactly(int(self.headers["content-length"]))
            else:
                while data := await self.reader.read(65536):
                    yield data
        except (OSError, asyncio.IncompleteReadError) as error:
            raise RuntimeUnavailable("the container engine broke off in mid-answer") from error

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """The body as JSON values, one per line."""
        rest = b""
        async for piece in self.body():
            *whole, rest = (rest + piece).split(b"\n")
            for line in filter(bytes.strip, whole):
                yield json.loads(line)
        if rest.strip():
            yield json.loads(rest)

    async def error(self) -> str:
        """The engine's message in the body of a refusal."""
        text = b"".join([piece async for piece in self.body()]).decode(errors="replace")
        try:
            return str(json.loads(text)["message"])
        except (ValueError, KeyError, TypeError):
            return text or f"HTTP status {self.status}"

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):  # the other side was faster
            await self.writer.wait_closed()


async def request(
    socket: str,
    target: str,
    *,
    method: str = "GET",
    body: object = None,
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send a request and read the head of the answer. Raises RuntimeUnavailable.

    Without an upgrade header the engine is told to close afterwards: one call, one connection.
    """
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            reader, writer = await asyncio.open_unix_connection(socket)
            try:
                writer.write(_encode(method, target, body, headers or {"Connection": "close"}))
                await writer.drain()
                status, answer = await _head(reader)
            except BaseException:
                writer.close()
                raise
    except (OSError, asyncio.IncompleteReadError, TimeoutError, ValueError) as error:
        raise RuntimeUnavailable(
            f"the container engine at {socket} does not answer; is it running? ({error})"
        ) from error
    return Reply(status, answer, reader, writer)


UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}


def _encode(method: str, target: str, body: object, headers: Mapping[str, str]) -> bytes:
    payload = b"" if body is None else json.dumps(body).encode()
    lines = [f"{method} {target} HTTP/1.1", "Host: docker", f"Content-Length: {len(payload)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body is not None:
        lines.append("Content-Type: application/json")
    return "\r\n".join([*lines, "", ""]).encode() + payload


async def _head(reader: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in head[1:] if line)
    return int(head[0].split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
