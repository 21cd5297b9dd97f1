"""Mounts the kernel's control groups where nobody has: on a machine without an init system.

Docker limits containers through /sys/fs/cgroup, which systemd would have filled at boot. The second version of
the interface is preferred; a kernel whose controllers are tied to the first one gets a mount per controller.
"""

import os
import subprocess
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NEEDED = {"cpu", "memory", "pids"}


def mount_if_missing(root: Path = ROOT) -> bool:
    """Mount control groups if nothing is there; True if it did. Raises OSError."""
    if not root.is_dir() or any(root.iterdir()):
        return False
    mount("cgroup2", root)
    if set((root / "cgroup.controllers").read_text().split()) >= NEEDED:
        return True
    subprocess.run(["umount", root], check=True)
    mount("tmpfs", root, "mode=755")
    for controller in enabled_controllers(Path("/proc/cgroups").read_text()):
        (root / controller).mkdir()
        mount("cgroup", root / controller, controller)
    return True


def enabled_controllers(text: str) -> list[str]:
    """From /proc/cgroups, rows of: name, hierarchy, number of groups, enabled."""
    rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
    return [name for name, _, _, enabled in rows if enabled == "1"]


def mount(kind: str, target: Path, options: str = "defaults") -> None:
    done = subprocess.run(
        ["mount", "-t", kind, "-o", options, kind, target],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"cannot mount {kind} on {target}: {done.stderr.strip()}")


def usable(root: Path = ROOT) -> bool:
    """Whether Docker would find its controllers."""
    return os.access(root / "cgroup.controllers", os.R_OK) or (root / "memory").is_dir()
