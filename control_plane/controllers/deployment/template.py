"""Versions of a template: which ReplicaSet is the present one, and what a new one is called (S#68).

The name of a ReplicaSet carries a hash of its template, but the hash decides nothing: the new ReplicaSet is the oldest
one whose template is equal to the Deployment's. A later version of this program may hash differently, and nothing is
rolled out because of that. The hash makes names that are the same each time, so two controllers, or one that has
forgotten, cannot make two ReplicaSets of one version. If a name is taken by something else, `collisionCount` goes up
and takes part in the hash.
"""

from collections.abc import Iterable

from api.names import SUFFIX_LETTERS
from proto.v1.apps_pb2 import Deployment, PodTemplateSpec, ReplicaSet

HASH_LABEL = "pod-template-hash"
_FNV_OFFSET, _FNV_PRIME = 2166136261, 16777619


def template_hash(template: PodTemplateSpec, collisions: int | None = None) -> str:
    """FNV-1a, 32 bits, in letters that make no words."""
    data = template.SerializeToString(deterministic=True)
    if collisions is not None:
        data += collisions.to_bytes(8, "little")
    value = _FNV_OFFSET
    for byte in data:
        value = (value ^ byte) * _FNV_PRIME & 0xFFFFFFFF
    return "".join(SUFFIX_LETTERS[ord(digit) % len(SUFFIX_LETTERS)] for digit in str(value))


def hash_of(deployment: Deployment) -> str:
    status = deployment.status
    collisions = status.collisionCount if status.HasField("collisionCount") else None
    return template_hash(deployment.spec.template, collisions)


def same(one: PodTemplateSpec, other: PodTemplateSpec) -> bool:
    """Equal, whatever the label with the hash says."""
    return without_hash(one) == without_hash(other)


def without_hash(template: PodTemplateSpec) -> PodTemplateSpec:
    copy = PodTemplateSpec()
    copy.CopyFrom(template)
    copy.metadata.labels.pop(HASH_LABEL, None)
    return copy


def oldest_first(sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return sorted(sets, key=lambda rs: (rs.metadata.creationTimestamp.seconds, rs.metadata.name))


def find_new(deployment: Deployment, sets: Iterable[ReplicaSet]) -> ReplicaSet | None:
    """The ReplicaSet of the present template."""
    wanted = deployment.spec.template
    return next((rs for rs in oldest_first(sets) if same(rs.spec.template, wanted)), None)
