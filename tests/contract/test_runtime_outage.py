"""An engine that goes away, comes back, or hangs: played by a door in front of the real one."""

import asyncio
import os
import uuid
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from node_agent.runtime.docker import DockerRuntime, engine, http
from node_agent.runtime.interface import ALL_PODS, RuntimeUnavailable, SandboxSpec
from tests.local_images import have_local_images

pytestmark = pytest.mark.docker
ENGINE = "/var/run/docker.sock"
DEADLINE = 60.0  # seconds; generous, nothing here is a measurement


class Door:
    """A socket through which the engine is reached, or not."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.hung = False  # accept, and never answer
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []

    async def open(self) -> None:
        self._server = await asyncio.start_unix_server(self._pass, self.path)

    async def slam(self) -> None:
        """Close it, and cut off all who are inside."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()
        await self._server.wait_closed()
        os.unlink(self.path)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        if self.hung:
            return
        inner_reader, inner_writer = await asyncio.open_unix_connection(ENGINE)
        self._writers.append(inner_writer)
        await asyncio.gather(
            _pump(reader, inner_writer), _pump(inner_reader, writer), return_exceptions=True
        )
        for end in (writer, inner_writer):
            end.close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    finally:
        if sink.can_write_eof() and not sink.is_closing():
            sink.write_eof()


Scenario = Callable[[DockerRuntime, Door], Coroutine[Any, Any, None]]
Run = Callable[[Scenario], None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    have_local_images()
    cluster = f"test-{uuid.uuid4().hex[:8]}"

    async def play(scenario: Scenario) -> None:
        door = Door(str(tmp_path / "door.sock"))
        await door.open()
        runtime = DockerRuntime(
            cluster=cluster, node="n1", state=tmp_path / "state", socket=door.path
        )
        direct = DockerRuntime(cluster=cluster, node="n1", state=tmp_path / "state")
        try:
            async with asyncio.timeout(DEADLINE):
                await scenario(runtime, door)
        finally:
            await runtime.close()
            await door.slam()
            for pod in await direct.list():
                for sandbox in pod.sandboxes:
                    await direct.remove_sandbox(sandbox.id)
            await direct.close()

    return lambda scenario: asyncio.run(play(scenario))


def test_changes_come_back_with_the_engine(run: Run) -> None:
    async def scenario(runtime: DockerRuntime, door: Door) -> None:
        changes = runtime.changes()
        assert await anext(changes) == ALL_PODS
        await door.slam()
        with pytest.raises(RuntimeUnavailable):
            await runtime.list()
        await door.open()
        assert await anext(changes) == ALL_PODS, "who was away must look at everything"
        await runtime.create_sandbox(SandboxSpec("uid", "web", "default"))
        assert await anext(changes) == "uid"
        assert len(await runtime.list()) == 1
        await changes.aclose()  # type: ignore[attr-defined]

    run(scenario)


def test_an_engine_that_hangs_is_an_error_after_a_while(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CALL_TIMEOUT", 0.5)
    monkeypatch.setattr(http, "CONNECT_TIMEOUT", 0.5)

    async def scenario(runtime: DockerRuntime, door: Door) -> None:
        assert await runtime.list() == []
        await door.slam()
        door.hung = True
        await door.open()
        for call in (
            runtime.list(),
            runtime.stop_container("0123456789ab", grace=1),
            runtime.create_sandbox(SandboxSpec("uid", "web", "default")),
        ):
            with pytest.raises(RuntimeUnavailable, match="does not answer"):
                await call

    run(scenario)
