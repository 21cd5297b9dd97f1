"""The pods as they were last seen, kept on the node's disk.

A node goes on restarting and probing its pods while no server answers, also after a restart of its own agent; for
that it needs their specs. One file per pod, replaced by a rename; one that cannot be read is as good as none, since
the server has the truth.
"""

import logging
import os
import shutil
from pathlib import Path
from typing import Protocol

from google.protobuf.message import DecodeError

from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)
FILE = "pod.pb"


class PodDisk(Protocol):
    """The seam: a directory, or on hollow nodes nothing. Calls take microseconds; they are not awaited."""

    def save(self, pod: Pod) -> None: ...

    def load(self) -> list[Pod]: ...

    def forget(self, uid: str) -> None: ...

    def uids(self) -> set[str]:
        """Of all pods that left anything here."""


class Directory:
    """Implements `PodDisk` under `root`, where the volumes are too."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def save(self, pod: Pod) -> None:
        home = self._root / pod.metadata.uid
        home.mkdir(parents=True, exist_ok=True, mode=0o750)
        fresh = home / f"{FILE}.new"
        fresh.write_bytes(pod.SerializeToString())
        os.replace(fresh, home / FILE)

    def load(self) -> list[Pod]:
        pods = []
        for uid in self.uids():
            path = self._root / uid / FILE
            try:
                pods.append(Pod.FromString(path.read_bytes()))
            except FileNotFoundError:
                continue
            except DecodeError:
                log.warning("pod_unreadable path=%s", path)
        return sorted(pods, key=lambda pod: pod.metadata.creationTimestamp.ToNanoseconds())

    def forget(self, uid: str) -> None:
        shutil.rmtree(self._root / uid, ignore_errors=True)

    def uids(self) -> set[str]:
        return {entry.name for entry in self._root.iterdir()} if self._root.is_dir() else set()


class Nowhere:
    """Implements `PodDisk` for hollow nodes."""

    def save(self, pod: Pod) -> None:
        """Not kept."""

    def load(self) -> list[Pod]:
        return []

    def forget(self, uid: str) -> None:
        """Nothing was kept."""

    def uids(self) -> set[str]:
        return set()
