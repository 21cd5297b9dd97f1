"""Which files a volume of small files holds: configMap, secret, downwardAPI, and several of them projected. Pure.

https://kubernetes.io/docs/concepts/storage/projected-volumes/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from api.configrefs import Content, Reference
from node_agent.pods.facts import ConfigError, NodeFacts
from node_agent.volumes import downward
from node_agent.volumes.atomic import File
from proto.v1.config_pb2 import ConfigMap
from proto.v1.pod_pb2 import KeyToPath, Pod, Volume, VolumeProjection

DEFAULT_MODE = 0o644
PRIVATE = 0o600  # of a token, for programs that all run as one user


@dataclass(frozen=True)
class Material:
    """What the files are made from."""

    node: NodeFacts
    # The ConfigMaps and Secrets that the pod's volumes name; None: there is none of that name.
    contents: Mapping[Reference, Content | None] = field(default_factory=dict, repr=False)
    tokens: Mapping[str, str] = field(default_factory=dict, repr=False)  # by `token_key`


def is_made_of_files(volume: Volume) -> bool:
    """Whether the agent writes its files (and containers only read them)."""
    named = ("configMap", "secret", "downwardAPI", "projected")
    return any(volume.HasField(name) for name in named)


def is_secret(volume: Volume) -> bool:
    """Whether no disk may ever see its files."""
    return volume.HasField("secret") or any(
        part.HasField("secret") or part.HasField("serviceAccountToken")
        for part in volume.projected.sources
    )


def token_key(volume: Volume, part: VolumeProjection) -> str:
    """Names one token of a pod."""
    return f"{volume.name}/{part.serviceAccountToken.path}"


def files(volume: Volume, pod: Pod, material: Material) -> dict[str, File]:
    """The files by their relative paths. Raises ConfigError when something that they need is not there."""
    namespace = pod.metadata.namespace
    if volume.HasField("downwardAPI"):
        return downward.files(
            volume.downwardAPI.items, _mode(volume.downwardAPI), pod, material.node
        )
    if volume.HasField("configMap"):
        config = volume.configMap
        reference = Reference("ConfigMap", namespace, config.name)
        found = _payload(reference, material, optional=config.optional)
        return _chosen(reference, found, config.items, _mode(config), optional=config.optional)
    if volume.HasField("secret"):
        secret = volume.secret
        reference = Reference("Secret", namespace, secret.secretName)
        found = _payload(reference, material, optional=secret.optional)
        return _chosen(reference, found, secret.items, _mode(secret), optional=secret.optional)
    whole: dict[str, File] = {}
    for part in volume.projected.sources:
        whole |= _part(volume, part, pod, material)
    return whole


def _part(volume: Volume, part: VolumeProjection, pod: Pod, material: Material) -> dict[str, File]:
    mode, namespace = _mode(volume.projected), pod.metadata.namespace
    if part.HasField("downwardAPI"):
        return downward.files(part.downwardAPI.items, mode, pod, material.node)
    if part.HasField("serviceAccountToken"):
        token = material.tokens[token_key(volume, part)].encode()
        owner = only_user(pod)
        shared = pod.spec.securityContext.HasField("fsGroup")
        private = owner is not None or shared
        return {part.serviceAccountToken.path: File(token, PRIVATE if private else mode, owner)}
    is_map = part.HasField("configMap")
    chosen = part.configMap if is_map else part.secret
    reference = Reference("ConfigMap" if is_map else "Secret", namespace, chosen.name)
    found = _payload(reference, material, optional=chosen.optional)
    return _chosen(reference, found, chosen.items, mode, optional=chosen.optional)


def only_user(pod: Pod) -> int | None:
    """The user that all containers run as, if the pod says so."""
    context = pod.spec.securityContext
    users = {
        own.securityContext.runAsUser
        if own.securityContext.HasField("runAsUser")
        else context.runAsUser
        if context.HasField("runAsUser")
        else None
        for own in (*pod.spec.initContainers, *pod.spec.containers)
    }
    return users.pop() if len(users) == 1 else None


def _mode(source: Any) -> int:
    return int(source.defaultMode) if source.HasField("defaultMode") else DEFAULT_MODE


def _payload(reference: Reference, material: Material, *, optional: bool) -> dict[str, bytes]:
    found = material.contents.get(reference)
    if found is None:
        if optional:
            return {}
        raise ConfigError(f"{reference} not found")
    if isinstance(found, ConfigMap):
        return {key: text.encode() for key, text in found.data.items()} | dict(found.binaryData)
    return dict(found.data)


def _chosen(
    reference: Reference,
    found: Mapping[str, bytes],
    items: Sequence[KeyToPath],
    mode: int,
    *,
    optional: bool,
) -> dict[str, File]:
    if not items:
        return {key: File(value, mode) for key, value in found.items()}
    missing = [item.key for item in items if item.key not in found]
    if missing and not optional:
        kind = "config" if reference.kind == "ConfigMap" else "secret"
        raise ConfigError(f"{reference} references non-existent {kind} key: {missing[0]}")
    return {
        item.path: File(found[item.key], item.mode if item.HasField("mode") else mode)
        for item in items
        if item.key in found
    }
