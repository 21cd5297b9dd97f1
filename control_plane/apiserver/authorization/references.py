"""Which objects a pod needs on its node: what a node may read because the pod is bound to it. Pure."""

from collections.abc import Iterator
from typing import NamedTuple

from proto.v1.pod_pb2 import Container, Pod, Volume

SECRETS, CONFIGMAPS, ACCOUNTS = "secrets", "configmaps", "serviceaccounts"


class Reference(NamedTuple):
    """An object of the core group, in the pod's namespace."""

    resource: str
    namespace: str
    name: str


def references(pod: Pod) -> frozenset[Reference]:
    namespace, spec = pod.metadata.namespace, pod.spec
    found = {
        Reference(resource, namespace, name)
        for container in (*spec.initContainers, *spec.containers)
        for resource, name in _environment(container)
    }
    for volume in spec.volumes:
        found |= {Reference(resource, namespace, name) for resource, name in _volume(volume)}
    found |= {Reference(SECRETS, namespace, each.name) for each in spec.imagePullSecrets}
    if spec.serviceAccountName:
        found.add(Reference(ACCOUNTS, namespace, spec.serviceAccountName))
    return frozenset(each for each in found if each.name)


def _environment(container: Container) -> Iterator[tuple[str, str]]:
    for variable in container.env:
        yield SECRETS, variable.valueFrom.secretKeyRef.name
        yield CONFIGMAPS, variable.valueFrom.configMapKeyRef.name
    for source in container.envFrom:
        yield SECRETS, source.secretRef.name
        yield CONFIGMAPS, source.configMapRef.name


def _volume(volume: Volume) -> Iterator[tuple[str, str]]:
    yield SECRETS, volume.secret.secretName
    yield CONFIGMAPS, volume.configMap.name
    for source in volume.projected.sources:
        yield SECRETS, source.secret.name
        yield CONFIGMAPS, source.configMap.name
