"""What a process costs, from /proc."""

import os
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    rss: int  # bytes
    cpu: float  # seconds of processor time since its start
    age: float  # seconds since its start

    @property
    def percent(self) -> float:
        """Of one core, on average since the start."""
        return 100 * self.cpu / self.age if self.age > 0 else 0.0


def of(pid: int) -> Usage | None:
    """None if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    tick = os.sysconf("SC_CLK_TCK")
    cpu = (int(fields[11]) + int(fields[12])) / tick
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / tick
    return Usage(pages * os.sysconf("SC_PAGE_SIZE"), cpu, age)
