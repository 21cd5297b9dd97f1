"""Volumes on a real node: set up before the containers, mounted into them, torn down after them.

Everything here touches the disk and may block, so it runs on threads; the callers are coroutines.
"""

import asyncio
import os
import shutil
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Protocol

from node_agent.pods.env import expand
from node_agent.pods.facts import ConfigError
from node_agent.runtime.model import Mount
from node_agent.volumes import atomic, emptydir, hostpath, kernel, ownership, subpath
from node_agent.volumes.contents import Material, files, is_made_of_files, is_secret
from node_agent.volumes.errors import VolumeError
from node_agent.volumes.gathering import Gatherer
from proto.v1.pod_pb2 import Container, Pod, Volume, VolumeMount

_LEAST_ROOM = 64 * 1024  # bytes, of a volume in memory
_MOST_ROOM = 64 * 1024 * 1024


class Volumes(Protocol):
    """The seam: real directories, or, on hollow nodes, none."""

    async def set_up(self, pod: Pod) -> datetime | None:
        """Make all volumes; again is harmless, and brings live ones up to date.

        The answer is when to do it again even if nothing changes: a token in them is to be renewed then.
        Raises VolumeError.
        """

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        """What to mount into the container. Raises VolumeError."""

    async def tear_down(self, uid: str) -> None:
        """Unmount and remove all of the pod's volumes; no-op when gone."""


class DiskVolumes:
    """Implements `Volumes` under `root`, one directory per pod uid."""

    def __init__(self, root: Path, gatherer: Gatherer) -> None:
        self._root, self._gatherer = root, gatherer

    async def set_up(self, pod: Pod) -> datetime | None:
        if not pod.spec.volumes:
            return None
        gathered = await self._gatherer.gather(pod, lambda volume: self._is_there(pod, volume))
        await asyncio.to_thread(self._set_up, pod, gathered.material, gathered.unknown)
        return gathered.again_at

    def _is_there(self, pod: Pod, volume: Volume) -> bool:
        """Whether it was made before, and its files are still to be seen."""
        directory = self.directory(pod.metadata.uid, volume.name)
        return (directory / atomic.DATA).exists()

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        if not container.volumeMounts:
            return []
        return await asyncio.to_thread(self._mounts, pod, container, env)

    async def tear_down(self, uid: str) -> None:
        await tear_down(self._root, uid)

    def _set_up(self, pod: Pod, material: Material, unknown: frozenset[str]) -> None:
        for volume in pod.spec.volumes:
            if volume.name in unknown:
                continue  # it keeps the files that it has
            try:
                self._one(pod, volume, material)
            except (OSError, ValueError, ConfigError) as error:
                raise VolumeError(volume.name, str(error)) from error

    def _one(self, pod: Pod, volume: Volume, material: Material) -> None:
        directory = self.directory(pod.metadata.uid, volume.name)
        context = pod.spec.securityContext
        group = context.fsGroup if context.HasField("fsGroup") else None
        if volume.HasField("hostPath"):
            hostpath.set_up(volume.hostPath)
        elif is_made_of_files(volume):
            made = files(volume, pod, material)
            if is_secret(volume):
                _keep_in_memory(directory, atomic.room(made))
            atomic.write(directory, made, group=group)
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
        made = not is_made_of_files(volume)  # there is nothing to add to what the agent writes
        return subpath.bind(whole, part, target, make=made) if part else whole

    def directory(self, uid: str, name: str) -> Path:
        """Where a volume of the pod lies."""
        return self._root / uid / "volumes" / name


async def tear_down(root: Path, uid: str) -> None:
    """What a pod has below `root`, whoever made it."""
    await asyncio.to_thread(_tear_down, root, uid)


def _tear_down(root: Path, uid: str) -> None:
    """Nothing is removed through a mount: all of them go first."""
    home = (root / uid).resolve()
    for point in kernel.mounts_below(home):
        kernel.unmount(point)
    for part in ("subpaths", "volumes"):
        shutil.rmtree(home / part, ignore_errors=True)


def _mount(mount: VolumeMount, volume: Volume, source: Path) -> Mount:
    propagation = {"HostToContainer": "HostToContainer", "Bidirectional": "Bidirectional"}
    return Mount(
        host_path=str(source),
        container_path=mount.mountPath,
        read_only=mount.readOnly or is_made_of_files(volume),
        propagation=propagation.get(mount.mountPropagation, "None"),  # type: ignore[arg-type]
    )


def _keep_in_memory(directory: Path, room: int) -> None:
    """A tmpfs that holds the files twice, since the old ones stay until the new ones are shown."""
    if room > _MOST_ROOM:
        raise OSError(f"its files take {room} bytes of memory, more than {_MOST_ROOM}")
    directory.mkdir(parents=True, exist_ok=True, mode=0o755)
    wanted = 2 * room + _LEAST_ROOM
    if directory.is_mount():
        about = os.statvfs(directory)
        if about.f_blocks * about.f_frsize >= wanted:
            return
    kernel.mount_secrets(directory, wanted)


class NoVolumes:
    """Implements `Volumes` for hollow nodes: there is no container to see them, but what is missing is missed."""

    def __init__(self, gatherer: Gatherer) -> None:
        self._gatherer = gatherer

    async def set_up(self, pod: Pod) -> datetime | None:
        if not any(map(is_made_of_files, pod.spec.volumes)):
            return None
        gathered = await self._gatherer.gather(pod, lambda volume: False)
        for volume in filter(is_made_of_files, pod.spec.volumes):
            try:
                files(volume, pod, gathered.material)
            except ConfigError as error:
                raise VolumeError(volume.name, str(error)) from error
        return gathered.again_at

    async def mounts(self, pod: Pod, container: Container, env: Mapping[str, str]) -> list[Mount]:
        return []

    async def tear_down(self, uid: str) -> None:
        """Nothing to remove."""
