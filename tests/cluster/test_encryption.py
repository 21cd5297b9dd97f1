"""Encryption at rest under a whole API server: rotation while everything runs, lost keys, files changed by hand."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from api.client import Delete, Selection
from api.errors import AlreadyExists, Conflict, Internal
from api.informer import Informer
from control_plane.apiserver.unreadable import ANNOTATION
from control_plane.secrets import keeper as keepers
from control_plane.secrets import keyfile
from control_plane.secrets.configuration import PLAIN, Configuration, Key
from control_plane.secrets.keeper import Busy, CannotWrite, KeyKeeper, Progress, Refused
from control_plane.secrets.plan import StillNeeded
from control_plane.secrets.service import status
from control_plane.secrets.store import EncryptedStore
from control_plane.store.contract import CannotOpen, Store
from control_plane.store.memory import MemoryStore
from control_plane.store.open import open_store
from proto.v1.config_pb2 import Secret
from proto.v1.meta_pb2 import ObjectMeta
from tests.apiserver import World, serving, until
from tests.encryption import SECRETS, configuration, key, ring

FORGET = "give up the store's history, where the old values are"
VALUE = b"correct horse battery staple"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody here is slow to follow."""
    monkeypatch.setattr(keepers, "CATCH_UP", 0.0)


def secret(name: str = "token", value: bytes = VALUE) -> Secret:
    return Secret(metadata=ObjectMeta(name=name, namespace="default"), data={"password": value})


@asynccontextmanager
async def world(inner: Store, path: Path, **how: bool) -> AsyncIterator[tuple[World, KeyKeeper]]:
    keeper = await KeyKeeper.open(inner, path, **how)
    async with asyncio.timeout(60), serving(keeper.store, grpc=False) as running:
        yield running, keeper


async def said(reports: AsyncIterator[Progress]) -> list[str]:
    return [report.said async for report in reports]


async def rotate(keeper: KeyKeeper) -> list[str]:
    return await said(keeper.rotate())


async def secrets(running: World) -> list[Secret]:
    return (await running.client.list(Secret, Selection("default"))).items


async def raw(inner: Store) -> dict[str, bytes]:
    listing = await inner.list(SECRETS)
    return {item.key.removeprefix(SECRETS): item.value for item in listing.items}


def test_it_is_on_from_the_first_write(tmp_path: Path) -> None:
    """Without a word in any configuration; and the file is its owner's alone."""

    async def main() -> None:
        inner, path = MemoryStore(), tmp_path / "encryption.yaml"
        async with world(inner, path) as (running, keeper):
            await running.client.create(secret())
            assert (await running.client.get(Secret, "token", "default")).data["password"] == VALUE
            (value,) = (await raw(inner)).values()
            name = keeper.configuration.rules[0].writer.name
            assert value.startswith(f"helmling:enc:aesgcm:v1:{name}:".encode())
            assert VALUE not in value
        assert path.stat().st_mode & 0o777 == 0o600
        assert [rule.resources for rule in keyfile.read(path).rules] == [("secrets",)]

    asyncio.run(main())


@pytest.mark.parametrize("url", ["memory://", "sqlite://{}/store.db"])
def test_rotation_while_readers_and_writers_go_on(tmp_path: Path, url: str) -> None:
    """Nobody notices: every read gives what was written, every write counts; afterwards one key is enough."""

    async def main() -> None:
        inner, path = await open_store(url.format(tmp_path)), tmp_path / "encryption.yaml"
        async with world(inner, path) as (running, keeper):
            for number in range(60):
                await running.client.create(secret(f"s{number}", b"0"))
            (first,) = (rule.writer.name for rule in keeper.configuration.rules)
            stop, rounds = asyncio.Event(), 0

            async def write(number: int) -> None:
                nonlocal rounds
                while not stop.is_set():
                    mine = await running.client.get(Secret, f"s{number}", "default")
                    count = int(mine.data["password"]) + 1
                    mine.data["password"] = b"%d" % count
                    try:
                        await running.client.update(mine)
                    except Conflict:
                        continue  # it was being rewritten
                    after = await running.client.get(Secret, f"s{number}", "default")
                    assert after.data["password"] == b"%d" % count
                    rounds += 1
                    await asyncio.sleep(0)

            async with asyncio.TaskGroup() as tasks:
                for number in range(5):
                    tasks.create_task(write(number))
                for _ in range(3):
                    await rotate(keeper)
                stop.set()
            assert rounds
            found = await keeper.census()
            (name,) = (rule.writer.name for rule in keeper.configuration.rules)
            assert found.uses == {("aesgcm", name): 60}
            assert not found.lost
            await keeper.remove(first)
            assert first not in path.read_text()
            listing = await running.client.list(Secret, Selection("default"))
            assert len(listing.items) == 60
            assert all(item.data["password"].isdigit() for item in listing.items)
        await inner.close()

    asyncio.run(main())


