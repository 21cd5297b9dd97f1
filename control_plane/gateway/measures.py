"""How the server is, and what it counts, in the words that programs look for.

/metrics is in Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). It tells what is
known without counting on the path of requests: what is stored of each kind, who watches, memory, time.
"""

import os
import resource
import time
from collections.abc import Iterator

from api import clock
from control_plane.apiserver.kinds import STRATEGIES
from control_plane.apiserver.reads import Reads
from control_plane.gateway.objects import Objects

PAGE = os.sysconf("SC_PAGE_SIZE")


def checks(reads: Reads) -> dict[str, bool]:
    """What must hold for the server to be of use."""
    return {"ping": True, "watch-cache": reads.revision >= 0}


def exposition(reads: Reads, kept: Objects) -> str:
    return "\n".join([*_stored(reads), *_gateway(kept), *_process(), ""])


def _stored(reads: Reads) -> Iterator[str]:
    stored = [kind for kind in STRATEGIES if kind.stored]
    yield from _head("apiserver_storage_objects", "gauge", "Number of stored objects by kind.")
    for kind in stored:
        count = reads.cache_of(kind).count
        yield f'apiserver_storage_objects{{resource="{kind.full_name}"}} {count}'
    yield from _head("apiserver_registered_watchers", "gauge", "Number of watchers by kind.")
    for kind in stored:
        about = f'group="{kind.group}",version="{kind.version}",kind="{kind.name}"'
        yield f"apiserver_registered_watchers{{{about}}} {len(list(reads.cache_of(kind).watchers()))}"
    yield from _head("helmling_watch_cache_revision", "gauge", "The version the watch cache is at.")
    yield f"helmling_watch_cache_revision {reads.revision}"


def _gateway(kept: Objects) -> Iterator[str]:
    yield from _head("helmling_gateway_json_bytes", "gauge", "Bytes of objects kept as JSON.")
    yield f"helmling_gateway_json_bytes {kept.held}"


def _process() -> Iterator[str]:
    used = resource.getrusage(resource.RUSAGE_SELF)
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    yield from _head("process_cpu_seconds_total", "counter", "User and system CPU time.")
    yield f"process_cpu_seconds_total {used.ru_utime + used.ru_stime:.3f}"
    yield from _head("process_resident_memory_bytes", "gauge", "Resident memory size.")
    yield f"process_resident_memory_bytes {pages * PAGE}"
    yield from _head("process_start_time_seconds", "gauge", "Start time since the epoch.")
    yield f"process_start_time_seconds {_started():.2f}"


def _started() -> float:
    """The kernel knows it, as ticks since the machine started."""
    with open("/proc/self/stat") as file:
        ticks = int(file.read().rpartition(")")[2].split()[19])
    return (
        clock.now().timestamp()
        - time.clock_gettime(time.CLOCK_BOOTTIME)
        + ticks / os.sysconf("SC_CLK_TCK")
    )


def _head(name: str, type: str, about: str) -> tuple[str, str]:
    return f"# HELP {name} {about}", f"# TYPE {name} {type}"
