"""The few files of a pod that lie on the host and are mounted into its containers.

resolv.conf and hosts are the same for all containers of a pod; a termination message belongs to
one run of one container. They live in one directory per sandbox and go with it. Docker would write
its own resolv.conf and hosts, which name the engine's networks, not ours.
"""

import shutil
from pathlib import Path

from node_agent.runtime.model import ContainerSpec, Mount, SandboxSpec

_SHARED = {"resolv.conf": "/etc/resolv.conf", "hosts": "/etc/hosts"}


class PodFiles:
    """Directories under one root. Everything here blocks, for microseconds."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def write(self, spec: SandboxSpec) -> None:
        """Make the sandbox's directory with its files; again is harmless."""
        directory = self._directory(spec.pod_uid, spec.attempt)
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in (("resolv.conf", spec.resolv_conf), ("hosts", spec.hosts)):
            if text is not None:
                (directory / name).write_text(text)

    def mounts(self, spec: ContainerSpec) -> tuple[Mount, ...]:
        """The mounts for a container, its empty termination message made."""
        directory = self._directory(spec.sandbox.pod_uid, spec.sandbox.attempt)
        shared = [
            Mount(str(directory / name), path)
            for name, path in _SHARED.items()
            if (directory / name).exists()
        ]
        if not spec.termination_message_path:
            return tuple(shared)
        message = self.termination_file(spec)
        message.parent.mkdir(parents=True, exist_ok=True)
        message.touch()
        message.chmod(0o666)  # whoever the container runs as writes it
        return (*shared, Mount(str(message), spec.termination_message_path))

    def termination_file(self, spec: ContainerSpec) -> Path:
        """Where a container's last words go on the host."""
        directory = self._directory(spec.sandbox.pod_uid, spec.sandbox.attempt)
        return directory / f"{spec.name}.{spec.attempt}.termination"

    def remove(self, pod_uid: str, attempt: int) -> None:
        """Remove a sandbox's directory; no-op when gone."""
        shutil.rmtree(self._directory(pod_uid, attempt), ignore_errors=True)

    def _directory(self, pod_uid: str, attempt: int) -> Path:
        return self._root / f"{pod_uid}.{attempt}"
