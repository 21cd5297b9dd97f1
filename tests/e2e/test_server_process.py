"""The control plane as a process: it starts, says where it is, ends politely, and comes back after kill -9."""

import asyncio
import json
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.errors import Unavailable
from api.grpc_client import connect
from api.informer import Informer
from proto.v1.pod_pb2 import Pod
from tests.apiserver import pod, until
from tests.pki import admin_of

PROGRAM = """
import asyncio, sys
from pathlib import Path
from control_plane.main import Options, serve
ready = lambda address: print(address, flush=True)
options = Options(Path(sys.argv[1]), port=int(sys.argv[2]), token_port=0, ready=ready)
asyncio.run(serve(options))
"""


@asynccontextmanager
async def started(data_dir: Path, port: int = 0) -> AsyncIterator[tuple[Process, str]]:
    command = (sys.executable, "-c", PROGRAM, str(data_dir), str(port))
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode().strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_it_starts_and_ends_politely(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), started(tmp_path) as (process, address):
            conf = tmp_path / "admin.conf"
            (cluster,) = json.loads(conf.read_text())["clusters"]
            assert cluster["cluster"]["server"] == f"https://{address}"
            assert conf.stat().st_mode & 0o777 == 0o600
            async with connect(address, admin_of(tmp_path)) as client:
                await client.create(pod())
                batches = client.watch(Pod, version="")
                await anext(batches)  # the watch has begun

                async def drain() -> None:
                    async for _ in batches:
                        pass

                process.send_signal(signal.SIGTERM)
                with pytest.raises(Unavailable, match="going down"):
                    await drain()
            assert await process.wait() == 0

    asyncio.run(main())


def test_it_comes_back_after_kill_9_with_all_it_had(tmp_path: Path) -> None:
    """The cluster is the same, objects are there, and an informer goes on without listing again."""

    async def main() -> None:
        async with asyncio.timeout(60):
            async with started(tmp_path) as (process, address):
                port = int(address.rpartition(":")[2])
                async with (
                    connect(address, admin_of(tmp_path)) as client,
                    asyncio.TaskGroup() as tasks,
                ):
                    informer = Informer(client, Pod)
                    running = tasks.create_task(informer.run())
                    await client.create(pod("before"))
                    await until(lambda: "default/before" in informer.objects)
                    cluster = (await client.version()).cluster
                    process.kill()
                    await process.wait()
                    async with started(tmp_path, port) as (_, again):
                        assert again == address
                        async with connect(again, admin_of(tmp_path)) as other:
                            await other.create(pod("after"))
                        await until(lambda: "default/after" in informer.objects)
                        assert set(informer.objects) == {"default/before", "default/after"}
                        assert (await client.version()).cluster == cluster
                        running.cancel()

    asyncio.run(main())


def test_a_taken_address_ends_it_with_a_sentence(tmp_path: Path) -> None:
    async def main() -> None:
        async with asyncio.timeout(60), started(tmp_path / "a") as (_, address):
            port = int(address.rpartition(":")[2])
            async with started(tmp_path / "b", port) as (process, said):
                assert said == ""
                _, errors = await process.communicate()
                assert "is another server running there" in errors.decode()
                assert process.returncode == 1

    asyncio.run(main())
