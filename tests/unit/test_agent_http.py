"""The HTTP and gRPC askers of probes, against real servers on loopback."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import grpc.aio
import pytest

from node_agent.probes import health, http
from node_agent.probes.result import Result


@asynccontextmanager
async def answering(*answers: str) -> AsyncIterator[tuple[int, list[str]]]:
    """A server that gives these answers, one after the other; the port, and what it was asked."""
    asked: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).decode())
        answer = answers[min(len(asked), len(answers)) - 1]
        writer.write(answer.replace("\n", "\r\n").encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def ask(*answers: str, path: str = "/") -> tuple[Result, list[str]]:
    async def scenario() -> tuple[Result, list[str]]:
        async with answering(*answers) as (port, asked):
            headers = {"x-probe": "yes", "host": "me"}
            url = f"http://127.0.0.1:{port}{path}"
            return await http.get(url, headers, timeout=20), asked

    return asyncio.run(scenario())


@pytest.mark.parametrize(
    ("status", "ok"), [(200, True), (204, True), (399, True), (400, False), (500, False)]
)
def test_success_is_200_to_399(status: int, ok: bool) -> None:
    """S#41."""
    result, _ = ask(f"HTTP/1.1 {status} X\n\nbody")
    assert result.ok is ok
    if not ok:
        assert result.message == f"HTTP probe failed with statuscode: {status}"


def test_what_is_sent() -> None:
    """Path, user agent, own headers, Host replaced."""
    _, asked = ask("HTTP/1.1 200 OK\n\n", path="/a?b=c")
    lines = asked[0].split("\r\n")
    assert lines[0] == "GET /a?b=c HTTP/1.1"
    assert {"Host: me", "X-Probe: yes", "User-Agent: kube-probe/1.36"} <= set(lines)


def test_redirects_are_followed_to_the_same_host_only() -> None:
    """A redirect elsewhere is an answer."""
    result, asked = ask("HTTP/1.1 302 F\nLocation: /b\n\n", "HTTP/1.1 500 X\n\n")
    assert result.ok is False
    assert asked[1].startswith("GET /b ")
    result, asked = ask("HTTP/1.1 302 F\nLocation: http://elsewhere.invalid/\n\n")
    assert result.ok is True
    assert len(asked) == 1


def test_nobody_there_and_no_http() -> None:
    """Failures in words."""

    async def refused() -> Result:
        async with answering("") as (port, _):
            pass
        return await http.get(f"http://127.0.0.1:{port}/", {}, timeout=20)

    assert "connection refused" in asyncio.run(refused()).message
    assert "does not speak HTTP" in ask("SSH-2.0\n")[0].message


@pytest.mark.parametrize(("answer", "ok"), [(b"\x08\x01", True), (b"\x08\x02", False)])
def test_grpc_health(answer: bytes, ok: bool) -> None:
    """SERVING is success; the service's name is passed on."""
    heard: list[bytes] = []

    async def check(request: bytes, context: object) -> bytes:
        heard.append(request)
        return answer

    async def scenario() -> Result:
        handler = grpc.unary_unary_rpc_method_handler(check)
        service = grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((service,))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            return await health.check(f"127.0.0.1:{port}", "db", timeout=20)
        finally:
            await server.stop(None)

    assert asyncio.run(scenario()).ok is ok
    assert heard == [b"\x0a\x02db"]
