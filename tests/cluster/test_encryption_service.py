"""The keys over the wire: who may ask, what is told, and a caller who hangs up in the middle."""

import asyncio
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest

from api import rpc
from api.errors import ApiError, BadRequest, Conflict, Forbidden
from api.tls import Identity
from control_plane.secrets import keeper as keepers
from control_plane.secrets.keeper import KeyKeeper
from control_plane.secrets.service import Encryption
from control_plane.store.memory import MemoryStore
from proto.v1 import service_pb2 as pb
from proto.v1.config_pb2 import Secret
from proto.v1.meta_pb2 import ObjectMeta
from tests import pki
from tests.apiserver import World, nothing_left, serving, until

COUNT = 200


@asynccontextmanager
async def world(path: Path, *, shared: bool = False) -> AsyncIterator[tuple[World, KeyKeeper]]:
    keeper = await KeyKeeper.open(MemoryStore(), path, shared=shared)
    async with asyncio.timeout(60):
        async with serving(keeper.store, grpc=True, services=[Encryption(keeper)]) as running:
            for number in range(COUNT):
                meta = ObjectMeta(name=f"s{number}", namespace="default")
                await running.server.client.create(Secret(metadata=meta, data={"k": b"v"}))
            yield running, keeper
        await nothing_left()


@asynccontextmanager
async def asking(address: str, who: Identity) -> AsyncIterator[Any]:
    async with grpc.aio.secure_channel(
        address, who.channel_credentials(), options=rpc.CHANNEL_OPTIONS
    ) as channel:
        yield rpc.aio_stub(channel, "Encryption")


async def refused(call: Any) -> ApiError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return rpc.error_of(caught.value)


async def read(stream: Any) -> list[str]:
    return [report.step async for report in stream]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "CATCH_UP", 0.0)


def test_a_rotation_from_afar(tmp_path: Path) -> None:
    """Every step is told, the counts move to the new key, and what is told holds no key."""

    async def main() -> None:
        async with (
            world(tmp_path / "e.yaml") as (running, keeper),
            asking(running.address, pki.admin()) as server,
        ):
            before = await server.Status(pb.EncryptionStatusRequest())
            (old,) = before.rules[0].keys
            assert (before.file, before.behind, before.plain) == (str(keeper.path), 0, 0)
            assert (old.provider, old.objects) == ("aesgcm", COUNT)
            reports = [report async for report in server.RotateKey(pb.RotateKeyRequest())]
            assert [r.step.split()[0] for r in reports if not r.total] == [
                "add",
                "write",
                "rewrite",
                "give",
            ]
            assert [(r.done, r.total) for r in reports if r.total][-1] == (COUNT, COUNT)
            after = await server.Status(pb.EncryptionStatusRequest())
            new, idle = after.rules[0].keys
            assert (new.objects, idle.objects, idle.name) == (COUNT, 0, old.name)
            for key in keeper.configuration.all_keys():
                for secret in (key.secret, b64encode(key.secret)):
                    assert secret not in after.SerializeToString()
            error = await refused(server.RemoveKey(pb.RemoveKeyRequest(name=new.name)))
            assert isinstance(error, Conflict)
            assert "is the key that writes" in error.message
            left = await server.RemoveKey(pb.RemoveKeyRequest(name=old.name))
            assert [key.name for key in left.rules[0].keys] == [new.name]

    asyncio.run(main())


def test_a_caller_who_hangs_up_ends_it_where_it_is(tmp_path: Path) -> None:
    """And the next call goes on from there."""

    async def main() -> None:
        async with (
            world(tmp_path / "e.yaml") as (running, keeper),
            asking(running.address, pki.admin()) as server,
        ):
            call = server.RotateKey(pb.RotateKeyRequest())
            while "write with" not in (await call.read()).step:
                pass
            call.cancel()
            await until(lambda: not keeper.changing)
            status = await server.Status(pb.EncryptionStatusRequest())
            steps = await read(server.RotateKey(pb.RotateKeyRequest()))
            if status.behind:
                assert status.unfinished
                assert steps[0] == "finishing the rotation that was begun"
            assert (await keeper.census()).behind == 0

    asyncio.run(main())


@pytest.mark.parametrize("groups", [[], ["system:nodes"], ["admins"]])
def test_whoever_may_not_do_everything_may_not_touch_keys(
    tmp_path: Path, groups: list[str]
) -> None:
    async def main() -> None:
        who = pki.identity("jane", groups)
        async with (
            world(tmp_path / "e.yaml") as (running, keeper),
            asking(running.address, who) as server,
        ):
            calls = (
                server.Status(pb.EncryptionStatusRequest()),
                read(server.RotateKey(pb.RotateKeyRequest())),
                read(server.Reencrypt(pb.ReencryptRequest())),
                server.RemoveKey(pb.RemoveKeyRequest(name="x")),
            )
            for call in calls:
                error = await refused(call)
                assert isinstance(error, Forbidden)
                assert 'User "jane" cannot see or change the encryption keys' in error.message
            assert len(keeper.configuration.all_keys()) == 1

    asyncio.run(main())


def test_one_of_several_servers_does_not_rotate_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with (
            world(tmp_path / "e.yaml", shared=True) as (running, keeper),
            asking(running.address, pki.admin()) as server,
        ):
            error = await refused(read(server.RotateKey(pb.RotateKeyRequest())))
            assert isinstance(error, BadRequest)
            assert "other servers may use this etcd" in error.message
            assert len(keeper.configuration.all_keys()) == 1
            assert await read(server.RotateKey(pb.RotateKeyRequest(onlyServer=True)))
            assert len(keeper.configuration.all_keys()) == 2

    asyncio.run(main())
