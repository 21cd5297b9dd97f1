"""What controllers want to know about a pod: does it count, is it ready, since when, and which one to end first."""

import math
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from api import clock
from api.informer import Informer
from proto.v1.pod_pb2 import Container, Pod

DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"
_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


def is_ending(pod: Pod) -> bool:
    return bool(pod.metadata.HasField("deletionTimestamp"))


def is_over(pod: Pod) -> bool:
    """Its containers have ended for good."""
    return pod.status.phase in ("Succeeded", "Failed")


def lasting_containers(pod: Pod) -> Iterator[Container]:
    """Those that stay, sidecars after the others."""
    yield from pod.spec.containers
    yield from (each for each in pod.spec.initContainers if each.restartPolicy == "Always")


def is_active(pod: Pod) -> bool:
    """It counts as a replica."""
    return not is_ending(pod) and not is_over(pod)


def is_ready(pod: Pod) -> bool:
    for condition in pod.status.conditions:
        if condition.type == "Ready":
            return bool(condition.status == "True")
    return False


def ready_since(pod: Pod) -> datetime | None:
    """None: it is not ready."""
    for condition in pod.status.conditions:
        if condition.type == "Ready":
            ready = condition.status == "True"
            return clock.to_datetime(condition.lastTransitionTime) if ready else None
    return None


def available_at(pod: Pod, min_ready: int) -> datetime | None:
    """When it has been ready for `min_ready` seconds (in the past: it is available). None: it is not ready."""
    since = ready_since(pod)
    return None if since is None else since + timedelta(seconds=min_ready)


def is_available(pod: Pod, min_ready: int, now: datetime) -> bool:
    if min_ready == 0:
        return is_ready(pod)
    due = available_at(pod, min_ready)
    return due is not None and due <= now


def removal_order(pod: Pod, neighbours: Mapping[str, int], now: datetime) -> tuple[Any, ...]:
    """A sort key: the pods whose loss hurts least come first (S#65).

    `neighbours`: how many pods of the same application are on each node. Times count by their order of magnitude
    only, so that among pods of about the same age chance (their uid) decides, and not always the same zone is hit.
    """
    since = ready_since(pod)
    return (
        pod.spec.nodeName != "",
        _PHASES.get(pod.status.phase, 0),
        since is not None,
        deletion_cost(pod),
        -neighbours.get(pod.spec.nodeName, 0),
        _magnitude(since, now),
        -restarts(pod),
        _magnitude(clock.to_datetime(pod.metadata.creationTimestamp), now),
        pod.metadata.uid,
    )


def deletion_cost(pod: Pod) -> int:
    """0 if it says nothing, or nothing that can be read."""
    try:
        return int(pod.metadata.annotations.get(DELETION_COST, "0"))
    except ValueError:
        return 0


def restarts(pod: Pod) -> int:
    """Of the container that was restarted most often."""
    status = pod.status
    every = (*status.containerStatuses, *status.initContainerStatuses)
    return max((container.restartCount for container in every), default=0)


def _magnitude(since: datetime | None, now: datetime) -> int:
    """The power of two of the seconds that have passed."""
    passed = (now - since).total_seconds() if since else 0.0
    return int(math.log2(passed)) if passed >= 1 else -1


# An index of an informer of pods.
NODE = "node"


def index_nodes(informer: Informer[Pod]) -> None:
    """Let the pods of a node be found without looking at all of them."""
    informer.add_index(NODE, lambda pod: (pod.spec.nodeName,))
