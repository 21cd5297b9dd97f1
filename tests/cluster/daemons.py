"""A DaemonSet called `web`, and what its tests want to know of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from api.errors import NotFound
from control_plane.controllers.pods import is_over
from proto.v1.apps_pb2 import DaemonSet
from proto.v1.cluster_pb2 import Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod
from tests.cluster.whole import Cluster, is_ready

IMAGE = "registry.test/app:"


def daemonset(**rolling: Any) -> DaemonSet:
    """`rolling`: its bounds."""
    made = DaemonSet(metadata=ObjectMeta(name="web", namespace="default"))
    made.spec.selector.matchLabels["app"] = "web"
    made.spec.template.metadata.labels["app"] = "web"
    made.spec.template.spec.containers.add(name="app", image=f"{IMAGE}1")
    for name, value in rolling.items():
        bound = getattr(made.spec.updateStrategy.rollingUpdate, name)
        if isinstance(value, str):
            bound.string_value = value
        else:
            bound.number_value = value
    return made


async def the_set(world: Cluster) -> DaemonSet:
    return await world.client.get(DaemonSet, "web", "default")


async def where(world: Cluster) -> list[str]:
    """The nodes of its pods that are ready, in order."""
    return sorted(pod.spec.nodeName for pod in await world.pods() if is_ready(pod))


async def until_on(world: Cluster, *nodes: str) -> None:
    async def there() -> bool:
        pods = await world.pods()
        return len(pods) == len(nodes) and await where(world) == sorted(nodes)

    await world.until(there)


async def complete(world: Cluster) -> bool:
    found = await the_set(world)
    status, wanted = found.status, found.status.desiredNumberScheduled
    counts = (status.currentNumberScheduled, status.updatedNumberScheduled, status.numberAvailable)
    return status.observedGeneration == found.metadata.generation and counts == (wanted,) * 3


async def patch_node(world: Cluster, name: str, **change: Any) -> None:
    async def patched() -> bool:
        try:
            await world.client.patch(Node, name, "", change, patch_type="merge")
        except NotFound:  # it has not come yet
            return False
        return True

    await world.until(patched)


async def roll(world: Cluster, version: str) -> None:
    await world.image(f"{IMAGE}{version}", DaemonSet)


def images(pods: Sequence[Pod]) -> Counter[str]:
    return Counter(pod.spec.containers[0].image.removeprefix(IMAGE) for pod in pods)


class Watched:
    """What was seen at any moment. A pod whose containers have ended does not stand in its successor's way."""

    def __init__(self) -> None:
        self.most_on_a_node = 0
        self.fewest_available = 99  # since `begun`
        self.begun = False
        self.names: set[str] = set()  # of all pods that ever were

    def seen(self, pods: list[Pod]) -> None:
        self.names.update(pod.metadata.name for pod in pods)
        there = Counter(target(pod) for pod in pods if not is_over(pod))
        self.most_on_a_node = max(self.most_on_a_node, *there.values(), 0)
        if self.begun:
            working = {pod.spec.nodeName for pod in pods if is_ready(pod)}
            self.fewest_available = min(self.fewest_available, len(working))


def target(pod: Pod) -> str:
    """The node that it is for."""
    required = pod.spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution
    [term] = required.nodeSelectorTerms
    [field] = term.matchFields
    return str(field.values[0])
