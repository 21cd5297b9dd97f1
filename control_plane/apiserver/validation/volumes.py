"""Volumes, and where containers mount them (S#48)."""

from collections.abc import Sequence

from api.errors import Cause
from control_plane.apiserver.validation import causes
from control_plane.apiserver.validation.formats import relative_path
from control_plane.apiserver.validation.projections import validate_files
from proto.v1.pod_pb2 import Container, Volume, VolumeMount

_SOURCES = ("emptyDir", "hostPath", "downwardAPI", "configMap", "secret", "projected")


def validate_volumes(volumes: Sequence[Volume], path: str) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        place = f"{path}[{index}]"
        if volume.name and volume.name in seen:
            found.append(causes.duplicate(f"{place}.name", volume.name))
        seen.add(volume.name)
        found += _source(volume, place)
    return found


def validate_mounts(container: Container, volumes: Sequence[Volume], path: str) -> list[Cause]:
    known, seen = {volume.name for volume in volumes}, set()
    found: list[Cause] = []
    for index, mount in enumerate(container.volumeMounts):
        place = f"{path}.volumeMounts[{index}]"
        if mount.name and mount.name not in known:
            found.append(causes.not_found(f"{place}.name", mount.name))
        if mount.mountPath and mount.mountPath in seen:
            found.append(causes.invalid(f"{place}.mountPath", mount.mountPath, "must be unique"))
        seen.add(mount.mountPath)
        found += _mount(container, mount, place)
    return found


def _source(volume: Volume, path: str) -> list[Cause]:
    missing = "must specify a volume type"
    found = causes.exactly_one(volume, _SOURCES, path, what="volume type", missing=missing)
    if volume.HasField("hostPath") and ".." in volume.hostPath.path.split("/"):
        told = "must not contain '..'"
        found.append(causes.invalid(f"{path}.hostPath.path", volume.hostPath.path, told))
    return found + validate_files(volume, path)


def _mount(container: Container, mount: VolumeMount, path: str) -> list[Cause]:
    found = []
    if ":" in mount.mountPath:
        found.append(causes.invalid(f"{path}.mountPath", mount.mountPath, "must not contain ':'"))
    for name in ("subPath", "subPathExpr"):
        text = getattr(mount, name)
        found += [causes.invalid(f"{path}.{name}", text, each) for each in relative_path(text)]
    if mount.subPath and mount.subPathExpr:
        told = "subPathExpr and subPath are mutually exclusive"
        found.append(causes.invalid(f"{path}.subPathExpr", mount.subPathExpr, told))
    if mount.mountPropagation == "Bidirectional" and not container.securityContext.privileged:
        told = "Bidirectional mount propagation is available only to privileged containers"
        found.append(causes.forbidden(f"{path}.mountPropagation", told))
    return found
