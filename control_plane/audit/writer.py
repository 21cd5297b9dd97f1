"""Writes the audit log: in a thread of its own, in batches, into a file that is exchanged when it has grown.

Nobody waits for it. Between the requests and the thread is a queue with an end; when the disk cannot follow, what finds
it full is not written, but it is counted, and the next line says how many are missing. A log with a hole says so.
"""

import logging
import os
import queue
import threading
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from api import clock
from api.rbac import Attributes
from control_plane.apiserver.identity import SYSTEM
from control_plane.audit.event import Record, line
from control_plane.audit.policy import METADATA

log = logging.getLogger(__name__)

ROOM = 10_000  # records that may wait
BATCH = 500  # lines that are written at once
LOST = "audit.helmling.dev/lost"  # how many records are missing before this one


@dataclass(frozen=True)
class Files:
    """Where the log is, and how much of it is kept."""

    path: Path
    max_size: int = 100  # megabytes, until the file is put aside
    max_backups: int = 10  # files put aside; 0: any number
    max_age: int = 30  # days that they are kept; 0: for ever


class Writer:
    """`put` from the event loop; `close` waits until everything is on its way to the disk. Raises OSError at once."""

    def __init__(self, files: Files, room: int = ROOM) -> None:
        self._files, self._room = files, room
        self._waiting: queue.SimpleQueue[Record | None] = queue.SimpleQueue()
        self._lost = (
            0  # since the last line that said so; added to by the loop, taken by the thread
        )
        self._lock = threading.Lock()  # of _lost
        files.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._descriptor = _open(files.path)
        self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
        self._thread.start()

    def put(self, record: Record) -> None:
        if self._waiting.qsize() >= self._room:
            self._count(1)
        else:
            self._waiting.put(record)

    def _count(self, lost: int) -> None:
        with self._lock:
            self._lost += lost

    def close(self) -> None:
        self._waiting.put(None)
        self._thread.join()
        os.close(self._descriptor)

    def _run(self) -> None:
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            ended = None in batch
            records = [record for record in batch if record is not None]
            with self._lock:
                lost, self._lost = self._lost, 0
            if lost:
                log.warning("audit_records_lost number=%d", lost)
                records.insert(0, _hole(lost))
            self._write(records)

    def _write(self, records: list[Record]) -> None:
        try:
            self._rotate()
            content = b"".join(map(_line, records))
            while content:
                content = content[os.write(self._descriptor, content) :]
        except OSError as error:
            log.warning("audit_not_written number=%d error=%r", len(records), str(error))
            self._count(len(records))

    def _rotate(self) -> None:
        """Put the file aside when it has grown, and remove what is too old or too many."""
        files = self._files
        if os.fstat(self._descriptor).st_size < files.max_size * 1024 * 1024:
            return
        path, now = files.path, clock.now()
        os.replace(path, _aside(path, now))
        os.close(self._descriptor)
        self._descriptor = _open(path)
        others = sorted(path.parent.glob(f"{path.stem}-*{path.suffix}"), reverse=True)
        for number, other in enumerate(others, start=1):
            age = now - datetime.fromtimestamp(other.stat().st_mtime, UTC)
            if (files.max_backups and number > files.max_backups) or (
                files.max_age and age > timedelta(days=files.max_age)
            ):
                other.unlink()


def _open(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _aside(path: Path, now: datetime) -> Path:
    """Sorted by name is sorted by age."""
    return path.with_name(f"{path.stem}-{now.strftime('%Y-%m-%dT%H-%M-%S.%f')}{path.suffix}")


def _line(record: Record) -> bytes:
    """A record that cannot be told must not end the thread: it is a bug, and the log says so."""
    try:
        return line(record)
    except Exception:
        log.exception("audit_record_failed verb=%s", record.asked.verb)
        return b""


def _hole(lost: int) -> Record:
    now = clock.now()
    told = {LOST: str(lost)}
    return Record(
        METADATA, "Panic", Attributes("lose", path="/audit"), SYSTEM, now, now, annotations=told
    )
