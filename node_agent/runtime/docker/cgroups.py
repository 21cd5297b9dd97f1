"""What a container has used, from its control group; the kernel's own accounts.

The engine's `stats` takes one to two seconds a call; these are three small files. Where the group
is depends on the cgroup version (one tree, or one per controller), on the engine's cgroup driver
and on who started the engine, so it is not computed but read from /proc/<pid>/cgroup.
"""

from pathlib import Path

from node_agent.runtime.model import Usage

_ROOT = Path("/sys/fs/cgroup")


def belongs(pid: int, container_id: str, proc: Path = Path("/proc")) -> bool:
    """Whether the process is (still) of the container: process numbers are used again."""
    try:
        return container_id in (proc / str(pid) / "cgroup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def usage(pid: int, *, proc: Path = Path("/proc"), root: Path = _ROOT) -> Usage:
    """Raises FileNotFoundError or ProcessLookupError when the process or its group is gone."""
    groups = _groups((proc / str(pid) / "cgroup").read_text())
    if "memory" in groups and "cpuacct" in groups:
        return _version_1(root, groups)
    return _version_2(root / groups[""].lstrip("/"))


def of_machine(*, meminfo: Path = Path("/proc/meminfo"), root: Path = _ROOT) -> Usage:
    """What everything on the machine has used. Raises OSError."""
    if (root / "memory").is_dir():
        return _version_1(root, {"cpuacct": "/", "memory": "/"})
    cpu = _table(root / "cpu.stat")["usage_usec"] * 1000
    # The root of version 2 does not count memory: the kernel's own summary does.
    rows = (line.split() for line in meminfo.read_text().splitlines())
    kib = {words[0].rstrip(":"): int(words[1]) for words in rows}
    used = kib["MemTotal"] - kib["MemFree"]
    return Usage(cpu, max(0, used - kib["Inactive(file)"]) * 1024, used * 1024)


def _groups(text: str) -> dict[str, str]:
    """Controller → path, of lines like `4:cpu,cpuacct:/docker/7f…`; version 2 has the name ""."""
    lines = (line.split(":", 2) for line in text.splitlines())
    return {name: path for _, names, path in lines for name in names.split(",")}


def _version_1(root: Path, groups: dict[str, str]) -> Usage:
    cpu = root / "cpuacct" / groups["cpuacct"].lstrip("/")
    memory = root / "memory" / groups["memory"].lstrip("/")
    used = int((memory / "memory.usage_in_bytes").read_text())
    idle = _table(memory / "memory.stat")["total_inactive_file"]
    return Usage(int((cpu / "cpuacct.usage").read_text()), max(0, used - idle), used)


def _version_2(group: Path) -> Usage:
    used = int((group / "memory.current").read_text())
    idle = _table(group / "memory.stat")["inactive_file"]
    cpu = _table(group / "cpu.stat")["usage_usec"] * 1000
    return Usage(cpu, max(0, used - idle), used)


def _table(path: Path) -> dict[str, int]:
    pairs = (line.split() for line in path.read_text().splitlines())
    return {name: int(value) for name, value in pairs}
