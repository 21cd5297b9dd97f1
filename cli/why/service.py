"""Why nobody answers at a Service, or fewer than there could: from its type to each of its pods."""

from collections.abc import Mapping, Sequence
from typing import Any

from api import services
from cli.why import pod as of_pod


def reasons(
    service: Any,
    slices: Sequence[Any],
    pods: Sequence[Any],
    events: Mapping[str, Sequence[Any]],
) -> list[str]:
    """Never empty. `events`: of each pod, by its uid."""
    spec = service.spec
    if not services.has_address(spec):
        return [
            f"It is another name for {spec.externalName}: DNS says so, and nothing stands behind it here."
        ]
    endpoints = [each for slice in slices for each in slice.endpoints]
    ready = [each for each in endpoints if is_ready(each)]
    if not spec.selector:
        return [_by_hand(len(ready))]
    if not pods:
        labels = ",".join(f"{key}={value}" for key, value in sorted(spec.selector.items()))
        return [
            f"No pod in namespace {service.metadata.namespace} has the labels that it selects: {labels}."
        ]
    told = missing(service, pods, endpoints, events)
    if not told:
        return [f"Nothing is wrong: all of its {len(pods)} pod(s) are ready."]
    return [f"{len(ready)} of {len(pods)} pod(s) answer at it.", *told]


def _by_hand(ready: int) -> str:
    if ready:
        return f"Nothing is wrong: somebody else keeps its {ready} endpoint(s)."
    return "It has no selector, and nobody has made EndpointSlices for it: nobody answers there."


def missing(
    service: Any,
    pods: Sequence[Any],
    endpoints: Sequence[Any],
    events: Mapping[str, Sequence[Any]],
) -> list[str]:
    """A line for each pod that gets no connections."""
    ready = {each.targetRef.uid for each in endpoints if is_ready(each)}
    away = [pod for pod in pods if pod.metadata.uid not in ready]
    return [
        f"Pod {pod.metadata.name}: {why(service, pod, events.get(pod.metadata.uid, ()))}"
        for pod in away
    ]


def why(service: Any, pod: Any, events: Sequence[Any] = ()) -> str:
    """Why a pod of the service gets no connections."""
    told = " ".join(of_pod.reasons(pod, events))
    if told.startswith("Nothing is wrong"):
        return "It is ready; its endpoint is on its way."
    return told


def is_ready(endpoint: Any) -> bool:
    """Who does not say is."""
    conditions = endpoint.conditions
    return bool(conditions.ready or not conditions.HasField("ready"))
