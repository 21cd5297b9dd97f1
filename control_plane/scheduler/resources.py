"""What a pod asks of a node, in millicores and bytes (S#39).

Init containers run one after the other before the containers, so of all these only the largest counts; a sidecar
(an init container that restarts Always) keeps running, so it counts for everything that comes after it. What a pod
needs is the larger of its start and its life:

    life  = sum(containers) + sum(sidecars)
    start = max over the init containers of: itself + the sidecars before it
    pod   = max(life, start) + overhead, for each resource
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from api import quantity
from proto.v1.pod_pb2 import Container, PodSpec

# What a container without a request is taken for when nodes are compared (never when it is decided whether it fits):
# otherwise any number of such pods would pile up on the node that was emptiest first.
ASSUMED_CPU = 100  # millicores
ASSUMED_MEMORY = 200 * 1024 * 1024  # bytes

CPU, MEMORY, STORAGE, PODS = "cpu", "memory", "ephemeral-storage", "pods"
_BASIC = (CPU, MEMORY, STORAGE, PODS)


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of a request, or of a node's allocatable."""

    cpu: int = 0  # millicores
    memory: int = 0  # bytes
    storage: int = 0  # bytes of ephemeral storage
    extended: Mapping[str, int] = field(default_factory=dict)  # "example.com/gpu" -> pieces


def read(texts: Mapping[str, str]) -> Counter[str]:
    """Quantities as whole numbers: cpu in millicores, all else in units."""
    return Counter(
        {
            name: quantity.millis(text) if name == CPU else quantity.value(text)
            for name, text in texts.items()
        }
    )


def amounts(numbers: Mapping[str, int]) -> Amounts:
    return Amounts(
        cpu=numbers.get(CPU, 0),
        memory=numbers.get(MEMORY, 0),
        storage=numbers.get(STORAGE, 0),
        extended={name: n for name, n in sorted(numbers.items()) if name not in _BASIC and n},
    )


def requested(spec: PodSpec) -> Amounts:
    """What is set aside for the pod on its node."""
    return amounts(_total(spec, {}))


def assumed(spec: PodSpec) -> Amounts:
    """The same, with a guess for every container that says nothing about cpu or memory."""
    return amounts(_total(spec, {CPU: ASSUMED_CPU, MEMORY: ASSUMED_MEMORY}))


def _total(spec: PodSpec, guess: Mapping[str, int]) -> Counter[str]:
    def of(container: Container) -> Counter[str]:
        return Counter({**guess, **read(container.resources.requests)})

    life, start, sidecars = Counter[str](), Counter[str](), Counter[str]()
    for container in spec.containers:
        life += of(container)
    for container in spec.initContainers:
        if container.restartPolicy == "Always":
            sidecars += of(container)
            start |= sidecars
        else:
            start |= sidecars + of(container)
    return ((life + sidecars) | start) + read(spec.overhead)
