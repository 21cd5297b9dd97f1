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
    found = set(of_volumes(spec, namespace)) | set(of_pulls(spec, namespace))
    for container in (*spec.initContainers, *spec.containers):
        found |= of_container(container, namespace)
    return frozenset(found)


def of_container(container: Container, namespace: str) -> frozenset[Reference]:
    """For its environment."""
    return frozenset(_environment(container, namespace))


def of_volumes(spec: PodSpec, namespace: str) -> frozenset[Reference]:
    return frozenset(each for volume in spec.volumes for each in of_volume(volume, namespace))


def of_volume(volume: Volume, namespace: str) -> Iterator[Reference]:
    if volume.HasField("configMap"):
        yield Reference("ConfigMap", namespace, volume.configMap.name)
    if volume.HasField("secret"):
        yield Reference("Secret", namespace, volume.secret.secretName)
    for part in volume.projected.sources:
        if part.HasField("configMap"):
            yield Reference("ConfigMap", namespace, part.configMap.name)
        if part.HasField("secret"):
            yield Reference("Secret", namespace, part.secret.name)


def of_pulls(spec: PodSpec, namespace: str) -> tuple[Reference, ...]:
    """For logging in to registries, in the order in which they are tried."""
    return tuple(
        Reference("Secret", namespace, each.name) for each in spec.imagePullSecrets if each.name
    )


def _environment(container: Container, namespace: str) -> Iterator[Reference]:
    for source in container.envFrom:
        if source.HasField("configMapRef"):
            yield Reference("ConfigMap", namespace, source.configMapRef.name)
        if source.HasField("secretRef"):
            yield Reference("Secret", namespace, source.secretRef.name)
    for variable in container.env:
        origin = variable.valueFrom
        if origin.HasField("configMapKeyRef"):
            yield Reference("ConfigMap", namespace, origin.configMapKeyRef.name)
        if origin.HasField("secretKeyRef"):
            yield Reference("Secret", namespace, origin.secretKeyRef.name)
