"""How many pods there may be too many and too few during a rollout.

Percentages are of the replicas: surplus is rounded up, absence down. If both come out as 0, nothing could ever move;
then one pod may be missing, because a surplus may be more than a quota allows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from proto.v1.apps_pb2 import Deployment


@dataclass(frozen=True)
class Bounds:
    surge: int
    unavailable: int


def resolve(replicas: int, surge: Any, unavailable: Any) -> Bounds:
    """From the two fields of a strategy, each a number or a percentage."""
    more, less = count(surge, replicas, math.ceil), count(unavailable, replicas, math.floor)
    return Bounds(more, less) if more or less else Bounds(0, 1)


def count(value: Any, replicas: int, rounded: Callable[[float], int]) -> int:
    if value.WhichOneof("kind") != "string_value":
        return int(value.number_value)
    percent = int(value.string_value.removesuffix("%"))
    return rounded(percent * replicas / 100)


def bounds_of(deployment: Deployment) -> Bounds:
    """Of a Recreate: no pod too many; and when none of the old pods is left, none too few."""
    spec = deployment.spec
    if spec.strategy.type == "Recreate":
        return Bounds(0, 0)
    rolling = spec.strategy.rollingUpdate
    found = resolve(spec.replicas, rolling.maxSurge, rolling.maxUnavailable)
    return Bounds(found.surge, min(found.unavailable, spec.replicas))


def most(deployment: Deployment) -> int:
    """So many pods at most."""
    return int(deployment.spec.replicas) + bounds_of(deployment).surge


def fewest_available(deployment: Deployment) -> int:
    return int(deployment.spec.replicas) - bounds_of(deployment).unavailable
