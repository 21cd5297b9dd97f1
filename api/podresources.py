"""What a pod asks for, and what it may use at most, of each resource: exact, and written as people write it (S#39).

The rule is the scheduler's: containers and sidecars run together, init containers one after the other before them, so
of these only the largest counts. (The scheduler has its own form of it, in whole numbers, because it does it for
thousands of pods at once: control_plane/scheduler/resources.py.)
"""

from collections.abc import Callable, Mapping
from typing import Literal

from api import quantity
from api.quantity import Quantity
from proto.v1.pod_pb2 import Container, PodSpec

Amounts = dict[str, Quantity]  # "cpu" -> how much
Which = Literal["requests", "limits"]


def read(texts: Mapping[str, str]) -> Amounts:
    """Raises ValueError."""
    return {name: quantity.parse(text) for name, text in texts.items()}


def written(amounts: Amounts) -> dict[str, str]:
    return {name: str(amounts[name]) for name in sorted(amounts)}


def plus(some: Amounts, others: Amounts) -> Amounts:
    return _each(some, others, lambda one, other: one + other)


def minus(some: Amounts, others: Amounts) -> Amounts:
    """May be below zero."""
    return plus(some, {name: Quantity(-each.nanos, each.family) for name, each in others.items()})


def most(some: Amounts, others: Amounts) -> Amounts:
    return _each(some, others, max)


def _each(
    some: Amounts, others: Amounts, join: Callable[[Quantity, Quantity], Quantity]
) -> Amounts:
    return {
        name: join(some[name], others[name]) if name in some and name in others else amount
        for name, amount in {**some, **others}.items()
    }


def pod_total(spec: PodSpec, which: Which) -> Amounts:
    """Of all containers, with what the pod costs by itself. Raises ValueError."""

    def of(container: Container) -> Amounts:
        return read(getattr(container.resources, which))

    life: Amounts = {}
    start: Amounts = {}
    sidecars: Amounts = {}
    for container in spec.containers:
        life = plus(life, of(container))
    for container in spec.initContainers:
        if container.restartPolicy == "Always":
            sidecars = plus(sidecars, of(container))
            start = most(start, sidecars)
        else:
            start = most(start, plus(sidecars, of(container)))
    total = most(plus(life, sidecars), start)
    overhead = read(spec.overhead)
    if which == "limits":  # what has no limit does not get one by being overhead
        overhead = {name: each for name, each in overhead.items() if name in total}
    return plus(total, overhead)
