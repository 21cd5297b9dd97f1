"""What the kernel lets an engine on this machine do.

Lowering a process's oom_score_adj, so that it is killed late when memory runs out, needs
CAP_SYS_RESOURCE. In a nested lab or a container engine without it a start would fail as a whole
("can't get final child's PID from pipe"); a pod protected a little less is better than no pod.
"""

from pathlib import Path

_CAP_SYS_RESOURCE = 24
LOWEST = -1000


def lowest_oom_score(proc: Path = Path("/proc/self")) -> int:
    """The smallest oom_score_adj that may be asked for. We and the engine are taken to be equal."""
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    if int(status["CapEff"], 16) >> _CAP_SYS_RESOURCE & 1:
        return LOWEST
    return int((proc / "oom_score_adj").read_text())
