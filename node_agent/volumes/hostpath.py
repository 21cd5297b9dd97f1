"""hostPath: a path of the node itself, checked or made as its type says."""

import stat
from pathlib import Path

from proto.v1.pod_pb2 import HostPathVolumeSource

_CHECKS = {
    "Directory": (stat.S_ISDIR, "a directory"),
    "File": (stat.S_ISREG, "a file"),
    "Socket": (stat.S_ISSOCK, "a socket"),
    "CharDevice": (stat.S_ISCHR, "a character device"),
    "BlockDevice": (stat.S_ISBLK, "a block device"),
}


def set_up(source: HostPathVolumeSource) -> Path:
    """The path, ready to be mounted. Raises OSError with words for people."""
    path = Path(source.path)
    if not path.is_absolute() or ".." in path.parts:
        raise OSError(f"hostPath {source.path} must be absolute and without '..'")
    kind = source.type
    if kind in ("", "DirectoryOrCreate") and not path.exists():
        path.mkdir(parents=True, mode=0o755)
    if kind == "FileOrCreate" and not path.exists():
        path.touch(mode=0o644)
    expected = _CHECKS.get(kind.removesuffix("OrCreate"))
    if expected is not None:
        _check(path, *expected)
    return path


def _check(path: Path, fits: object, words: str) -> None:
    assert callable(fits)
    if not path.exists():
        raise OSError(f"hostPath type check failed: {path} does not exist on this node")
    if not fits(path.stat().st_mode):
        raise OSError(f"hostPath type check failed: {path} is not {words}")
