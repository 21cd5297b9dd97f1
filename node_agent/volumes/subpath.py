"""subPath: a part of a volume as the mount, without a way out of the volume.

A program in the pod may turn any directory of its volume into a symbolic link, at any moment, also between our check
and the mount. So nothing is checked by name: the kernel walks the path with the promise never to leave the volume
(openat2, RESOLVE_BENEATH), and what is mounted is the directory that was opened, not its name.
"""

import os
import stat
from pathlib import Path

from node_agent.volumes import kernel

_LOOK = os.O_PATH


def bind(volume: Path, sub_path: str, target: Path, *, make: bool = True) -> Path:
    """Mount `volume`/`sub_path` at `target`. Raises OSError with words for people.

    `make`: a part that is missing is made, as a directory.
    """
    parts = Path(sub_path).parts
    if Path(sub_path).is_absolute() or ".." in parts:
        raise OSError(f'subPath "{sub_path}" must be relative and without ".."')
    root = os.open(volume, _LOOK | os.O_DIRECTORY)
    try:
        found = _open(root, parts) if make else kernel.open_beneath(root, sub_path, _LOOK)
    except OSError as error:
        raise OSError(f'subPath "{sub_path}" leads nowhere in its volume: {error}') from error
    finally:
        os.close(root)
    try:
        _prepare(target, directory=stat.S_ISDIR(os.fstat(found).st_mode))
        kernel.unmount(target)
        kernel.bind(f"/proc/self/fd/{found}", target)
    finally:
        os.close(found)
    return target


def _open(root: int, parts: tuple[str, ...]) -> int:
    """Open what is there; make what is missing as directories."""
    at = os.dup(root)
    for index, part in enumerate(parts):
        try:
            below = kernel.open_beneath(root, "/".join(parts[: index + 1]), _LOOK)
        except FileNotFoundError:
            below = _make(at, part, stat.S_IMODE(os.fstat(root).st_mode))
        except OSError:
            os.close(at)
            raise
        os.close(at)
        at = below
    return at


def _make(parent: int, name: str, mode: int) -> int:
    """A new directory, as open as the volume itself."""
    os.mkdir(name, dir_fd=parent)
    made = os.open(name, _LOOK | os.O_NOFOLLOW | os.O_DIRECTORY, dir_fd=parent)
    os.chmod(f"/proc/self/fd/{made}", mode)
    return made


def _prepare(target: Path, *, directory: bool) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if directory:
        target.mkdir(exist_ok=True)
    else:
        target.touch(exist_ok=True)
