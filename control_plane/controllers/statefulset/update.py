"""Which pods have to make room for the new template (S#73). Highest ordinal first, and never below the partition.

Nothing is replaced here: a pod that is not of the new revision is deleted, and the next step finds its ordinal empty.

Without maxUnavailable one pod goes at a time, and each waits for those above it; what is broken below does not matter.
With it, so many may be unavailable in the whole set. In a Parallel set, pods of an old revision that do not work anyway
go in addition: they can only become better, and to wait for them would be to wait for ever (kubernetes#137409).
"""

from collections.abc import Callable, Sequence
from math import floor

from control_plane.controllers.pods import is_ending
from control_plane.controllers.statefulset.identity import is_made, revision_of
from proto.v1.apps_pb2 import StatefulSet
from proto.v1.pod_pb2 import Pod


def outdated(
    sts: StatefulSet, replicas: Sequence[Pod], update: str, is_down: Callable[[Pod], bool]
) -> list[Pod]:
    """Those to delete now. `replicas`: one for each ordinal, lowest first; `update`: the name of the new revision."""
    strategy = sts.spec.updateStrategy
    if strategy.type == "OnDelete":
        return []
    candidates = list(reversed(replicas[strategy.rollingUpdate.partition :]))
    if not strategy.rollingUpdate.HasField("maxUnavailable"):
        return _next(candidates, update, is_down)
    old = [pod for pod in candidates if _is_old(pod, update)]
    room = max(0, max_unavailable(sts) - sum(map(is_down, replicas)))
    if sts.spec.podManagementPolicy != "Parallel":
        return old[:room]
    broken = [pod for pod in old if is_down(pod)]
    return [*broken, *[pod for pod in old if not is_down(pod)][:room]]


def _next(candidates: Sequence[Pod], update: str, is_down: Callable[[Pod], bool]) -> list[Pod]:
    for pod in candidates:
        if _is_old(pod, update):
            return [pod]
        if is_down(pod):
            return []
    return []


def _is_old(pod: Pod, update: str) -> bool:
    return is_made(pod) and revision_of(pod) != update and not is_ending(pod)


def max_unavailable(sts: StatefulSet) -> int:
    """A percentage is rounded down, but one pod must be able to go."""
    value = sts.spec.updateStrategy.rollingUpdate.maxUnavailable
    if value.WhichOneof("kind") != "string_value":
        return int(value.number_value)
    percent = int(value.string_value.removesuffix("%"))
    return max(1, floor(percent * sts.spec.replicas / 100))
