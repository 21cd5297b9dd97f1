"""The store's file: opened by one process, known to be ours and whole before anything is read.

    mark  name, revision     `compacted`: states before it are gone; `swept`: so are their rows
    log   place, key, value  one row for each write: appended, and when compacted deleted

A row's place is its revision × PLACES + its number in the transaction. So the log is its own index
by revision, a transaction's rows lie together, and the only other index is by key (then place).
"""

import fcntl
import os
import sqlite3
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from control_plane.store.contract import MAX_KEYS, Ambiguous, CannotOpen, StoreUnavailable

APPLICATION = 0x484C4D47  # "HLMG" in the file's header: this database is ours
SCHEMA_VERSION = 1
PLACES = 1024  # per revision, in the numbering of rows; can never change
assert PLACES >= MAX_KEYS

WAL_KEPT = 4 * 1024 * 1024  # bytes the write-ahead log shrinks to when it starts over

SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE mark (name TEXT PRIMARY KEY, revision INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO mark VALUES ('compacted', 0), ('swept', 0);
CREATE TABLE log (place INTEGER PRIMARY KEY, key TEXT NOT NULL, value BLOB);
CREATE INDEX log_by_key ON log (key);
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {SCHEMA_VERSION};
COMMIT;
"""


class Lock:
    """One server to a file. The kernel releases the lock when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Raises CannotOpen if another has it, OSError."""
        self._file = open(f"{path}.lock", "a+b", buffering=0)  # noqa: SIM115 (kept open: the lock)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._file.truncate(0)
            self._file.write(b"%d\n" % os.getpid())
        except BlockingIOError:
            self._file.seek(0)
            holder = self._file.read().decode().strip() or "unknown"
            self._file.close()
            raise CannotOpen(
                f"{path} is in use by process {holder}: stop that server first, "
                "or give this one another data directory"
            ) from None
        except OSError:
            self._file.close()
            raise

    def release(self) -> None:
        self._file.close()


def prepare(path: Path) -> Lock:
    """Lock the file, make it if it is not there, and check that it is ours and whole."""
    try:
        lock = Lock(path)
    except OSError as error:
        raise CannotOpen(
            f"cannot write in {path.parent}: {error.strerror}; "
            "the store's directory must exist and be writable"
        ) from error
    try:
        with closing(connect(path)) as db:
            _examine(db, path)
    except sqlite3.Error as error:
        lock.release()
        raise CannotOpen(f"cannot open {path}: {error}") from error
    except BaseException:
        lock.release()
        raise
    return lock


class Connections:
    """One for each thread, so that none waits for another's statement. Closing the last tidies up."""

    def __init__(self, path: Path) -> None:
        with ExitStack() as undo:
            self.writer, self.checkpointer, self.reader = (
                undo.enter_context(closing(connect(path))) for _ in range(3)
            )
            self._close = undo.pop_all().close

    def close(self) -> None:
        self._close()


def connect(path: Path) -> sqlite3.Connection:
    """A connection with the settings all of them need; statements commit by themselves."""
    # They meet only when the WAL starts over; the writer may not wait long for a reader then.
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.2)
    try:
        db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # takes effect in a new file only
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # a commit returns when the disk has it
        db.execute(
            "PRAGMA wal_autocheckpoint = 0"
        )  # the checkpointer does it, off the writers' path
        db.execute(
            "PRAGMA secure_delete = ON"
        )  # what is deleted is overwritten: it may be a Secret
        db.execute(f"PRAGMA journal_size_limit = {WAL_KEPT}")
    except BaseException:
        db.close()
        raise
    return db


def _examine(db: sqlite3.Connection, path: Path) -> None:
    application, version = (_number(db, f"PRAGMA {x}") for x in ("application_id", "user_version"))
    if application == 0 and _number(db, "SELECT count(*) FROM sqlite_schema") == 0:
        with suppress(FileNotFoundError):
            path.chmod(0o600)  # it will hold Secrets
        db.executescript(SCHEMA)
        return
    if application != APPLICATION:
        raise CannotOpen(f"{path} is a database of some other program, not Helmling's store")
    if version > SCHEMA_VERSION:
        raise CannotOpen(
            f"{path} was written by a newer Helmling (format {version}, this one knows "
            f"{SCHEMA_VERSION}): install that version, or start with an empty data directory"
        )
    complaints = [row[0] for row in db.execute("PRAGMA quick_check(3)")]
    if complaints != ["ok"]:
        raise CannotOpen(f"{path} is damaged, restore a backup ({'; '.join(complaints)})")


def _number(db: sqlite3.Connection, query: str) -> int:
    return int(db.execute(query).fetchone()[0])


def explain(error: Exception, path: Path, *, committing: bool) -> StoreUnavailable:
    """What a failed write means to the caller who waits for it.

    A full disk is noticed while pages are written, so nothing was committed. Any other error of the
    commit itself leaves open whether the last page reached the disk: after a crash it may be found.
    """
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return StoreUnavailable(f"the disk that holds {path} is full: free some space there")
    if committing:
        return Ambiguous(f"writing {path} failed at the last moment: {error}")
    return StoreUnavailable(f"cannot write {path}: {error}")
