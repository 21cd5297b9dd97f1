"""Whose use counts.

A pod that starts burns cpu that has nothing to do with the load, and a pod that is not ready takes no load off the
others. So a cpu figure counts only when the pod was ready for all of it, or, later in its life, has been ready once.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from api import clock
from control_plane.controllers.hpa.options import Options
from control_plane.controllers.hpa.usage import Use
from control_plane.controllers.pods import is_ending
from proto.v1.pod_pb2 import Pod, PodCondition


@dataclass(frozen=True, slots=True)
class Groups:
    """Names of pods."""

    ready: frozenset[str] = frozenset()
    unready: frozenset[str] = frozenset()  # measured or not, their use says nothing yet
    missing: frozenset[str] = frozenset()  # nobody has measured them
    ignored: frozenset[str] = frozenset()  # they end, or have failed


def group(
    pods: Iterable[Pod], uses: Mapping[str, Use], resource: str, now: datetime, options: Options
) -> Groups:
    found: dict[str, set[str]] = {
        name: set() for name in ("ready", "unready", "missing", "ignored")
    }
    for pod in pods:
        use = uses.get(pod.metadata.name)
        found[_group_of(pod, use, resource, now, options)].add(pod.metadata.name)
    return Groups(**{name: frozenset(names) for name, names in found.items()})


def _group_of(pod: Pod, use: Use | None, resource: str, now: datetime, options: Options) -> str:
    if is_ending(pod) or pod.status.phase == "Failed":
        return "ignored"
    if pod.status.phase == "Pending":
        return "unready"
    if use is None:
        return "missing"
    if resource == "cpu" and _is_unready(pod, use, now, options):
        return "unready"
    return "ready"


def _is_unready(pod: Pod, use: Use, now: datetime, options: Options) -> bool:
    ready = _ready_condition(pod)
    if ready is None or not pod.status.HasField("startTime"):
        return True
    started = clock.to_datetime(pod.status.startTime)
    changed = clock.to_datetime(ready.lastTransitionTime)
    if started + options.cpu_initialization > now:
        return ready.status == "False" or use.at < changed + use.window
    return ready.status == "False" and started + options.initial_readiness_delay > changed


def _ready_condition(pod: Pod) -> PodCondition | None:
    return next((each for each in pod.status.conditions if each.type == "Ready"), None)
