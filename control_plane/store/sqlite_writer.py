"""The two threads that write the store's file: one commits, one tidies up after it.

The writer takes whatever transactions wait in its queue and commits them at once, so that
sixty-four callers share one wait for the disk. It acknowledges after COMMIT has returned, with one
call into the event loop for all of them. Between commits it does chores, one small step at a time:
sweeping what compaction made unreadable, giving free pages back, starting the write-ahead log (WAL)
over.

The checkpointer copies committed pages from the WAL into the database a few times a second, while
there is something to copy. It is a thread of its own because copying must not delay commits.
"""

import contextlib
import logging
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from control_plane.store import sqlite_log as log
from control_plane.store.contract import ABSENT, Batch, StoreUnavailable
from control_plane.store.group import Verdict, Wish, settle
from control_plane.store.sqlite_file import Connections, explain

logger = logging.getLogger(__name__)

GROUP = 1_000  # transactions in one commit, at most
CHECKPOINT_EVERY = 0.25  # seconds, while there are writes
WAL_LIMIT = 64 * 1024 * 1024  # bytes: a WAL this long is started over, though writers must wait
SCRUB_ATTEMPTS, SCRUB_PAUSE = 50, 0.1  # seconds: a reader of the past is soon done
REST = 5.0  # seconds until chores are tried again after the disk refused them


@dataclass(frozen=True, slots=True)
class Mark:
    """A request to make every state before a revision unreadable."""

    revision: int


@dataclass(frozen=True, slots=True)
class Scrub:
    """A request to leave nothing of what is unreadable on disk."""


Request = Wish | Mark | Scrub
Answer = Verdict | StoreUnavailable | None  # None: marked, scrubbed
Settled = Callable[[Sequence[Answer]], None]  # told the answers of a commit, in order of submission


