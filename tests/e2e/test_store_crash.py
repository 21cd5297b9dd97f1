"""kill -9 at any moment loses no acknowledged write, and leaves nothing half written.

A child process writes as fast as it can, many transactions at once, and says on a pipe which ones were
acknowledged. The parent kills it after a random number of lines, opens the file again and compares.
Compactions run all the while, so that kills hit sweeps too.
"""

import asyncio
import json
import random
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

from control_plane.store.sqlite import SQLiteStore

ROUNDS = 30
CHILD = """
import asyncio, itertools, json, os, random, sys
from pathlib import Path
from control_plane.store.sqlite import SQLiteStore

async def write(store, worker, chance):
    for i in itertools.count():
        revision = await store.revision()
        value = b"%d %d %d " % (os.getpid(), worker, i) + b"x" * chance.randrange(3000)
        names = [f"/crash/{worker}/{part}" for part in "abc"]
        new = dict.fromkeys(names, value) if i % 7 else dict.fromkeys(names)
        revision = await store.txn({}, {**new, f"/crash/{worker}/n": value})
        said = None if not i % 7 else value.decode()
        os.write(1, (json.dumps([revision, worker, said, value.decode()]) + "\\n").encode())
        if i % 20 == 19:
            await store.compact(revision - chance.randrange(50) if revision > 50 else 0)

async def main(path, seed):
    store = await SQLiteStore.open(Path(path))
    chance = random.Random(int(seed))
    await asyncio.gather(*(write(store, worker, chance) for worker in range(8)))

asyncio.run(main(*sys.argv[1:]))
"""

# For each worker: the revision, the value its three keys hold together, and the one its counter holds
Acknowledged = dict[int, tuple[int, bytes | None, bytes]]


def crash(path: Path, seed: int, lines: int) -> Acknowledged:
    """Let a child write, kill it after it has acknowledged so many writes; what it had acknowledged."""
    command = [sys.executable, "-c", CHILD, str(path), str(seed)]
    said: Acknowledged = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout
        for number, line in enumerate(child.stdout):
            note(said, line)
            if number == lines:
                child.send_signal(signal.SIGKILL)  # what is in the pipe was acknowledged too
    assert child.returncode == -signal.SIGKILL, f"the child failed (seed {seed})"
    return said


def note(said: Acknowledged, line: bytes) -> None:
    if not line.endswith(b"\n"):
        return  # cut off by the kill
    revision, worker, three, counter = json.loads(line)
    assert worker not in said or said[worker][0] < revision, "a revision went backwards"
    said[worker] = revision, three and three.encode(), counter.encode()


async def check(path: Path, said: Acknowledged, before: int) -> int:
    """The file holds what was acknowledged or something newer, whole; its revision."""
    store = await SQLiteStore.open(path)
    try:
        revision = await store.revision()
        assert revision >= max([before, *(seen[0] for seen in said.values())])
        for worker, (acknowledged, three, counter) in said.items():
            items = {item.key: item for item in (await store.list(f"/crash/{worker}/")).items}
            n = items[f"/crash/{worker}/n"]
            parts = [items.get(f"/crash/{worker}/{part}") for part in "abc"]
            held = {(part.revision, part.value) if part else None for part in parts}
            assert len(held) == 1, f"a transaction was half applied: {held}"
            (whole,) = held
            assert whole is None or whole == (n.revision, n.value)
            assert n.revision >= acknowledged, "an acknowledged write is gone"
            if n.revision == acknowledged:
                assert (whole and whole[1], n.value) == (three, counter)
        assert await store.txn({}, {"/crash/parent": b""}) == revision + 1
        return revision + 1
    finally:
        await store.close()


def test_kill_minus_nine_at_any_moment(tmp_path: Path) -> None:
    """Thirty times over one file; the seed is printed, and shown when it fails."""
    seed = random.SystemRandom().randrange(10**9)
    print(f"seed {seed}")
    path, chance, revision = tmp_path / "store.db", random.Random(seed), 0
    for round_ in range(ROUNDS):
        said = crash(path, seed + round_, chance.randrange(400))
        assert said
        revision = asyncio.run(check(path, said, revision))
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert revision > ROUNDS
