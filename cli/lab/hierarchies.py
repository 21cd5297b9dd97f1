"""The kernel's control groups, of both versions: a group for each machine in every hierarchy that is mounted."""

import time
from contextlib import suppress
from pathlib import Path

INHERITED = ("cpuset.mems", "cpuset.cpus")  # version 1: a group without them takes no process
ASIDE = "init"  # version 2: where a machine's first processes are (boot.py)
PATIENCE = 5.0  # seconds until the kernel has done with a group whose processes have ended


def mounted(mounts: str) -> list[Path]:
    """Of the text of /proc/mounts. Pure."""
    rows = (line.split() for line in mounts.splitlines())
    return sorted({Path(row[1]) for row in rows if row[2] in ("cgroup", "cgroup2")})


def _roots() -> list[Path]:
    return mounted(Path("/proc/mounts").read_text())


def make(group: str) -> None:
    for root in _roots():
        folder = root
        for part in Path(group).parts:
            above, folder = folder, folder / part
            give_controllers(above)
            folder.mkdir(exist_ok=True)
            for name in INHERITED:
                if (folder / name).exists() and (above / name).exists():
                    (folder / name).write_text((above / name).read_text())


def give_controllers(folder: Path) -> None:
    """Version 2: groups inside have the controllers that this one hands down."""
    if (folder / "cgroup.controllers").exists():
        for controller in (folder / "cgroup.controllers").read_text().split():
            with suppress(OSError):  # one that cannot be handed down, such as a real-time one
                (folder / "cgroup.subtree_control").write_text(f"+{controller}")


def join(group: str, pid: int) -> None:
    """The process, and all that it will start, belongs to the group from now on."""
    for root in _roots():
        aside = root / group / ASIDE
        folder = aside if (aside / "cgroup.controllers").exists() else root / group
        if folder.is_dir():
            (folder / "cgroup.procs").write_text(str(pid))


def remove(group: str) -> None:
    """With all groups inside. No-op when there are none."""
    deadline = time.monotonic() + PATIENCE
    for root in _roots():
        while (root / group).exists() and not _removed(root / group):
            if time.monotonic() > deadline:
                raise OSError(f"{root / group} cannot be removed: somebody is in it")
            time.sleep(0.02)


def remove_if_empty(group: str) -> None:
    for root in _roots():
        with suppress(OSError):
            (root / group).rmdir()


def _removed(folder: Path) -> bool:
    folders = [each for each in folder.rglob("*") if each.is_dir()]
    for each in [*sorted(folders, reverse=True), folder]:
        with suppress(OSError):
            each.rmdir()
    return not folder.exists()


def memory(group: str) -> int | None:
    """Bytes in use; None: nobody counts."""
    for root in _roots():
        for name in ("memory.usage_in_bytes", "memory.current"):
            with suppress(OSError, ValueError):
                return int((root / group / name).read_text())
    return None
