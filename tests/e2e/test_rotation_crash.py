"""kill -9 at every write of a rotation: everything stays readable, and the rotation finishes when it is begun again.

A child process rotates the key and kills itself just before or just after its N-th write: to the file, to the store, to the
store's history. The parent opens what is left, reads everything, finishes the rotation, and goes on to N + 1, until a
child gets to its end alive.
"""

import asyncio
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from control_plane.secrets import keeper as keepers
from control_plane.secrets import keyfile
from control_plane.secrets.keeper import KeyKeeper
from control_plane.store.contract import Unreadable
from control_plane.store.sqlite import SQLiteStore
from tests.encryption import SECRETS

SECRET_COUNT = 5
CHILD = """
import asyncio, os, signal, sys
from pathlib import Path
from control_plane.secrets import keeper
from control_plane.store.sqlite import SQLiteStore
from control_plane.store.sqlite_writer import Checkpointer

left = int(sys.argv[2])

def point():
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

def around(owner, name):
    inner = getattr(owner, name)
    if asyncio.iscoroutinefunction(inner):
        async def call(*args, **how):
            point()
            answer = await inner(*args, **how)
            point()
            return answer
    else:
        def call(*args, **how):
            point()
            answer = inner(*args, **how)
            point()
            return answer
    setattr(owner, name, call)

async def main(folder):
    store = await SQLiteStore.open(folder / "store.db")
    keys = await keeper.KeyKeeper.open(store, folder / "encryption.yaml")
    around(SQLiteStore, "txn"); around(SQLiteStore, "compact"); around(SQLiteStore, "scrub")
    around(Path, "replace"); around(Checkpointer, "start_over"); around(os, "fsync")
    keeper.CATCH_UP = 0
    async for _ in keys.rotate():
        point()
    await store.close()

asyncio.run(main(Path(sys.argv[1])))
"""


def values(secret: str) -> dict[str, bytes]:
    return {f"{SECRETS}default/s{n}": f"{secret} {n}".encode() * 50 for n in range(SECRET_COUNT)}


async def fill(folder: Path, secret: str) -> None:
    store = await SQLiteStore.open(folder / "store.db")
    try:
        keeper = await KeyKeeper.open(store, folder / "encryption.yaml")
        for place, value in values(secret).items():
            await keeper.store.txn({}, {place: value})
    finally:
        await store.close()


async def check(folder: Path, secret: str) -> None:
    """Everything is readable; then the rotation is finished, and one key is enough."""
    store = await SQLiteStore.open(folder / "store.db")
    try:
        keeper = await KeyKeeper.open(store, folder / "encryption.yaml", given=True)
        await read_all(keeper, secret)
        async for _ in keeper.rotate():
            await read_all(keeper, secret)
        for key in keeper.configuration.all_keys()[1:]:
            await keeper.remove(key.name)
        assert len(keyfile.read(keeper.path).all_keys()) == 1
        await read_all(keeper, secret)
    finally:
        await store.close()


async def read_all(keeper: KeyKeeper, secret: str) -> None:
    listing = await keeper.store.list(SECRETS)
    assert not any(isinstance(item.value, Unreadable) for item in listing.items)
    assert {item.key: item.value for item in listing.items} == values(secret)


def test_kill_minus_nine_at_every_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepers, "CATCH_UP", 0.0)
    asyncio.run(fill(tmp_path, "swordfish"))
    point, code = 0, -signal.SIGKILL
    while code == -signal.SIGKILL:
        point += 1
        command = [sys.executable, "-c", CHILD, str(tmp_path), str(point)]
        code = subprocess.run(command, check=False, timeout=60).returncode
        asyncio.run(check(tmp_path, "swordfish"))
        assert {path.name for path in tmp_path.iterdir()} == {
            "encryption.yaml",
            "store.db",
            "store.db.lock",
        }
    assert code == 0
    assert point > 4 + 2 * SECRET_COUNT, "the points were not where they should be"
    with closing(sqlite3.connect(tmp_path / "store.db")) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
