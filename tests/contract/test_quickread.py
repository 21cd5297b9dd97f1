"""The CLI's read without grpc: against the real server it gives what grpc gives, or nothing at all."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread

import pytest

from api import kinds, rpc
from cli import quickread
from proto.v1.pod_pb2 import Pod
from proto.v1.service_pb2 import GetRequest, ListRequest, ListResponse
from tests import pki
from tests.apiserver import World, pod, run_scenario

GET, LIST = "/helmling.v1.Resources/Get", "/helmling.v1.Resources/List"
PODS = rpc.target_of_kind(Pod, namespace="default")


async def ask(world: World, path: str, request: GetRequest | ListRequest) -> bytes | None:
    """From a thread, because it blocks, and the server is in this one."""
    return await asyncio.to_thread(
        quickread.ask, world.address, pki.admin(), path, request.SerializeToString()
    )


def test_a_list_of_many_frames_is_whole() -> None:
    async def scenario(world: World) -> None:
        for number in range(40):
            large = pod(f"pod-{number:02}")
            large.metadata.annotations["filler"] = "x" * 10_000
            await world.client.create(large)
        reply = await ask(world, LIST, ListRequest(target=PODS))
        assert reply is not None
        assert len(reply) > 400_000
        found = rpc.unpack_all(ListResponse.FromString(reply).items, kinds.of(Pod).message)
        assert [each.metadata.name for each in found] == [f"pod-{n:02}" for n in range(40)]

    run_scenario("memory://", True, scenario)


def test_an_empty_list_is_an_answer() -> None:
    async def scenario(world: World) -> None:
        reply = await ask(world, LIST, ListRequest(target=PODS))
        assert reply is not None
        assert not ListResponse.FromString(reply).items

    run_scenario("memory://", True, scenario)


def test_errors_are_left_to_grpc() -> None:
    async def scenario(world: World) -> None:
        missing = GetRequest(target=rpc.target_of_kind(Pod, "nobody", "default"))
        assert await ask(world, GET, missing) is None
        assert await ask(world, "/helmling.v1.Resources/Nonsense", missing) is None

    run_scenario("memory://", True, scenario)


def test_a_request_that_needs_several_frames_is_left_to_grpc() -> None:
    async def scenario(world: World) -> None:
        request = ListRequest(target=PODS, labelSelector="x" * 20_000)
        assert await ask(world, LIST, request) is None

    run_scenario("memory://", True, scenario)


@contextmanager
def saying(words: bytes) -> Iterator[str]:
    """Somebody who listens, says this to whoever comes, and hangs up: its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(words)

        thread = Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


@pytest.mark.parametrize(
    "words",
    [
        b"",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + bytes(8),  # GOAWAY
        b"\x00\x00\x05\x00\x00\x00\x00\x00\x01"
        + bytes(5),  # a message, and the end without trailers
        b"\x00\x00\x05\x00\x00",  # torn in a frame's head
    ],
)
def test_a_stranger_is_no_answer(words: bytes) -> None:
    with saying(words) as address:
        assert quickread.ask(address, pki.admin(), GET, b"") is None


def test_nobody_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    assert quickread.ask(address, pki.admin(), GET, b"") is None


def test_get_pods_does_not_import_grpc(tmp_path: Path) -> None:
    code = (
        "import sys; from cli.main import execute; code = execute(sys.argv[1:]); "
        "sys.exit(code or 'grpc' in sys.modules)"
    )

    async def scenario(world: World) -> None:
        await world.client.create(pod("here"))
        conf = pki.kubeconfig(tmp_path / "conf", world.address)
        words = ("get", "pods", f"--kubeconfig={conf}")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, *words, stdout=asyncio.subprocess.PIPE
        )
        said, _ = await process.communicate()
        assert process.returncode == 0
        assert said.decode().splitlines()[1].startswith("here ")

    run_scenario("memory://", True, scenario)
