"""Volumes made of small files: downwardAPI, configMap, secret, and several of them projected into one (S#48)."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath
from typing import Any

from api.errors import Cause
from control_plane.apiserver.validation import causes, environment
from control_plane.apiserver.validation.formats import volume_path
from proto.v1.pod_pb2 import (
    DownwardAPIVolumeFile,
    KeyToPath,
    ProjectedVolumeSource,
    Volume,
    VolumeProjection,
)

PROJECTIONS = ("secret", "downwardAPI", "configMap", "serviceAccountToken")


def validate_files(volume: Volume, path: str) -> list[Cause]:
    """Of one of these volumes; nothing about any other."""
    found = facts(volume.downwardAPI.items, f"{path}.downwardAPI")
    found += items(volume.configMap.items, f"{path}.configMap")
    found += items(volume.secret.items, f"{path}.secret")
    if volume.HasField("projected"):
        found += _projected(volume.projected, f"{path}.projected")
    return found


def items(chosen: Sequence[KeyToPath], path: str) -> list[Cause]:
    """Which key becomes which file."""
    return [
        causes.invalid(f"{path}.items[{index}].path", item.path, problem)
        for index, item in enumerate(chosen)
        for problem in volume_path(item.path)
    ]


def facts(chosen: Sequence[DownwardAPIVolumeFile], path: str) -> list[Cause]:
    """Which of the pod's fields becomes which file."""
    found: list[Cause] = []
    for index, item in enumerate(chosen):
        place = f"{path}.items[{index}]"
        found += [
            causes.invalid(f"{place}.path", item.path, each) for each in volume_path(item.path)
        ]
        if item.HasField("fieldRef") and item.HasField("resourceFieldRef"):
            told = "fieldRef and resourceFieldRef can not be specified simultaneously"
            found.append(causes.invalid(place, "resource", told))
        elif item.HasField("fieldRef"):
            allowed = environment.VOLUME_FIELDS
            found += environment.validate_field(item.fieldRef, allowed, f"{place}.fieldRef")
        elif item.HasField("resourceFieldRef"):
            at = f"{place}.resourceFieldRef"
            found += environment.validate_resource(item.resourceFieldRef, at, volume=True)
        else:
            told = "one of fieldRef and resourceFieldRef is required"
            found.append(causes.required(f"{place}.fieldRef", told))
    return found


def _projected(source: ProjectedVolumeSource, path: str) -> list[Cause]:
    found: list[Cause] = []
    seen: set[str] = set()
    for index, part in enumerate(source.sources):
        place = f"{path}.sources[{index}]"
        found += _part(part, place)
        for at, target in _targets(part, place):
            file = str(PurePosixPath(target))
            if file in seen:
                found.append(causes.invalid(at, target, "conflicting duplicate paths"))
            seen.add(file)
    return found


def _part(part: VolumeProjection, path: str) -> list[Cause]:
    missing = f"must specify one of: {', '.join(f'`{name}`' for name in PROJECTIONS)}"
    found = causes.exactly_one(part, PROJECTIONS, path, what="volume type", missing=missing)
    found += items(part.secret.items, f"{path}.secret")
    found += items(part.configMap.items, f"{path}.configMap")
    found += facts(part.downwardAPI.items, f"{path}.downwardAPI")
    token = part.serviceAccountToken.path
    at = f"{path}.serviceAccountToken.path"
    return found + [causes.invalid(at, token, each) for each in volume_path(token)]


def _targets(part: VolumeProjection, path: str) -> Iterator[tuple[str, str]]:
    """(where it says so, the path that it claims)"""
    listed: tuple[tuple[str, Iterable[Any]], ...] = (
        ("secret", part.secret.items),
        ("configMap", part.configMap.items),
        ("downwardAPI", part.downwardAPI.items),
    )
    for name, chosen in listed:
        for index, item in enumerate(chosen):
            yield f"{path}.{name}.items[{index}].path", item.path
    if part.HasField("serviceAccountToken"):
        yield f"{path}.serviceAccountToken.path", part.serviceAccountToken.path