class Writer:
    """All writes to one file. `submit` is for any thread; `settled` is called by the writer's."""

    def __init__(
        self, path: Path, connections: Connections, summary: log.Summary, settled: Settled
    ) -> None:
        self._path = path
        self._wal = path.with_name(path.name + "-wal")
        self._settled = settled
        self._queue: SimpleQueue[Request | None] = SimpleQueue()  # None: finish, then stop
        self._db = connections.writer
        self._checkpointer = Checkpointer(path, connections.checkpointer)
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        # The rest is the writer's thread's own.
        self._revision = summary.revision  # of the last commit
        self._revisions = {item.key: item.revision for item in summary.items}  # at that commit
        self._untidy = True  # chores may be left to do; a crash may have left some
        self._stopping = False

    def start(self) -> None:
        self._thread.start()
        self._checkpointer.start()

    def submit(self, request: Request) -> None:
        self._queue.put(request)

    def stop(self) -> None:
        """Commit what is in the queue, then end both threads. Blocks until they have ended."""
        self._queue.put(None)
        self._thread.join()
        self._checkpointer.stop()

    def _run(self) -> None:
        wait: float | None = 0  # seconds until there is a chore to do; None: there is none
        while not self._stopping:
            if requests := self._next(wait):
                self._settled(self._commit(requests))
                self._checkpointer.wake()
            wait = self._chore()

    def _next(self, wait: float | None) -> list[Request]:
        """What waits in the queue, in order; perhaps nothing, if nothing comes in time."""
        requests: list[Request] = []
        with contextlib.suppress(Empty):
            request = self._queue.get(timeout=wait)
            while request is not None:
                requests.append(request)
                if len(requests) == GROUP:
                    return requests
                request = self._queue.get_nowait()
            self._stopping = True
        return requests

    def _commit(self, requests: Sequence[Request]) -> Sequence[Answer]:
        wishes = [request for request in requests if isinstance(request, Wish)]
        marks = [request.revision for request in requests if isinstance(request, Mark)]
        verdicts, moved = settle(wishes, self._revisions, self._revision)
        if error := self._write([v.changes for v in verdicts if v.changes], max(marks, default=0)):
            return [error] * len(requests)
        self._revision = verdicts[-1].revision if verdicts else self._revision
        self._revisions.update(moved)
        for key in [key for key, revision in moved.items() if revision == ABSENT]:
            del self._revisions[key]
        self._untidy = self._untidy or bool(marks)
        verdict = iter(verdicts)
        scrubbed = (
            self._scrub() if any(isinstance(request, Scrub) for request in requests) else None
        )
        return [
            next(verdict) if isinstance(request, Wish)
            else scrubbed if isinstance(request, Scrub)
            else None
            for request in requests
        ]  # fmt: skip

    def _scrub(self) -> StoreUnavailable | None:
        """Writers wait meanwhile; readers do not, they have their answers in memory.

        Deleted rows are overwritten as they go (secure_delete). The file is written anew all the same: pages may be
        left from before somebody wrote secrets into it. Both leave their traces in the WAL, which ends here.
        """
        try:
            while log.sweep(self._db):
                pass
            self._db.execute("VACUUM")
            for _ in range(SCRUB_ATTEMPTS):
                if self._checkpointer.start_over(self._db):
                    return None
                time.sleep(SCRUB_PAUSE)
        except sqlite3.Error as error:
            self._rollback()
            return explain(error, self._path, committing=False)
        return StoreUnavailable(
            f"{self._wal} cannot be emptied: some other program reads the store"
        )

    def _write(self, transactions: Sequence[Batch], mark: int) -> StoreUnavailable | None:
        """One commit; what went wrong, if something did: then nothing of it happened."""
        if not transactions and not mark:
            return None
        committing = False
        try:
            self._db.execute("BEGIN IMMEDIATE")
            log.append(self._db, transactions)
            if mark:
                log.mark_compacted(self._db, mark)
            committing = True
            self._db.execute("COMMIT")
        except Exception as error:  # whatever it is, those who wait must hear of it
            self._rollback()
            return explain(error, self._path, committing=committing)
        return None

    def _rollback(self) -> None:
        # After some errors SQLite has done it itself. If the disk fails here too, so will BEGIN.
        if self._db.in_transaction:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")

    def _chore(self) -> float | None:
        """Do one step, if there is one to do, and say when to come again."""
        try:
            if self._wal.exists() and self._wal.stat().st_size > WAL_LIMIT:
                self._checkpointer.start_over(self._db)
            if self._untidy:
                self._untidy = log.sweep(self._db) or log.vacuum(self._db)
                self._checkpointer.wake()
        except (sqlite3.Error, OSError) as error:
            self._rollback()
            logger.warning("tidying %s has to wait: %s", self._path, error)
            return REST
        return 0 if self._untidy else None


class Checkpointer:
    """Copies what was committed from the WAL into the database, so that the WAL can start over."""

    def __init__(self, path: Path, db: sqlite3.Connection) -> None:
        self._path = path
        self._db = db
        self._copying = threading.Lock()  # SQLite would refuse a second checkpoint at the same time
        self._written = threading.Event()  # there may be something to copy
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="store-checkpointer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        self._written.set()

    def stop(self) -> None:
        self._stopping.set()
        self._written.set()
        self._thread.join()

    def start_over(self, db: sqlite3.Connection) -> bool:
        """Called by the writer, between commits, when nothing can be appended meanwhile. False: not now.

        Under a constant load a WAL never ends by itself: there is always something behind what the
        checkpointer has copied. A reader in its way makes this give up; the next time will do.
        """
        with self._copying:
            busy, _, _ = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        return not busy

    def _run(self) -> None:
        while self._written.wait() and not self._stopping.wait(CHECKPOINT_EVERY):
            self._written.clear()
            if self._stopping.is_set():  # it came before we cleared, and nobody will set it again
                return
            try:
                with self._copying:
                    row = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            except sqlite3.Error as error:
                logger.warning("copying the WAL of %s has to wait: %s", self._path, error)
                self._written.set()
                continue
            _, pages, copied = row
            if copied < pages:
                self._written.set()
