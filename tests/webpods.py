"""Pods for tests that only need their web server: each has an address of its own on the loopback device."""

import asyncio
import base64
import hashlib
import json
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from tests import addresses

PORT = 8080


@contextmanager
def pod_addresses(count: int) -> Iterator[list[str]]:
    """So many addresses of a range that is no other test's. (Slices must not hold 127.0.0.1.)"""
    prefix = addresses.pod_range().removesuffix("0/24")
    given = [f"{prefix}{number}" for number in range(1, count + 1)]
    try:
        for address in given:
            subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True)
        yield list(given)
    finally:
        for address in given:
            subprocess.run(["ip", "address", "delete", f"{address}/32", "dev", "lo"], check=False)


def _accepted(key: str) -> bytes:
    """RFC 6455, 4.2.2."""
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    return base64.b64encode(digest)


@dataclass
class WebPod:
    """Tells in JSON who answers and what was asked; at /slow after `release` is set; speaks WebSocket's upgrade."""

    name: str
    address: str
    asked: int = 0
    release: asyncio.Event = field(default_factory=asyncio.Event)
    slow: int = 0  # requests that wait for the release now
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self._one(reader, writer):
                pass
        self._writers.discard(writer)
        writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        request, *lines = head.rstrip().split("\r\n")
        method, path, _ = request.split(" ")
        headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        await reader.readexactly(int(headers.get("content-length", 0)))
        self.asked += 1
        if headers.get("upgrade") == "websocket":
            writer.write(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: %s\r\n\r\n" % _accepted(headers["sec-websocket-key"])
            )
            while some := await reader.read(100):
                writer.write(some.upper())
            return False
        if path.startswith("/hang-up"):
            return False
        if path.startswith("/slow"):
            self.slow += 1
            await self.release.wait()
            self.slow -= 1
        told = {"pod": self.name, "method": method, "path": path, "headers": headers}
        body = json.dumps(told).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        return True

    def hang_up(self) -> None:
        """As a program that got SIGTERM and does not care."""
        for writer in list(self._writers):
            writer.close()


@asynccontextmanager
async def web_pod(name: str, address: str, port: int = PORT) -> AsyncIterator[WebPod]:
    pod = WebPod(name, address)
    server = await asyncio.start_server(pod.answer, address, port)
    try:
        yield pod
    finally:
        pod.release.set()
        server.close()
        pod.hang_up()
        await server.wait_closed()
