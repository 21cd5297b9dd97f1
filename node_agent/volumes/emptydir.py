"""emptyDir: a directory that begins empty and ends with the pod; on disk, or in memory (tmpfs)."""

from pathlib import Path

from api import quantity
from node_agent.volumes import kernel
from proto.v1.pod_pb2 import EmptyDirVolumeSource

OPEN_TO_ALL = 0o777  # whoever the containers run as


def set_up(source: EmptyDirVolumeSource, directory: Path) -> None:
    """Again is harmless: what is in it stays."""
    if not directory.exists():
        directory.mkdir(parents=True)
        directory.chmod(OPEN_TO_ALL)
    if source.medium == "Memory" and not directory.is_mount():
        size = quantity.value(source.sizeLimit) if source.sizeLimit else 0
        kernel.mount_tmpfs(directory, f"size={size},mode=777" if size else "mode=777")
