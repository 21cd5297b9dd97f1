"""Whether the kernel killed a container for taking too much memory: ask the kernel's own log.

Docker learns of it through a notification that races with the end of the cgroup, and on cgroup v1
it is lost more often than not; then the container is merely "killed, 137", and nobody knows why.
The kernel writes the container's cgroup into its log before it kills, so the log is never behind.
"""

import os
from pathlib import Path

KERNEL_LOG = Path("/dev/kmsg")
_RECORD_BYTES = 8192  # the kernel refuses to give a record in parts


def killed(container_id: str, log: Path = KERNEL_LOG) -> bool:
    """Whether the log, as far back as it goes, tells of an OOM kill in the container's cgroup."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:
        return False  # not ours to read, in a lab without privileges; the engine's word must do
    try:
        return _tells(descriptor, container_id.encode())
    finally:
        os.close(descriptor)


def _tells(descriptor: int, container_id: bytes) -> bool:
    while True:
        try:
            record = os.read(descriptor, _RECORD_BYTES)
        except BlockingIOError:
            return False  # read to its end
        except BrokenPipeError:
            continue  # the oldest record was overwritten while we read
        if not record:
            return False
        if b"oom-kill:" in record and container_id in record:
            return True
