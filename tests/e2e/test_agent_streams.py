"""Logs, exec, attach and port-forward through the agent's own service."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from api import rpc
from api.errors import ApiError, BadRequest, NotFound
from proto.v1.pod_pb2 import Container
from proto.v1.service_pb2 import (
    ContainerTarget,
    ExecOpen,
    ExecRequest,
    LogsRequest,
    PortForwardOpen,
    PortForwardRequest,
    TerminalSize,
)
from tests.agent_node import BOX, RealNode, box, is_ready, iter_of, on_node, pod

pytestmark = [pytest.mark.docker, pytest.mark.root]
WEB = ContainerTarget(namespace="default", pod="web")


async def failure_of(call: Any) -> ApiError:
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return rpc.error_of(error)
    raise AssertionError("it did not fail")


def test_logs_in_all_their_ways(tmp_path: Path) -> None:
    """S#102: tail, limit, timestamps, since; a follow ends with the container."""

    async def scenario(node: RealNode) -> None:
        script = "for i in 1 2 3; do echo line $i; done; echo wrong >&2; cat; echo over"
        made = Container(
            name="app", image=BOX, command=["sh", "-c", script], stdin=True, stdinOnce=True
        )
        await node.create(pod(made, restartPolicy="Never"))
        await node.until(is_ready)
        while "wrong" not in await node.logs():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        assert sorted((await node.logs()).split("\n")) == [
            "",
            "line 1",
            "line 2",
            "line 3",
            "wrong",
        ]
        assert len((await node.logs(tailLines=2)).splitlines()) == 2
        assert len(await node.logs(limitBytes=5)) == 5
        stamp, _, rest = (await node.logs(timestamps=True)).splitlines()[0].partition(" ")
        assert stamp.endswith("Z")
        assert rest.startswith(("line", "wrong"))
        assert await node.logs(sinceTime="2999-01-01T00:00:00Z") == ""
        following = asyncio.create_task(node.logs(follow=True))
        async with node.streams() as stub:
            talk = [
                ExecRequest(open=ExecOpen(target=WEB, stdin=True)),
                ExecRequest(closeStdin=True),
            ]
            async for _ in stub.Attach(iter_of(*talk)):
                pass
        assert (await following).endswith("over\n")
        async with node.streams() as stub:
            error = await failure_of(stub.Logs(LogsRequest(target=WEB, previous=True)))
            assert isinstance(error, BadRequest)
            gone = ContainerTarget(namespace="default", pod="none")
            assert isinstance(await failure_of(stub.Logs(LogsRequest(target=gone))), NotFound)

    on_node(tmp_path, scenario)


def test_exec_passes_input_output_size_and_exit_code(tmp_path: Path) -> None:
    """S#103."""

    async def scenario(node: RealNode) -> None:
        await node.create(pod())
        await node.until(is_ready)
        code, said = await node.run("sh", "-c", "echo out; echo err >&2; exit 7")
        assert (code, sorted(said.split())) == (7, ["err", "out"])  # two pipes, in no order
        command = ["sh", "-c", "cat; exit 3"]
        talk = [
            ExecRequest(open=ExecOpen(target=WEB, command=command, stdin=True)),
            ExecRequest(stdin=b"hello"),
            ExecRequest(closeStdin=True),
        ]
        async with node.streams() as stub:
            answers = [answer async for answer in stub.Exec(iter_of(*talk))]
        assert b"".join(a.stdout for a in answers) == b"hello"
        assert answers[-1].exitCode == 3
        size = TerminalSize(width=77, height=33)
        opening = ExecOpen(
            target=WEB, command=["sh", "-c", "sleep 0.3; stty size"], tty=True, size=size
        )
        async with node.streams() as stub:
            call = stub.Exec(iter_of(ExecRequest(open=opening)))
            output = b"".join([answer.stdout async for answer in call])
        assert output.strip() == b"33 77"

    on_node(tmp_path, scenario)


def test_attach_talks_with_the_main_process(tmp_path: Path) -> None:
    """S#103."""

    async def scenario(node: RealNode) -> None:
        made = Container(name="app", image=BOX, command=["sh"], stdin=True, tty=True)
        await node.create(pod(made))
        await node.until(is_ready)
        heard = asyncio.Event()

        async def say() -> AsyncIterator[ExecRequest]:
            yield ExecRequest(open=ExecOpen(target=WEB, stdin=True, tty=True))
            yield ExecRequest(stdin=b"echo $((40 + 2))\n")
            await heard.wait()

        async with node.streams() as stub, asyncio.timeout(60):
            output = b""
            async for answer in stub.Attach(say()):
                output += answer.stdout
                if b"42" in output:
                    break
            heard.set()
        assert (await node.pod()).status.containerStatuses[0].restartCount == 0

    on_node(tmp_path, scenario)


def test_port_forward_reaches_what_listens_on_loopback_only(tmp_path: Path) -> None:
    """S#104."""

    async def scenario(node: RealNode) -> None:
        await node.create(pod(box("app", "httpd -f -p 127.0.0.1:8080 -h /etc")))
        await node.until(is_ready)
        opening = PortForwardRequest(
            open=PortForwardOpen(namespace="default", pod="web", port=8080)
        )
        question = PortForwardRequest(data=b"GET /hostname HTTP/1.0\r\n\r\n", closeWrite=False)
        async with node.streams() as stub, asyncio.timeout(60):
            while True:
                try:
                    answers = [a.data async for a in stub.PortForward(iter_of(opening, question))]
                except grpc.aio.AioRpcError:  # it does not listen yet
                    await asyncio.sleep(0.1)
                    continue
                break
        assert b"".join(answers).endswith(b"web\n")
        opening.open.port = 9
        async with node.streams() as stub:
            error = await failure_of(stub.PortForward(iter_of(opening)))
            assert isinstance(error, BadRequest)

    on_node(tmp_path, scenario)
