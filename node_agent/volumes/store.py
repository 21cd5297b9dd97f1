"""Volumes on a real node: set up before the containers, mounted into them, torn down after them.

Everything here touches the disk and may block, so it runs on threads; the callers are coroutines.
"""

import asyncio
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from node_agent.pods.env import expand
from node_agent.pods.facts import ConfigError, NodeFacts
from node_agent.runtime.model import Mount
from node_agent.volumes import atomic, downward, emptydir, hostpath, kernel, ownership, subpath
from node_agent.volumes.errors import VolumeError
from proto.v1.pod_pb2 import Container, Pod, Volume, VolumeMount


class Volumes(Protocol):
    """The seam: real directories, or, on hollow nodes, none."""

    async def set_up(self, pod: Pod) -> None:
        """Make all volumes; again is harmless, and brings live ones up to date. Raises VolumeError."""

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        """What to mount into the container. Raises VolumeError."""

    async def tear_down(self, uid: str) -> None:
        """Unmount and remove all of the pod's volumes; no-op when gone."""


class DiskVolumes:
    """Implements `Volumes` under `root`, one directory per pod uid."""

    def __init__(self, root: Path, node: NodeFacts) -> None:
        self._root, self._node = root, node

    async def set_up(self, pod: Pod) -> None:
        if pod.spec.volumes:
            await asyncio.to_thread(self._set_up, pod)

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        if not container.volumeMounts:
            return []
        return await asyncio.to_thread(self._mounts, pod, container, env)

    async def tear_down(self, uid: str) -> None:
        await asyncio.to_thread(self._tear_down, uid)

    def _set_up(self, pod: Pod) -> None:
        for volume in pod.spec.volumes:
            try:
                self._one(pod, volume)
            except (OSError, ValueError, ConfigError) as error:
                raise VolumeError(volume.name, str(error)) from error

    def _one(self, pod: Pod, volume: Volume) -> None:
        directory = self.directory(pod.metadata.uid, volume.name)
        context = pod.spec.securityContext
        group = context.fsGroup if context.HasField("fsGroup") else None
        if volume.HasField("hostPath"):
            hostpath.set_up(volume.hostPath)
        elif volume.HasField("downwardAPI"):
            told = downward.files(volume.downwardAPI, pod, self._node)
            atomic.write(directory, told, group=group)
        else:
            fresh = not directory.exists()
            emptydir.set_up(volume.emptyDir, directory)
            if group is not None and fresh:
                careful = context.fsGroupChangePolicy == "OnRootMismatch"
                ownership.give_to_group(directory, group, only_if_needed=careful)

    def _mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        volumes = {volume.name: volume for volume in pod.spec.volumes}
        made = []
        for index, mount in enumerate(container.volumeMounts):
            volume = volumes.get(mount.name)
            if volume is None:
                raise VolumeError(mount.name, f'the pod has no volume "{mount.name}"')
            target = self._root / pod.metadata.uid / "subpaths" / container.name / str(index)
            try:
                source = self._source(pod.metadata.uid, volume, mount, env, target)
            except OSError as error:
                raise VolumeError(mount.name, str(error)) from error
            made.append(_mount(mount, volume, source))
        return made

    def _source(
        self, uid: str, volume: Volume, mount: VolumeMount, env: Mapping[str, str], target: Path
    ) -> Path:
        is_host = volume.HasField("hostPath")
        whole = Path(volume.hostPath.path) if is_host else self.directory(uid, volume.name)
        part = expand(mount.subPathExpr, env) if mount.subPathExpr else mount.subPath
        return subpath.bind(whole, part, target) if part else whole

    def directory(self, uid: str, name: str) -> Path:
        """Where a volume of the pod lies."""
        return self._root / uid / "volumes" / name

    def _tear_down(self, uid: str) -> None:
        """Nothing is removed through a mount: all of them go first."""
        home = (self._root / uid).resolve()
        for point in kernel.mounts_below(home):
            kernel.unmount(point)
        for part in ("subpaths", "volumes"):
            shutil.rmtree(home / part, ignore_errors=True)


def _mount(mount: VolumeMount, volume: Volume, source: Path) -> Mount:
    propagation = {"HostToContainer": "HostToContainer", "Bidirectional": "Bidirectional"}
    return Mount(
        host_path=str(source),
        container_path=mount.mountPath,
        read_only=mount.readOnly or volume.HasField("downwardAPI"),
        propagation=propagation.get(mount.mountPropagation, "None"),  # type: ignore[arg-type]
    )


class NoVolumes:
    """Implements `Volumes` for hollow nodes: there is no container to see them."""

    async def set_up(self, pod: Pod) -> None:
        """Nothing to make."""

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        return []

    async def tear_down(self, uid: str) -> None:
        """Nothing to remove."""
