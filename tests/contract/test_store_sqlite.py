"""What the SQLite store promises beyond the contract: about its file, its threads, and a full disk."""

import asyncio
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from control_plane.store import sqlite as sqlite_store
from control_plane.store import sqlite_log, sqlite_writer
from control_plane.store.contract import Batch, CannotOpen, Change, StoreUnavailable
from control_plane.store.open import open_store
from control_plane.store.sqlite import SQLiteStore
from control_plane.store.sqlite_file import APPLICATION, SCHEMA_VERSION


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


async def fill(path: Path, writes: int) -> int:
    store = await SQLiteStore.open(path)
    for i in range(writes):
        await store.txn({}, {f"/k/{i % 10}": b"%d" % i})
    await store.close()
    return writes


def rows(path: Path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM log").fetchone()[0])


async def later(store: SQLiteStore, after: int) -> list[Batch]:
    """The batches of what has happened since a revision."""
    batches: list[Batch] = []
    async with aclosing(store.watch("/", after=after)) as watch:
        while not batches or batches[-1][-1].revision < await store.revision():
            batches.append(await anext(watch))
    return batches


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 (the store's threads tell nobody)
            await asyncio.sleep(0.02)


async def until_rows(path: Path, count: int) -> None:
    await until(lambda: rows(path) <= count)


# opening


def test_everything_is_there_after_opening_again(path: Path) -> None:
    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        first = await store.txn({}, {"/a": b"1", "/b": b"1"})
        last = await store.txn({}, {"/a": b"2", "/b": None})
        await store.close()
        store = await SQLiteStore.open(path)
        assert await store.revision() == last
        assert [(i.key, i.value) for i in (await store.list("/")).items] == [("/a", b"2")]
        past = await store.list("/", revision=first)
        assert [(i.key, i.value) for i in past.items] == [("/a", b"1"), ("/b", b"1")]
        async with aclosing(store.watch("/", after=first)) as watch:
            assert await anext(watch) == [Change("/a", b"2", last), Change("/b", None, last)]
        await store.close()

    asyncio.run(scenario())


def test_the_revision_outlives_a_swept_deletion(path: Path) -> None:
    """The newest row was a tombstone that compaction took away: its revision is not given twice."""

    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        await store.txn({}, {"/a": b""})
        last = await store.txn({}, {"/a": None})
        await store.compact(last)
        await until_rows(path, 0)
        await store.close()
        store = await SQLiteStore.open(path)
        assert await store.revision() == last
        assert await store.txn({}, {"/a": b""}) == last + 1
        await store.close()

    asyncio.run(scenario())


def test_two_stores_never_share_a_file(path: Path) -> None:
    """In one process or in two; the second names the first's process id."""

    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        with pytest.raises(CannotOpen, match=f"in use by process {os.getpid()}"):
            await SQLiteStore.open(path)
        code = "import asyncio, sys; from control_plane.store.open import open_store"
        code += "; asyncio.run(open_store(sys.argv[1]))"
        other = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", code, f"sqlite://{path}"],
            capture_output=True,
            text=True,
        )
        assert other.returncode != 0
        assert f"in use by process {os.getpid()}" in other.stderr
        await store.close()
        await (await SQLiteStore.open(path)).close()

    asyncio.run(scenario())


def refusal(path: Path) -> str:
    with pytest.raises(CannotOpen) as refused:
        asyncio.run(open_store(f"sqlite://{path}"))
    return str(refused.value)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert f"cannot write in {tmp_path}/nowhere" in refusal(tmp_path / "nowhere" / "store.db")


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert f"cannot write in {tmp_path}/file" in refusal(tmp_path / "file" / "store.db")


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_text("my shopping list, " * 100)
    assert "not a database" in refusal(path)
    assert path.read_text().startswith("my shopping list")


def test_another_programs_database_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url)")
    assert "some other program" in refusal(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    asyncio.run(fill(path, 1))
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert "newer Helmling" in refusal(path)


def test_a_damaged_file_is_refused(path: Path) -> None:
    """A page of the log overwritten, as a failing disk would."""
    asyncio.run(fill(path, 500))
    with open(path, "r+b") as file:
        file.seek(4096 * 4)
        file.write(os.urandom(4096 * 4))
    assert "damaged" in refusal(path)


def test_a_crash_while_the_file_was_made_is_healed(path: Path) -> None:
    """The file exists, in WAL mode, without a table."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert asyncio.run(fill(path, 3)) == 3
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION,)


def test_only_the_owner_may_read_the_file(path: Path) -> None:
    """It will hold Secrets."""
    asyncio.run(fill(path, 1))
    assert path.stat().st_mode & 0o077 == 0


# history


def test_watchers_behind_memory_read_the_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However far behind, and also while the history in memory moves on."""
    monkeypatch.setattr(sqlite_store, "KEEP_TRANSACTIONS", 10)
    monkeypatch.setattr(sqlite_log, "BATCH", 201)  # ends within a transaction

    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        seen: Batch = []
        for i in range(300):
            await store.txn({}, {f"/w/{k}": b"%d" % i for k in range(3)} | {"/x": b""})
        async with aclosing(store.watch("/w/", after=0)) as watch:
            while len(seen) < 1200:
                seen += await anext(watch)
                if len(seen) <= 900:
                    await store.txn({}, {"/w/0": b"more"})
                if len(seen) >= 900:
                    await store.txn({}, {f"/w/{k}": b"" for k in range(3)})
        revisions = [change.revision for change in seen]
        assert revisions == sorted(revisions)
        assert [c.value for c in seen[:900]] == [b"%d" % (n // 3) for n in range(900)]
        assert len({(change.key, change.revision) for change in seen}) == len(seen)
        await store.close()

    asyncio.run(scenario())


def test_a_sweep_goes_on_after_a_restart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mark was set and the process ended before the rows were gone."""

    async def scenario() -> None:
        with monkeypatch.context() as never:
            never.setattr(sqlite_log, "sweep", lambda db: False)
            store = await SQLiteStore.open(path)
            for i in range(200):
                await store.txn({}, {f"/k/{i % 10}": b"%d" % i})
            await store.compact(195)
            await store.close()
        assert rows(path) == 200
        store = await SQLiteStore.open(path)
        await until_rows(path, 15)
        assert len((await store.list("/", revision=195)).items) == 10
        assert rows(path) == 15  # the ten that were live at 195, and the five since
        await store.close()

    asyncio.run(scenario())


def test_a_sweep_is_done_in_small_steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each step looks at a bounded number of rows, and together they leave just what is readable."""
    monkeypatch.setattr(sqlite_log, "CHUNK", 7)

    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        for i in range(300):
            await store.txn({}, {f"/k/{i * i % 11}": b"%d" % i if i % 3 else None, "/n": b""})
        present = await store.list("/")
        then = await store.list("/", revision=290)
        await store.compact(290)
        kept = len(then.items) + sum(len(batch) for batch in await later(store, 290))
        await until_rows(path, kept)
        assert await store.list("/", revision=290) == then
        assert await store.list("/") == present
        await store.close()
        store = await SQLiteStore.open(path)
        assert await store.list("/") == present
        await store.close()

    asyncio.run(scenario())


# size


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.parent.glob("store.db*"))


def test_the_file_stays_bounded_under_a_long_load(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fifty times the live data is written over it, compacted now and then: the file stays near it."""
    monkeypatch.setattr(sqlite_log, "SLACK", 64)
    monkeypatch.setattr(sqlite_writer, "WAL_LIMIT", 2_000_000)
    names = [f"/k/{i:03}" for i in range(500)]
    live = len(names) * 4_000

    async def scenario() -> None:
        store, largest = await SQLiteStore.open(path), 0
        for _ in range(50):
            for start in range(0, 500, 100):
                await store.txn({}, {n: os.urandom(4_000) for n in names[start : start + 100]})
            await store.compact(await store.revision())
            largest = max(largest, size(path))
        await until_rows(path, 500)
        await until(lambda: path.stat().st_size <= 2 * live)
        assert largest < 5 * live, largest / live
        for name in names:
            await store.txn({}, {name: None})
        await store.compact(await store.revision())
        await until(lambda: path.stat().st_size <= live / 2)
        await store.close()

    asyncio.run(scenario())
    assert size(path) < live / 2


def test_the_write_ahead_log_starts_over_under_constant_load(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_writer, "WAL_LIMIT", 800_000)

    async def scenario() -> None:
        store, wal = await SQLiteStore.open(path), path.with_name("store.db-wal")
        longest, shrunk = 0, 0
        async with asyncio.timeout(120):
            while shrunk < 3:
                await store.txn({}, {f"/k/{k}": b"x" * 4_000 for k in range(20)})
                now = wal.stat().st_size
                longest, shrunk = (now, shrunk + 1) if now < longest else (now, shrunk)
        await store.close()

    asyncio.run(scenario())


# a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 32 MiB."""
    where = tmp_path / "disk"
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", where], check=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


@pytest.mark.root
def test_a_full_disk_is_said_and_survived(small_disk: Path) -> None:
    """Writes fail with a message, reads go on, nothing unacknowledged is seen, and then it recovers."""
    path, ballast = small_disk / "store.db", small_disk / "ballast"

    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        written: list[str] = []

        async def write_until_it_fails() -> None:
            for i in range(1_000):
                await store.txn({}, {f"/k/{i}": os.urandom(100_000)})
                written.append(f"/k/{i}")

        ballast.write_bytes(b"x" * 27_000_000)
        with pytest.raises(StoreUnavailable, match="is full: free some space"):
            await write_until_it_fails()
        outcomes = await asyncio.gather(
            *(store.txn({}, {f"/m/{i}": os.urandom(100_000)}) for i in range(30)),
            return_exceptions=True,
        )
        assert any(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
        written += [f"/m/{i}" for i, outcome in enumerate(outcomes) if isinstance(outcome, int)]
        assert {item.key for item in (await store.list("/")).items} == set(written)
        with pytest.raises(CannotOpen, match=r"full|No space"):
            await SQLiteStore.open(small_disk / "another.db")
        ballast.unlink()
        revision = await store.txn({}, {"/after": b"", **dict.fromkeys(written)})
        assert [item.key for item in (await store.list("/")).items] == ["/after"]
        async with aclosing(store.watch("/", after=revision - 1)) as watch:
            assert len(await anext(watch)) == 1 + len(written)
        await store.close()
        store = await SQLiteStore.open(path)
        assert await store.revision() == revision
        await store.close()

    asyncio.run(scenario())


# threads


def test_an_idle_store_does_nothing(path: Path) -> None:
    """Its threads wait for work, without waking up to look for it."""

    async def scenario() -> None:
        store = await SQLiteStore.open(path)
        await store.txn({}, {"/a": b""})
        before = None
        async with asyncio.timeout(60):
            while (now := switches()) != before:
                before = now
                await asyncio.sleep(4 * sqlite_writer.CHECKPOINT_EVERY)
        await store.close()

    asyncio.run(scenario())


def switches() -> dict[str, str]:
    """How often each of the store's threads has been given a processor."""
    status = "/proc/self/task/{}/status"
    return {
        thread.name: Path(status.format(thread.native_id)).read_text().partition("ctxt")[2]
        for thread in threading.enumerate()
        if thread.name.startswith("store-")
    }


def test_a_loop_that_ends_without_closing_ends_nobody_else(path: Path) -> None:
    """As after an exception that tears everything down: the file is whole and free again."""
    code = f"""
import asyncio
from pathlib import Path
from control_plane.store.sqlite import SQLiteStore
async def main():
    store = await SQLiteStore.open(Path({str(path)!r}))
    print(await store.txn({{}}, {{"/a": b""}}))
    asyncio.ensure_future(store.txn({{}}, {{"/b": b""}}))
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")
    assert asyncio.run(fill(path, 1)) == 1


def disk(path: Path) -> bytes:
    """Everything that is on it."""
    return b"".join(file.read_bytes() for file in path.parent.iterdir())


def test_scrubbing_leaves_nothing_of_what_was_compacted(path: Path) -> None:
    """Not in the file, not in free pages, not in the WAL; what is there now stays."""

    async def main() -> None:
        store = await SQLiteStore.open(path)
        for number in range(200):
            await store.txn({}, {f"/k{number}": b"swordfish %d " % number * 100})
        for number in range(200):
            await store.txn({}, {f"/k{number}": b"sardine" if number % 2 else None})
        assert b"swordfish" in disk(path)
        await store.compact(await store.revision())
        await store.scrub()
        assert b"swordfish" not in disk(path)
        assert len((await store.list("/")).items) == 100
        await store.txn({}, {"/after": b"herring"})
        await store.close()
        assert b"swordfish" not in disk(path)

    asyncio.run(main())


def test_scrubbing_says_when_another_program_reads_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing else is held up by it, and the next time will do."""
    monkeypatch.setattr(sqlite_writer, "SCRUB_ATTEMPTS", 2)

    async def main() -> None:
        store = await SQLiteStore.open(path)
        await store.txn({}, {"/a": b"1"})
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN")
            other.execute("SELECT count(*) FROM log").fetchone()
            with pytest.raises(StoreUnavailable, match="some other program reads the store"):
                await store.scrub()
            assert await store.txn({}, {"/a": b"2"}) == 2
        await store.scrub()
        assert path.with_name("store.db-wal").stat().st_size == 0
        await store.close()

    asyncio.run(main())


def test_a_checkpointer_that_is_stopped_at_any_moment_ends(tmp_path: Path) -> None:
    """Here: after it looked whether to stop, and before it forgets why it woke."""

    class StoppedMeanwhile(threading.Event):
        def clear(self) -> None:
            checkpointer._stopping.set()
            self.set()
            super().clear()

    with closing(sqlite3.connect(tmp_path / "store.db", check_same_thread=False)) as db:
        checkpointer = sqlite_writer.Checkpointer(tmp_path / "store.db", db)
        checkpointer._written = StoppedMeanwhile()
        checkpointer.start()
        checkpointer.wake()
        checkpointer._thread.join(60)  # it takes a quarter of a second, or for ever
        assert not checkpointer._thread.is_alive()
