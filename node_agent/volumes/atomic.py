"""A directory of small files whose contents change all at once.

The files lie in a directory of their own; `..data` is a link to it, and each visible name is a link through `..data`.
A change is a new directory and one rename of the link: a reader sees everything old or everything new. The layout is
Kubernetes' own, because programs watch for the rename.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

DATA = "..data"


@dataclass(frozen=True)
class File:
    content: bytes
    mode: int = 0o644


def write(directory: Path, files: Mapping[str, File], *, group: int | None = None) -> bool:
    """Make `directory` show exactly `files`, by relative path. False: it did already."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    present = directory / DATA
    if present.exists() and _read(present) == dict(files):
        return False
    fresh = Path(tempfile.mkdtemp(prefix="..", dir=directory))
    fresh.chmod(0o755)
    _fill(fresh, files, group)
    old = os.readlink(present) if present.is_symlink() else ""
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(present)
    _show(directory, {path.partition("/")[0] for path in files})
    if old:
        shutil.rmtree(directory / old, ignore_errors=True)
    return True


def _read(data: Path) -> dict[str, File]:
    directory = data.resolve()
    return {
        str(path.relative_to(directory)): File(path.read_bytes(), path.stat().st_mode & 0o777)
        for path in directory.rglob("*")
        if path.is_file()
    }


def _fill(fresh: Path, files: Mapping[str, File], group: int | None) -> None:
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.content)
        path.chmod(file.mode)
        if group is not None:
            os.chown(path, -1, group)


def _show(directory: Path, names: set[str]) -> None:
    for entry in directory.iterdir():
        if not entry.name.startswith("..") and entry.name not in names:
            entry.unlink()
    for name in names:
        path = directory / name
        if not path.is_symlink():
            path.symlink_to(Path(DATA) / name)
