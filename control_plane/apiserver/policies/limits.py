"""LimitRanges at work: what a pod gets that asks for nothing, and the bounds that it must keep to (S#27)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from api import podresources
from api.podresources import Amounts
from api.quantity import Quantity
from proto.v1.limits_pb2 import LimitRange, LimitRangeItem
from proto.v1.pod_pb2 import Container, Pod

ANNOTATION = "kubernetes.io/limit-ranger"  # tells which amounts are not the user's


def give_defaults(ranges: Iterable[LimitRange], pod: Pod) -> None:
    """Fill in requests and limits that no container names. Of several LimitRanges the first counts."""
    for each in ranges:
        limits: dict[str, str] = {}
        requests: dict[str, str] = {}
        for item in each.spec.limits:
            if item.type == "Container":
                limits.update(item.default)
                requests.update(item.defaultRequest)
        told = [
            note
            for sort, containers in (("init container", pod.spec.initContainers),
                                     ("container", pod.spec.containers))
            for container in containers
            for note in _give(container, sort, requests, limits)
        ]  # fmt: skip
        if told:
            pod.metadata.annotations[ANNOTATION] = f"LimitRanger plugin set: {'; '.join(told)}"


def _give(
    container: Container, sort: str, requests: Mapping[str, str], limits: Mapping[str, str]
) -> Iterator[str]:
    for what, amounts in (("request", requests), ("limit", limits)):
        new = [name for name in sorted(amounts) if _missing(container, f"{what}s", name)]
        for name in new:
            getattr(container.resources, f"{what}s")[name] = amounts[name]
        if new:
            yield f"{', '.join(new)} {what} for {sort} {container.name}"


def _missing(container: Container, which: str, name: str) -> bool:
    return name not in getattr(container.resources, which)


def violations(ranges: Iterable[LimitRange], pod: Pod) -> list[str]:
    """Why the pod is refused; empty: it keeps to all bounds."""
    return [told for each in ranges for item in each.spec.limits for told in _of_item(item, pod)]


def refusal(told: Sequence[str]) -> str:
    """Several reasons as Kubernetes writes them."""
    return told[0] if len(told) == 1 else f"[{', '.join(told)}]"


def _of_item(item: LimitRangeItem, pod: Pod) -> Iterator[str]:
    if item.type == "Container":
        for container in (*pod.spec.containers, *pod.spec.initContainers):
            resources = container.resources
            yield from _bounds(
                item, podresources.read(resources.requests), podresources.read(resources.limits)
            )
    elif item.type == "Pod":
        yield from _bounds(
            item,
            podresources.pod_total(pod.spec, "requests"),
            podresources.pod_total(pod.spec, "limits"),
        )


def _bounds(item: LimitRangeItem, requests: Amounts, limits: Amounts) -> Iterator[str]:
    for name, least in sorted(podresources.read(item.min).items()):
        yield from _at_least(item.type, name, least, requests.get(name), limits.get(name))
    for name, most in sorted(podresources.read(item.max).items()):
        yield from _at_most(item.type, name, most, requests.get(name), limits.get(name))
    for name, ratio in sorted(podresources.read(item.maxLimitRequestRatio).items()):
        yield from _within_ratio(item.type, name, ratio, requests.get(name), limits.get(name))


Amount = Quantity | None


def _at_least(
    type_: str, name: str, least: Quantity, request: Amount, limit: Amount
) -> Iterator[str]:
    told = f"minimum {name} usage per {type_} is {least}"
    if request is None:
        yield f"{told}.  No request is specified"
    elif request < least:
        yield f"{told}, but request is {request}"
    elif limit is not None and limit < least:
        yield f"{told}, but limit is {limit}"


def _at_most(
    type_: str, name: str, most: Quantity, request: Amount, limit: Amount
) -> Iterator[str]:
    told = f"maximum {name} usage per {type_} is {most}"
    if limit is None:
        yield f"{told}.  No limit is specified"
    elif limit > most:
        yield f"{told}, but limit is {limit}"
    elif request is not None and request > most:
        yield f"{told}, but request is {request}"


def _within_ratio(
    type_: str, name: str, ratio: Quantity, request: Amount, limit: Amount
) -> Iterator[str]:
    told = f"{name} max limit to request ratio per {type_} is {ratio}"
    if request is None or not request.nanos:
        yield f"{told}, but no request is specified or request is 0"
    elif limit is None or not limit.nanos:
        yield f"{told}, but no limit is specified or limit is 0"
    elif limit.nanos * 10**9 > ratio.nanos * request.nanos:
        yield f"{told}, but provided ratio is {limit.nanos / request.nanos:f}"
