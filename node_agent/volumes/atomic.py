"""A directory of small files whose contents change all at once.

The files lie in a directory of their own; `..data` is a link to it, and each visible name is a link through `..data`.
A change is a new directory and one rename of the link: a reader sees everything old or everything new. The layout is
Kubernetes' own, because programs watch for the rename.
"""

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from api import clock

DATA = "..data"
GROUP_READS = 0o440


@dataclass(frozen=True)
class File:
    content: bytes = field(repr=False)  # may be a secret
    mode: int = 0o644
    owner: int | None = None  # a user; None: root


def write(directory: Path, files: Mapping[str, File], *, group: int | None = None) -> bool:
    """Make `directory` show exactly `files`, by relative path. False: it did already.

    `group` gets everything, and may read it. Raises OSError: a path leads out of the directory, or two are in each
    other's way.
    """
    wanted = {check(path): _for_group(file, group) for path, file in files.items()}
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    present = directory / DATA
    if present.exists() and _read(present) == {p: (f.content, f.mode) for p, f in wanted.items()}:
        return False
    stamp = f"{clock.now():..%Y_%m_%d_%H_%M_%S.}"
    fresh = Path(tempfile.mkdtemp(prefix=stamp, dir=directory))
    try:
        _fill(fresh, wanted, group)
    except OSError:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    link = directory / "..data_tmp"
    link.unlink(missing_ok=True)
    link.symlink_to(fresh.name)
    link.rename(present)
    _show(directory, {path.partition("/")[0] for path in wanted}, fresh.name)
    return True


def check(path: str) -> str:
    """The path in its shortest form. Raises OSError if it leads out of the volume.

    The server has checked it already; the node takes nobody's word for what it writes where.
    """
    shortest = PurePosixPath(path)
    parts = shortest.parts
    if not parts or parts[0].startswith(("/", "..")) or ".." in parts or "\0" in path:
        raise OSError(f'the path "{path}" leads out of its volume')
    return str(shortest)


def room(files: Mapping[str, File]) -> int:
    """Bytes that they take in memory, where a file takes whole pages."""
    page = os.sysconf("SC_PAGESIZE")
    return sum(-(-len(file.content) // page) * page for file in files.values())


def _for_group(file: File, group: int | None) -> File:
    if group is None:
        return file
    return File(file.content, file.mode | GROUP_READS, file.owner)


def _read(data: Path) -> dict[str, tuple[bytes, int]]:
    directory = data.resolve()
    return {
        str(path.relative_to(directory)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in directory.rglob("*")
        if path.is_file()
    }


def _fill(fresh: Path, files: Mapping[str, File], group: int | None) -> None:
    for name, file in files.items():
        path = fresh / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Nobody else may read it before its mode is set.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(file.content)
        if group is not None or file.owner is not None:
            os.chown(path, -1 if file.owner is None else file.owner, -1 if group is None else group)
        path.chmod(file.mode)
    for parent, _, _ in os.walk(fresh):
        os.chmod(parent, 0o755)


def _show(directory: Path, names: set[str], data: str) -> None:
    """Links for these names and no others; what older versions and crashes left is removed."""
    for entry in directory.iterdir():
        if entry.name.startswith(".."):
            if entry.name not in (DATA, data):
                _remove(entry)
        elif entry.name not in names:
            _remove(entry)
    for name in names:
        path = directory / name
        if not path.is_symlink():
            path.symlink_to(Path(DATA) / name)


def _remove(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry, ignore_errors=True)
    else:
        entry.unlink()
