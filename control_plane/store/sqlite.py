"""The store in one SQLite file: the default, for a control plane on one machine.

Reads of the present are answered from memory (state.py), by the event loop. Writes go to one thread
that commits them in groups (sqlite_writer.py) to an append-only log (sqlite_log.py). A write is in
memory only once it is on disk, so nobody can see what a crash would take back. Reads of the past
that memory no longer holds go to the log, in a thread, beside the writer: SQLite's WAL allows it.

    txn ─> queue ─> writer thread: judge, INSERT, COMMIT ─> event loop: memory, watchers, reply
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from control_plane.store import sqlite_log as log
from control_plane.store.contract import (
    Batch,
    CannotOpen,
    Conflict,
    Item,
    Listing,
    StoreUnavailable,
    check_transaction,
)
from control_plane.store.group import Wish
from control_plane.store.sqlite_file import Connections, Lock, prepare
from control_plane.store.sqlite_writer import Answer, Mark, Request, Scrub, Writer
from control_plane.store.state import State, weight

# How much recent history stays in memory for watchers; those further behind read the file.
KEEP_TRANSACTIONS = 8_192
KEEP_BYTES = 16 * 1024 * 1024

Result = TypeVar("Result")


class SQLiteStore:
    """Made by `await SQLiteStore.open(path)`. All of it runs in that event loop's thread."""

    def __init__(self, path: Path, opened: "Opened") -> None:
        summary = opened.summary
        self._path = path
        self._opened = opened
        self._loop = asyncio.get_running_loop()
        self._state = State(summary.items, revision=summary.revision, compacted=summary.compacted)
        # What the writer has been asked and has not answered yet; it answers in this order.
        self._asked: deque[tuple[Request, asyncio.Future[int]]] = deque()
        self._leaving: list[Request] = []  # asked in this turn of the loop, not handed over yet
        self._written = 0  # bytes of values since the last compaction, or since the start
        self._writer = Writer(path, opened.connections, summary, self._settled)
        self._reading = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._writer.start()

    @classmethod
    async def open(cls, path: Path) -> "SQLiteStore":
        """Raises CannotOpen, whose message says what to do about it."""
        return cls(path, await asyncio.to_thread(_open, path))

    async def get(self, key: str) -> Item | None:
        self._state.require_open()
        return self._state.live.get(key)

    async def list(
        self, prefix: str, *, revision: int = 0, after: str = "", limit: int = 0
    ) -> Listing:
        self._state.require_open()
        if revision in (0, self._state.revision):
            return self._state.live.page(prefix, after, limit, self._state.revision)
        self._state.require_happened(revision)
        self._state.require_readable(revision)
        listing = await self._read(lambda db: log.past(db, prefix, revision, after, limit))
        self._state.require_readable(revision)  # compaction may have overtaken the reading
        return listing

    async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
        check_transaction(expect, write)
        return await self._ask(Wish(dict(expect), dict(write)))

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        return self._state.follow(prefix, after, self._older)

    async def revision(self) -> int:
        self._state.require_open()
        return self._state.revision

    async def compact(self, revision: int) -> None:
        """Returns when no earlier state can be read; the rows go later, a few at a time."""
        self._state.require_open()
        self._state.require_happened(revision)
        if revision > self._state.compacted:
            await self._ask(Mark(revision))

    async def scrub(self) -> None:
        """Leave nothing in the file, or in the WAL beside it, of what compaction has made unreadable."""
        await self._ask(Scrub())

    def history_bytes(self) -> int:
        """About the size of the history kept, without the present state: see compactor.py."""
        return self._written

    async def close(self) -> None:
        if self._state.closed:
            return
        self._state.close()
        self._hand_over()
        await asyncio.shield(self._loop.run_in_executor(self._reading, self._let_go))
        self._reading.shutdown()

    def _let_go(self) -> None:
        self._writer.stop()
        self._opened.close()

    async def _older(self, prefix: str, after: int) -> tuple[Batch, int]:
        return await self._read(lambda db: log.later(db, prefix, after))

    async def _read(self, look: Callable[[sqlite3.Connection], Result]) -> Result:
        try:
            return await self._loop.run_in_executor(
                self._reading, look, self._opened.connections.reader
            )
        except sqlite3.Error as error:
            raise StoreUnavailable(f"cannot read {self._path}: {error}") from error

    async def _ask(self, request: Request) -> int:
        self._state.require_open()
        answer: asyncio.Future[int] = self._loop.create_future()
        self._asked.append((request, answer))
        # Those who ask in the same turn of the loop go to the writer together, and so to the disk.
        if not self._leaving:
            self._loop.call_soon(self._hand_over)
        self._leaving.append(request)
        return await answer

    def _hand_over(self) -> None:
        for request in self._leaving:
            self._writer.submit(request)
        self._leaving.clear()

    def _settled(self, answers: Sequence[Answer]) -> None:
        """In the writer's thread. A loop that has ended took those who wait with it."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._reply, answers)

    def _reply(self, answers: Sequence[Answer]) -> None:
        """Take in what one commit has made durable, and tell those who wait for it."""
        for answer in answers:
            request, reply = self._asked.popleft()
            outcome = self._take_in(request, answer)
            if reply.done():  # cancelled
                continue
            if isinstance(outcome, Exception):
                reply.set_exception(outcome)
            else:
                reply.set_result(outcome)
        if len(self._state.history) > KEEP_TRANSACTIONS or self._state.history.bytes > KEEP_BYTES:
            self._state.history.forget_half()
        self._state.announce()

    def _take_in(self, request: Request, answer: Answer) -> int | Exception:
        if isinstance(answer, StoreUnavailable):
            return answer
        if isinstance(request, Mark):
            self._state.compacted = max(self._state.compacted, request.revision)
            self._state.history.forget(request.revision)
            self._written = self._state.history.bytes
        elif answer is None:  # scrubbed
            return self._state.revision
        elif answer.refused:
            # Memory is now where this transaction was judged: what it found is what is here.
            return Conflict({key: self._state.live.get(key) for key in answer.refused})
        elif answer.changes:
            self._state.commit(answer.changes)
            self._written += weight(answer.changes)
        return self._state.revision


@dataclass(frozen=True, slots=True)
class Opened:
    """The file, ready to be worked with."""

    lock: Lock
    connections: Connections
    summary: log.Summary

    def close(self) -> None:
        self.connections.close()
        self.lock.release()


def _open(path: Path) -> Opened:
    with ExitStack() as undo:
        lock = prepare(path)
        undo.callback(lock.release)
        try:
            connections = Connections(path)
            undo.callback(connections.close)
            opened = Opened(lock, connections, log.load(connections.reader))
        except sqlite3.Error as error:
            raise CannotOpen(f"cannot open {path}: {error}") from error
        undo.pop_all()
        return opened
