"""The few system calls that Python does not offer: mount, umount2, openat2.

Small enough to show: a flag here is a flag of the manual page (mount(2), openat2(2)).
"""

import ctypes
import errno
import os
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_MS_NOSUID, _MS_NODEV, _MS_REMOUNT, _MS_BIND = 2, 4, 32, 4096
_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8
_SYS_OPENAT2 = 437  # the same number on every architecture
_RESOLVE_NO_MAGICLINKS, _RESOLVE_BENEATH = 0x02, 0x08


class _OpenHow(ctypes.Structure):
    _fields_ = (
        ("flags", ctypes.c_uint64),
        ("mode", ctypes.c_uint64),
        ("resolve", ctypes.c_uint64),
    )


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def mount_tmpfs(target: Path, options: str) -> None:
    """`options` as of mount(8): size=…,mode=…"""
    args = (b"tmpfs", os.fsencode(target), b"tmpfs", 0, options.encode())
    _check(_libc.mount(*args), str(target))


def mount_secrets(target: Path, size: int) -> None:
    """A tmpfs of `size` bytes for files that are only read; where there is one, it gets that size.

    Its pages never go to swap, which is a disk, on kernels that can promise it (6.4).
    """
    again = _MS_REMOUNT if target.is_mount() else 0
    flags = _MS_NOSUID | _MS_NODEV | again
    for options in (f"size={size},mode=755,noswap", f"size={size},mode=755"):
        args = (b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode())
        if _libc.mount(*args) == 0:
            return
        if ctypes.get_errno() != errno.EINVAL:
            break
    _check(-1, str(target))


def bind(source: str, target: Path) -> None:
    """Show `source` (a file or a directory) at `target` as well."""
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), None, _MS_BIND, None), str(target))


def unmount(target: Path) -> None:
    """No-op where nothing is mounted. A mount that is still in use goes with its last user."""
    try:
        _check(_libc.umount2(os.fsencode(target), _MNT_DETACH | _UMOUNT_NOFOLLOW), str(target))
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise


def open_beneath(directory: int, path: str, flags: int) -> int:
    """Open `path` below an open directory. Symbolic links are followed, but never out of it: raises OSError (EXDEV)."""
    how = _OpenHow(flags | os.O_CLOEXEC, 0, _RESOLVE_BENEATH | _RESOLVE_NO_MAGICLINKS)
    args = (directory, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))
    return _check(int(_libc.syscall(_SYS_OPENAT2, *args)), path)


def mounts_below(root: Path) -> list[Path]:
    """Everything that is mounted at or below `root`, the deepest first."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        point = Path(line.split(" ")[4].encode().decode("unicode_escape"))
        if point.is_relative_to(root):
            found.append(point)
    return sorted(found, reverse=True)
