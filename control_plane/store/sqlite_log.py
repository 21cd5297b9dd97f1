"""The log in SQL: append, look back, forget. Each function is one statement or one transaction."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from control_plane.store.contract import Batch, Change, Item, Listing
from control_plane.store.sqlite_file import PLACES
from control_plane.store.state import BATCH, prefix_end

CHUNK = 1_000  # rows looked at in one transaction of a sweep: a few milliseconds
VACUUM_STEP = 512  # pages given back to the file system in one transaction
SLACK = 1_024  # free pages that are kept for reuse whatever the size of the file

# SQLite promises that a bare column beside max() comes from the row that has the maximum.
LIVE = """SELECT key, value, max(place) / :places FROM log
    GROUP BY key HAVING value IS NOT NULL"""
PAST = """SELECT key, value, max(place) / :places FROM log
    WHERE key >= :start AND key < :end AND place < :upto
    GROUP BY key HAVING value IS NOT NULL ORDER BY key LIMIT :limit"""
PAST_COUNT = """SELECT count(*) FROM (SELECT value, max(place) FROM log
    WHERE key >= :start AND key < :end AND place < :upto
    GROUP BY key HAVING value IS NOT NULL)"""
LATER = "SELECT place / :places, key, value FROM log WHERE place >= :start ORDER BY place LIMIT :n"
MARK = "UPDATE mark SET revision = max(revision, ?) WHERE name = ?"
SUPERSEDED = """DELETE FROM log WHERE place IN (
    SELECT old.place FROM log AS old JOIN (
        SELECT key, max(place) AS newest FROM log WHERE place BETWEEN :first AND :last GROUP BY key
    ) AS new ON old.key = new.key AND old.place < new.newest)"""
TOMBSTONES = "DELETE FROM log WHERE place BETWEEN :first AND :last AND value IS NULL"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a start reads from the log."""

    items: list[Item]
    revision: int
    compacted: int


def load(db: sqlite3.Connection) -> Summary:
    items = [Item(*row) for row in db.execute(LIVE, {"places": PLACES})]
    marks = dict(db.execute("SELECT name, revision FROM mark"))
    newest = db.execute("SELECT coalesce(max(place), 0) FROM log").fetchone()[0] // PLACES
    # The newest write may have been a deletion that compaction has swept: the mark remembers it.
    return Summary(items, max(newest, marks["compacted"]), marks["compacted"])


def append(db: sqlite3.Connection, transactions: Iterable[Batch]) -> None:
    db.executemany(
        "INSERT INTO log VALUES (?, ?, ?)",
        [
            (change.revision * PLACES + number, change.key, change.value)
            for transaction in transactions
            for number, change in enumerate(transaction)
        ],
    )


def past(db: sqlite3.Connection, prefix: str, revision: int, after: str, limit: int) -> Listing:
    """The state under `prefix` at a revision."""
    span = {
        "start": max(prefix, after + "\0"),
        "end": prefix_end(prefix) or "\x7f",  # no key has a character that high
        "upto": (revision + 1) * PLACES,
        "places": PLACES,
    }
    items = [Item(*row) for row in db.execute(PAST, {**span, "limit": limit or -1})]
    remaining = 0
    if limit and len(items) == limit:
        rest = {**span, "start": items[-1].key + "\0"}
        remaining = int(db.execute(PAST_COUNT, rest).fetchone()[0])
    return Listing(items, revision, more=remaining > 0, remaining=remaining)


def later(db: sqlite3.Connection, prefix: str, after: int) -> tuple[Batch, int]:
    """The next changes under `prefix` after a revision, and the revision they go up to."""
    start = (after + 1) * PLACES
    rows = db.execute(LATER, {"places": PLACES, "start": start, "n": BATCH}).fetchall()
    if len(rows) == BATCH:  # the last transaction may go on: leave it for the next batch
        rows = [row for row in rows if row[0] < rows[-1][0]]
    changes = [Change(key, value, revision) for revision, key, value in rows]
    upto = rows[-1][0] if rows else after
    return [change for change in changes if change.key.startswith(prefix)], upto


def mark_compacted(db: sqlite3.Connection, revision: int) -> None:
    db.execute(MARK, (revision, "compacted"))


def sweep(db: sqlite3.Connection) -> bool:
    """Delete the next chunk of what compaction has made unreadable; False: nothing is left to do.

    Rows up to `swept` were dealt with before: of each key only the newest is left, and no
    tombstones. So only rows after it need looking at, each as the one that supersedes older ones;
    the work is in proportion to what was written since, not to what the store holds.
    """
    marks = dict(db.execute("SELECT name, revision FROM mark"))
    if marks["swept"] >= marks["compacted"]:
        return False
    first, end = (marks["swept"] + 1) * PLACES, (marks["compacted"] + 1) * PLACES
    chunk = "SELECT place FROM log WHERE place >= ? AND place < ? ORDER BY place LIMIT 1 OFFSET ?"
    row = db.execute(chunk, (first, end, CHUNK)).fetchone()
    swept = max(row[0] // PLACES, marks["swept"] + 1) if row else marks["compacted"]
    span = {"first": first, "last": (swept + 1) * PLACES - 1}
    db.execute("BEGIN IMMEDIATE")
    db.execute(SUPERSEDED, span)
    db.execute(TOMBSTONES, span)
    db.execute(MARK, (swept, "swept"))
    db.execute("COMMIT")
    return True


def vacuum(db: sqlite3.Connection) -> bool:
    """Give some free pages back to the file system; False: as few are free as should be."""
    free, pages = (
        db.execute(f"PRAGMA {x}").fetchone()[0] for x in ("freelist_count", "page_count")
    )
    if free <= max(SLACK, pages // 4):
        return False
    db.execute(f"PRAGMA incremental_vacuum({VACUUM_STEP})").fetchall()
    return True
