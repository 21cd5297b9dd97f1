"""What each pod uses, and what it requests: in thousandths, of cores and of bytes, as whole numbers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from api import clock, measures, quantity
from proto.v1.pod_pb2 import Container, Pod
from proto.v1.policy_pb2 import PodMetrics


class CannotTell(Exception):
    """A metric that cannot be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Use:
    amount: int  # thousandths
    at: datetime  # the end of the measurement
    window: timedelta  # how long it took


def of_pods(listed: Iterable[PodMetrics], resource: str, container: str = "") -> dict[str, Use]:
    """By the pod's name; of one container, or of all together. Raises CannotTell."""
    every = list(listed)
    if not every:
        raise CannotTell(
            f"unable to get metrics for resource {resource}: no metrics returned from resource metrics API"
        )
    found: dict[str, Use] = {}
    for metrics in every:
        amounts = list(_amounts(metrics, resource, container))
        if amounts and None not in amounts:
            window = timedelta(seconds=measures.window_seconds(metrics.window))
            total = sum(amount for amount in amounts if amount is not None)
            found[metrics.metadata.name] = Use(total, clock.to_datetime(metrics.timestamp), window)
    return found


def _amounts(metrics: PodMetrics, resource: str, container: str) -> Iterator[int | None]:
    """None: this container's use of it is not known."""
    chosen = [each for each in metrics.containers if container in ("", each.name)]
    if container and not chosen:
        meta = metrics.metadata
        raise CannotTell(
            f"unable to get metrics for resource {resource}: container {container} not present in metrics "
            f"for pod {meta.namespace}/{meta.name}"
        )
    for each in chosen:
        yield quantity.millis(each.usage[resource]) if resource in each.usage else None


def requests(pods: Iterable[Pod], resource: str, container: str = "") -> dict[str, int]:
    """By the pod's name, in thousandths. Raises CannotTell: a percentage of nothing is nothing."""
    return {pod.metadata.name: _request(pod, resource, container) for pod in pods}


def _request(pod: Pod, resource: str, container: str) -> int:
    total = 0
    for each in _lasting(pod):
        if container in ("", each.name):
            if resource not in each.resources.requests:
                name = pod.metadata.name
                raise CannotTell(
                    f"missing request for {resource} in container {each.name} of Pod {name}"
                )
            total += quantity.millis(each.resources.requests[resource])
    return total


def _lasting(pod: Pod) -> Iterator[Container]:
    """The containers that run as long as the pod does."""
    yield from pod.spec.containers
    yield from (each for each in pod.spec.initContainers if each.restartPolicy == "Always")
