"""Values that nobody could write by chance, and a search for them in everything that is left on disk.

    canary = new_canary()                       put it where it must not leak from
    assert found(canary, data_dir, log) == []   directories are searched whole, but not what is mounted in them

A value may have been encoded, and it may lie across the border of two pages: so every form of it is searched for in pieces, of
which any page that has a good part of it has one.
"""

import errno
import os
import secrets
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import IO

LENGTH = 48  # bytes of a canary: letters, so that it can be an environment variable, too
PIECE = 12  # bytes; twelve random letters are 70 bits


def new_canary() -> str:
    return secrets.token_hex(LENGTH // 2)


def forms(canary: str) -> dict[str, bytes]:
    """How a value may be written; base64 in all three positions that it can have in a longer text."""
    raw = canary.encode()
    known = {
        "as it is": raw,
        "hex": raw.hex().encode(),
        "reversed": raw[::-1],
        "utf-16": canary.encode("utf-16-le"),
    }
    for skipped in range(3):
        shifted = raw[skipped:]
        whole = shifted[: len(shifted) - len(shifted) % 3]
        known[f"base64 at {skipped}"] = b64encode(whole)
        known[f"url-safe base64 at {skipped}"] = urlsafe_b64encode(whole)
    return known


def found(canary: str, *paths: Path) -> list[str]:
    """Where it is: "store.db-wal (base64 at 0)". Raises FileNotFoundError: a search of nothing would find nothing."""
    files = [file for path in paths for file in _files(path)]
    needles = {
        name: {form[at : at + PIECE] for at in range(0, len(form) - PIECE + 1, PIECE // 2)}
        for name, form in forms(canary).items()
    }
    return [
        f"{file} ({name})"
        for file in files
        for content in [_content(file)]
        for name, pieces in needles.items()
        if any(piece in content for piece in pieces)
    ]


def _files(path: Path) -> Iterator[Path]:
    if not path.exists():
        raise FileNotFoundError(f"there is no {path} to be searched")
    if not path.is_dir():
        yield path
        return
    disk = path.stat().st_dev
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if _disk_of(f"{folder}/{name}") == disk]
        for name in names:
            file = Path(folder) / name
            if _disk_of(f"{folder}/{name}") == disk and file.is_file() and not file.is_symlink():
                yield file


def _disk_of(path: str) -> int | None:
    try:
        return os.lstat(path).st_dev
    except FileNotFoundError:  # it went while we looked
        return None


def _content(file: Path) -> bytes:
    try:
        with file.open("rb", buffering=0) as opened:
            return b"\0".join(_written(opened)).rstrip(b"\0")
    except FileNotFoundError:  # it went while we looked
        return b""


def _written(file: IO[bytes]) -> Iterator[bytes]:
    """What is in it, without its holes: etcd makes its files large before it fills them."""
    end, at = os.fstat(file.fileno()).st_size, 0
    while at < end:
        try:
            begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
        except OSError as error:
            if error.errno == errno.ENXIO:  # the rest is a hole
                return
            raise
        at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
        yield os.pread(file.fileno(), at - begin, begin)
