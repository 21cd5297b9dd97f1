"""fsGroup: a volume belongs to a group that all of the pod's processes are members of.

https://kubernetes.io/docs/tasks/configure-pod-container/security-context/#set-the-security-context-for-a-pod
"""

import os
import stat
from pathlib import Path

_DIRECTORY, _FILE = 0o2770, 0o660  # a directory's group is inherited by what is made in it


def give_to_group(directory: Path, group: int, *, only_if_needed: bool = False) -> None:
    """All that is in it; `only_if_needed` stops when the top is right already. Links are not followed."""
    top = directory.stat()
    if only_if_needed and top.st_gid == group and top.st_mode & _DIRECTORY == _DIRECTORY:
        return
    for parent, _, names in os.walk(directory):
        _give(Path(parent), group)
        for name in names:
            _give(Path(parent, name), group)


def _give(path: Path, group: int) -> None:
    mode = path.lstat().st_mode
    os.lchown(path, -1, group)
    if stat.S_ISLNK(mode):
        return
    path.chmod(stat.S_IMODE(mode) | (_DIRECTORY if stat.S_ISDIR(mode) else _FILE))
