"""How many pods an application should have, read from whatever makes its pods.

A percentage is of what should be, not of what is: of 10 pods that a Deployment wants and 2 that there are, half is 5.
So each pod is followed to its maker: a ReplicaSet, the Deployment above it, or anything else with spec.replicas.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from api import kinds
from api.kinds import Kind
from control_plane.controllers import owners
from proto.v1.apps_pb2 import Deployment, ReplicaSet
from proto.v1.meta_pb2 import OwnerReference
from proto.v1.pod_pb2 import Pod

# An object of a kind by its key ("default/web"); None: there is none.
Find = Callable[[Kind, str], Any | None]


class NotCounted(Exception):
    """It cannot be said how many pods there should be; the message says why."""


@dataclass(frozen=True)
class Expected:
    count: int
    unmanaged: tuple[str, ...] = ()  # names of pods that nobody makes: they are not in the count


def expected(pods: Iterable[Pod], find: Find) -> Expected:
    """The sum over all makers of these pods. Raises NotCounted."""
    scales: dict[str, int] = {}  # by the maker's uid
    unmanaged = []
    for pod in pods:
        if owners.manager_of(pod) is None:
            unmanaged.append(pod.metadata.name)
        else:
            maker = _maker(pod, find)
            scales[maker.metadata.uid] = maker.spec.replicas
    return Expected(sum(scales.values()), tuple(unmanaged))


def _maker(pod: Pod, find: Find) -> Any:
    maker = _managed(pod, find)
    if isinstance(maker, ReplicaSet):
        above = owners.manager_of(maker)
        if above is not None and above.kind == kinds.of(Deployment).name:
            maker = _managed(maker, find)
    if maker is None:
        raise NotCounted(f'found no controllers for pod "{pod.metadata.name}"')
    return maker


def _managed(obj: Any, find: Find) -> Any | None:
    """What manages the object. Raises NotCounted: that has no number of replicas."""
    reference = owners.manager_of(obj)
    assert reference is not None
    found = find(_scalable(reference), f"{obj.metadata.namespace}/{reference.name}")
    return found if found is not None and found.metadata.uid == reference.uid else None


def _scalable(reference: OwnerReference) -> Kind:
    kind = kinds.by_type(reference.apiVersion, reference.kind)
    if kind is None:
        told = f'no matches for kind "{reference.kind}" in version "{reference.apiVersion}"'
        raise NotCounted(told)
    if not kind.scale:
        raise NotCounted(f"{kind.full_name} does not implement the scale subresource")
    return kind
