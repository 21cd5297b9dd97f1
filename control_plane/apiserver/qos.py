"""Quality of service: who is sacrificed last when a node runs out of memory (S#46, concepts/workloads/pods/pod-qos).

Guaranteed: every container has cpu and memory limits, and asks for exactly that much. BestEffort: no container
says anything. Burstable: all others.
"""

from collections.abc import Mapping

from api import quantity
from proto.v1.pod_pb2 import Container, Pod

_COUNTED = ("cpu", "memory")


def qos_class(pod: Pod) -> str:
    """The pod's class. Requests have their defaults already. Amounts that are no quantities count as nothing."""
    resources = [_amounts(each) for each in (*pod.spec.initContainers, *pod.spec.containers)]
    if not any(requests or limits for requests, limits in resources):
        return "BestEffort"
    if not all(len(limits) == len(_COUNTED) for _, limits in resources):
        return "Burstable"
    same = _total([requests for requests, _ in resources]) == _total(
        [each for _, each in resources]
    )
    return "Guaranteed" if same else "Burstable"


def _amounts(container: Container) -> tuple[dict[str, int], dict[str, int]]:
    if not container.HasField("resources"):
        return {}, {}
    return _counted(container.resources.requests), _counted(container.resources.limits)


def _counted(amounts: Mapping[str, str]) -> dict[str, int]:
    """Thousandths of cpu and memory, where there are any."""
    found = {}
    for name in _COUNTED:
        text = amounts.get(name, "")
        if text and quantity.valid(text) and (amount := quantity.millis(text)):
            found[name] = amount
    return found


def _total(amounts: list[dict[str, int]]) -> dict[str, int]:
    names = {name for each in amounts for name in each}
    return {name: sum(each.get(name, 0) for each in amounts) for name in names}
