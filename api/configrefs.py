"""Which ConfigMaps and Secrets a pod names, and where. Pure.

One answer for all who ask: the agent watches these objects and no others, a controller rolls out when they change, and
whoever decides what a node may read decides by them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from proto.v1.config_pb2 import ConfigMap, Secret
from proto.v1.pod_pb2 import Container, PodSpec, Volume

Content = ConfigMap | Secret


@dataclass(frozen=True, slots=True, order=True)
class Reference:
    """Names one object. Pods name only what is in their own namespace."""

    kind: Literal["ConfigMap", "Secret"]
    namespace: str
    name: str

    @property
    def message(self) -> type[Content]:
        return ConfigMap if self.kind == "ConfigMap" else Secret

    def __str__(self) -> str:
        """As messages have it: `secret "keys"`."""
        return f'{self.kind.lower()} "{self.name}"'


def of_pod(spec: PodSpec, namespace: str) -> frozenset[Reference]:
    """All that the pod needs of them, in whatever way."""
    return frozenset(named(spec, namespace)) | frozenset(of_pulls(spec, namespace))


def named(spec: PodSpec, namespace: str) -> dict[Reference, bool]:
    """What the pod's containers get to see, and whether the pod starts without it."""
    found: dict[Reference, bool] = {}
    sources = [_environment(each, namespace) for each in (*spec.initContainers, *spec.containers)]
    sources += [_files(volume, namespace) for volume in spec.volumes]
    for source in sources:
        for reference, optional in source:
            found[reference] = found.get(reference, True) and optional
    return found


def of_container(container: Container, namespace: str) -> frozenset[Reference]:
    """For its environment."""
    return frozenset(reference for reference, _ in _environment(container, namespace))


def of_volume(volume: Volume, namespace: str) -> frozenset[Reference]:
    return frozenset(reference for reference, _ in _files(volume, namespace))


def of_pulls(spec: PodSpec, namespace: str) -> tuple[Reference, ...]:
    """For logging in to registries, in the order in which they are tried."""
    names = (each.name for each in spec.imagePullSecrets)
    return tuple(Reference("Secret", namespace, name) for name in names if name)


Named = Iterator[tuple[Reference, bool]]  # with whether it may be missing


def _files(volume: Volume, namespace: str) -> Named:
    if volume.HasField("configMap"):
        config = volume.configMap
        yield Reference("ConfigMap", namespace, config.name), config.optional
    if volume.HasField("secret"):
        yield Reference("Secret", namespace, volume.secret.secretName), volume.secret.optional
    for part in volume.projected.sources:
        if part.HasField("configMap"):
            yield Reference("ConfigMap", namespace, part.configMap.name), part.configMap.optional
        if part.HasField("secret"):
            yield Reference("Secret", namespace, part.secret.name), part.secret.optional


def _environment(container: Container, namespace: str) -> Named:
    for source in container.envFrom:
        if source.HasField("configMapRef"):
            config = source.configMapRef
            yield Reference("ConfigMap", namespace, config.name), config.optional
        if source.HasField("secretRef"):
            yield Reference("Secret", namespace, source.secretRef.name), source.secretRef.optional
    for variable in container.env:
        origin = variable.valueFrom
        if origin.HasField("configMapKeyRef"):
            key = origin.configMapKeyRef
            yield Reference("ConfigMap", namespace, key.name), key.optional
        if origin.HasField("secretKeyRef"):
            hidden = origin.secretKeyRef
            yield Reference("Secret", namespace, hidden.name), hidden.optional