def test_a_rotation_that_is_cut_off_anywhere_goes_on(tmp_path: Path) -> None:
    """After each report of progress in turn, until one run gets to the end."""

    async def main() -> None:
        inner, path = MemoryStore(), tmp_path / "encryption.yaml"
        async with world(inner, path) as (running, keeper):
            for number in range(120):
                await running.client.create(secret(f"s{number}"))
            reports = len(await rotate(keeper))
            for cut in range(1, reports):
                before = keeper.configuration.rules[0].writer.name
                async with aclosing(keeper.rotate()) as steps:
                    for _ in range(cut):
                        await anext(steps)
                for number in (0, 119):
                    got = await running.client.get(Secret, f"s{number}", "default")
                    assert got.data["password"] == VALUE
                await rotate(keeper)
                found = await keeper.census()
                assert found.behind == 0
                assert keeper.configuration.rules[0].writer.name > before
                assert keyfile.read(path) == keeper.configuration

    asyncio.run(main())


def test_only_one_changes_keys_at_a_time(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(MemoryStore(), tmp_path / "e.yaml") as (_, keeper):
            async with aclosing(keeper.rotate()) as steps:
                await anext(steps)
                with pytest.raises(Busy, match="being changed already"):
                    await rotate(keeper)
                with pytest.raises(Busy):
                    await keeper.remove("x")
            assert await rotate(keeper)

    asyncio.run(main())


def test_a_file_that_cannot_be_written_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    async def main() -> None:
        async with world(MemoryStore(), tmp_path / "e.yaml") as (_, keeper):
            before = keeper.configuration
            monkeypatch.setattr(keyfile, "write", refuse)
            with pytest.raises(
                CannotWrite, match="Read-only file system; the keys are as they were"
            ):
                await rotate(keeper)
            assert keeper.configuration == before

    asyncio.run(main())


async def lose(tmp_path: Path) -> tuple[Store, Path]:
    """A store with one Secret under a key that is gone, and one that can be read."""
    inner, path = MemoryStore(), tmp_path / "encryption.yaml"
    keyfile.write(path, configuration(key("gone")))
    async with world(inner, path) as (running, _):
        await running.client.create(secret("lost"))
    keyfile.write(path, configuration(key("here")))
    async with world(inner, path) as (running, _):
        await running.client.create(secret("kept"))
    return inner, path


def test_a_lost_object_hides_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server starts and names it; lists show it; whoever means it is told; it can be deleted, and made anew."""

    async def main() -> None:
        inner, path = await lose(tmp_path)
        caplog.clear()
        async with world(inner, path) as (running, _):
            assert "unreadable_objects count=1" in caplog.text
            assert 'secrets "default/lost"' in caplog.text
            client = running.client
            listing = await client.list(Secret, Selection("default"))
            shown = {item.metadata.name: item for item in listing.items}
            assert shown["kept"].data["password"] == VALUE
            assert not shown["lost"].data
            why = shown["lost"].metadata.annotations[ANNOTATION]
            assert '"gone" (aesgcm), which is not in the server' in why
            named = Selection("default", fields="metadata.name=lost")
            with pytest.raises(Internal, match='secrets "default/lost" cannot be read'):
                await client.get(Secret, "lost", "default")
            with pytest.raises(Internal, match="cannot be read"):
                await client.list(Secret, named)
            with pytest.raises(Internal, match="cannot be read"):
                await anext(aiter(client.watch(Secret, named, version="")))
            with pytest.raises(Internal, match="cannot be read"):
                await client.update(secret("lost"))
            with pytest.raises(Internal, match="cannot be read"):
                await client.patch(Secret, "lost", "default", {"data": {}})
            with pytest.raises(AlreadyExists):
                await client.create(secret("lost"))
            with pytest.raises(Conflict, match="UID in precondition"):
                await client.delete(Secret, "lost", "default", Delete(uid="another"))
            assert b":gone:" in (await raw(inner))["default/lost"], "nobody has written over it"
            await client.delete(Secret, "lost", "default")
            await client.create(secret("lost"))
            assert (await client.get(Secret, "lost", "default")).data["password"] == VALUE

    asyncio.run(main())


def test_a_key_that_is_put_back_brings_everything_back(tmp_path: Path) -> None:
    """While the server runs: it follows its file."""

    async def main() -> None:
        inner, path = await lose(tmp_path)
        async with world(inner, path) as (running, keeper), asyncio.TaskGroup() as tasks:
            following = tasks.create_task(keeper.follow(look=0.01))
            keyfile.write(path, configuration(key("here"), key("gone")))
            await until(lambda: len(keeper.configuration.all_keys()) == 2)
            got = await running.client.get(Secret, "lost", "default")
            assert got.data["password"] == VALUE
            while any(ANNOTATION in item.metadata.annotations for item in await secrets(running)):  # noqa: ASYNC110
                await asyncio.sleep(
                    0.01
                )  # until it has been written again, which nobody tells but the list
            assert [item.data["password"] for item in await secrets(running)] == [VALUE, VALUE]
            following.cancel()

    asyncio.run(main())


def test_lost_objects_do_not_hold_up_a_rotation(tmp_path: Path) -> None:
    async def main() -> None:
        inner, path = await lose(tmp_path)
        async with world(inner, path) as (_, keeper):
            await rotate(keeper)
            await keeper.remove("here")
            (lost,) = (await keeper.census()).lost
            assert lost[0] == f"{SECRETS}default/lost"

    asyncio.run(main())


def test_a_file_that_went_wrong_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        path = tmp_path / "encryption.yaml"
        async with world(MemoryStore(), path) as (running, keeper), asyncio.TaskGroup() as tasks:
            before = keeper.configuration
            following = tasks.create_task(keeper.follow(look=0.01))
            path.write_text("resources: 7")
            await until(lambda: "encryption_configuration_refused" in caplog.text)
            assert keeper.configuration is before
            await running.client.create(secret())
            mended = configuration(key("next"), *before.rules[0].keys)
            keyfile.write(path, mended)
            await until(lambda: keeper.configuration == mended)
            following.cancel()

    asyncio.run(main())


def test_a_file_without_a_key_that_is_needed_is_not_taken(tmp_path: Path) -> None:
    """An old copy of the file, put back after a rotation: the new key is in no file any more, but the server has it."""

    async def main() -> None:
        path = tmp_path / "encryption.yaml"
        async with world(MemoryStore(), path) as (running, keeper), asyncio.TaskGroup() as tasks:
            await running.client.create(secret())
            old = path.read_text()
            await rotate(keeper)
            new, used = path.read_text(), keeper.configuration
            following = tasks.create_task(keeper.follow(look=0.01))
            path.write_text(old)
            await until(lambda: "lacks keys that 1 objects need" in keeper.refused)
            assert keeper.configuration is used
            assert await secrets(running)
            kept = tmp_path / "encryption.yaml.last"
            assert kept.read_text() == new
            assert kept.stat().st_mode & 0o077 == 0
            keyfile.write(path, used)
            await until(lambda: not keeper.refused)
            assert not (await keeper.census()).lost
            following.cancel()

    asyncio.run(main())


def test_keys_do_not_change_while_the_file_is_of_no_use(tmp_path: Path) -> None:
    """A rotation would write over what somebody has changed there, before he learns of his mistake."""

    async def main() -> None:
        path = tmp_path / "encryption.yaml"
        async with world(MemoryStore(), path) as (running, keeper):
            await running.client.create(secret())
            good = path.read_text()
            for spoil, told in (
                (lambda: path.write_text("resources: 7"), "resources: must be a list"),
                (lambda: path.chmod(0o644), "chmod 600"),
            ):
                spoil()
                broken = path.read_text()
                for change in (rotate(keeper), said(keeper.reencrypt()), keeper.remove("key")):
                    with pytest.raises(Refused, match=told):
                        await change
                assert path.read_text() == broken
                assert told in status(keeper, await keeper.census()).refused
                path.chmod(0o600)
                path.write_text(good)
            await rotate(keeper)
            assert status(keeper, await keeper.census()).refused == ""

    asyncio.run(main())


def test_switching_it_on_and_off_by_hand(tmp_path: Path) -> None:
    """identity first: `reencrypt` writes everything in the clear; a key in front again: everything is sealed."""

    async def main() -> None:
        inner, path = MemoryStore(), tmp_path / "encryption.yaml"
        keyfile.write(path, configuration(PLAIN, key()))
        async with world(inner, path) as (running, keeper):
            await running.client.create(secret())
            assert VALUE in (await raw(inner))["default/token"]
            keyfile.write(path, configuration(key(), PLAIN))
            assert await said(keeper.reencrypt()) == ["rewrite 1 object", "rewriting", FORGET]
            assert VALUE not in (await raw(inner))["default/token"]
            assert (await running.client.get(Secret, "token", "default")).data["password"] == VALUE
            with pytest.raises(StillNeeded, match="is the key that writes"):
                await keeper.remove("key1")
            keyfile.write(path, configuration(PLAIN, key()))
            assert (await said(keeper.reencrypt()))[0] == "rewrite 1 object"
            assert VALUE in (await raw(inner))["default/token"]

    asyncio.run(main())


def test_without_its_file_a_store_with_sealed_values_is_not_opened(tmp_path: Path) -> None:
    """A new key would be made, and a file that is only mislaid would not fit any more."""

    async def main() -> None:
        inner, path = await lose(tmp_path)
        path.unlink()
        with pytest.raises(CannotOpen) as caught:
            await KeyKeeper.open(inner, path)
        assert (
            f"{path} is not there, but the store has encrypted objects (2; keys: gone, here)"
            in str(caught.value)
        )
        assert "--accept-lost-secrets" in str(caught.value)
        async with world(inner, path, accept_lost=True) as (running, _):
            assert len((await running.client.list(Secret)).items) == 2
            await running.client.create(secret("new"))
        with pytest.raises(CannotOpen, match="there is no encryption configuration"):
            await KeyKeeper.open(inner, tmp_path / "given.yaml", given=True)

    asyncio.run(main())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "encryption.yaml"
    keyfile.write(path, configuration(key()))
    path.chmod(mode)
    with pytest.raises(CannotOpen, match=f"mode {mode:04o}.: chmod 600 {path}"):
        keyfile.read(path)


def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "encryption.yaml"
    keyfile.write(path, configuration(key()))
    if os.geteuid() == 0:
        os.chown(path, 12345, -1)
        with pytest.raises(CannotOpen, match="belongs to user 12345"):
            keyfile.read(path)


def test_a_file_that_is_wrong_says_where(tmp_path: Path) -> None:
    path = tmp_path / "encryption.yaml"
    keyfile.write(path, Configuration(()))
    with pytest.raises(CannotOpen, match=f"{path} is of no use:\n  resources: must be a list"):
        keyfile.read(path)


def test_two_servers_on_one_store_rotate_by_hand(tmp_path: Path) -> None:
    """Second in every file, then first in every file, then rewritten: at every step each reads what the other writes."""

    async def main() -> None:
        inner, paths = MemoryStore(), (tmp_path / "one.yaml", tmp_path / "two.yaml")
        old, new = key("old"), key("new")
        for path in paths:
            keyfile.write(path, configuration(old))
        servers = [await KeyKeeper.open(inner, path, given=True, shared=True) for path in paths]
        count = 0

        async def both_work() -> None:
            nonlocal count
            for writer in servers:
                count += 1
                await writer.store.txn({}, {f"{SECRETS}default/s{count}": b"%d" % count})
            for reader in servers:
                items = (await reader.store.list(SECRETS)).items
                assert sorted(int(item.value) for item in items) == list(range(1, count + 1))

        async def write(path: Path, *keys: Key) -> None:
            keyfile.write(path, configuration(*keys))
            reader = servers[paths.index(path)]
            await until(lambda: reader.configuration == configuration(*keys))
            await both_work()

        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            following = [tasks.create_task(server.follow(look=0.01)) for server in servers]
            await both_work()
            for keys in ((old, new), (new, old)):
                for path in paths:
                    await write(path, *keys)
            await said(servers[1].reencrypt())
            for path in paths:
                await write(path, new)
            for task in following:
                task.cancel()
        assert (await servers[0].census()).uses == {("aesgcm", "new"): count}

    asyncio.run(main())


def test_another_ring_is_in_use_only_when_no_earlier_write_is_on_its_way() -> None:
    """Or the old key could be removed, and the write land after it."""

    class Slow(MemoryStore):
        def __init__(self) -> None:
            super().__init__()
            self.go = asyncio.Event()

        async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
            await self.go.wait()
            return await super().txn(expect, write)

    async def main() -> None:
        inner = Slow()
        store = EncryptedStore(inner, ring(key("old")))
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            first = tasks.create_task(store.txn({}, {"/a": b"1"}))
            await asyncio.sleep(0)
            once = tasks.create_task(store.use(ring(key("new"), key("old"))))
            await asyncio.sleep(0)
            second = tasks.create_task(store.txn({}, {"/b": b"2"}))
            twice = tasks.create_task(store.use(ring(key("newer"), key("new"), key("old"))))
            for _ in range(10):
                await asyncio.sleep(0)
            assert not any(task.done() for task in (first, once, second, twice))
            inner.go.set()
        a, b = (await inner.list("/")).items
        assert b":old:" in a.value
        assert b":new:" in b.value
        assert [item.value for item in (await store.list("/")).items] == [b"1", b"2"]

    asyncio.run(main())


def test_an_agent_keeps_what_it_has_of_an_object_that_became_unreadable(tmp_path: Path) -> None:
    """It follows single objects: the watch fails, the content stays, and when the key comes it goes on."""

    async def main() -> None:
        inner, path = MemoryStore(), tmp_path / "encryption.yaml"
        keyfile.write(path, configuration(key("here")))
        async with world(inner, path) as (running, keeper), asyncio.TaskGroup() as tasks:
            await running.client.create(secret("token"))
            which = Selection("default", fields="metadata.name=token")
            informer: Informer[Secret] = Informer(running.client, Secret, which)
            running_tasks = [
                tasks.create_task(informer.run()),
                tasks.create_task(keeper.follow(look=0.01)),
            ]
            await informer.wait_synced()
            stranger = EncryptedStore(inner, ring(key("stranger"), prefix=SECRETS))
            changed = secret("token", b"changed").SerializeToString()
            await stranger.txn({}, {f"{SECRETS}default/token": changed})
            with pytest.raises(Internal, match='"stranger"'):
                await running.client.list(Secret, which)
            assert informer.objects["default/token"].data["password"] == VALUE
            keyfile.write(path, configuration(key("here"), key("stranger")))
            await until(lambda: informer.objects["default/token"].data["password"] == b"changed")
            for task in running_tasks:
                task.cancel()

    asyncio.run(main())
