"""The taints that follow from what is known of a node. Pure.

NoSchedule follows each condition at once, both ways. NoExecute, which makes pods go, follows only the condition Ready
and has to be asked for: how fast it may spread is for zones.py to say. Taints that others have set are left alone.
"""

from collections.abc import Iterable
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from api import clock
from control_plane.controllers.nodelifecycle.health import status_of
from proto.v1.cluster_pb2 import Node, Taint

PREFIX = "node.kubernetes.io/"
NOT_READY, UNREACHABLE = f"{PREFIX}not-ready", f"{PREFIX}unreachable"
UNSCHEDULABLE = f"{PREFIX}unschedulable"
OUT_OF_SERVICE = (
    f"{PREFIX}out-of-service"  # set by people: it will not come back, its volumes may be taken away
)
OF_CONDITIONS = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): f"{PREFIX}memory-pressure",
    ("DiskPressure", "True"): f"{PREFIX}disk-pressure",
    ("PIDPressure", "True"): f"{PREFIX}pid-pressure",
    ("NetworkUnavailable", "True"): f"{PREFIX}network-unavailable",
}
OURS = {
    "NoSchedule": frozenset((*OF_CONDITIONS.values(), UNSCHEDULABLE)),
    "NoExecute": frozenset((NOT_READY, UNREACHABLE)),
}
_EXECUTING = {"False": NOT_READY, "Unknown": UNREACHABLE}


def scheduling(node: Node) -> list[str]:
    """The keys that NoSchedule should have."""
    said = ((each.type, each.status) for each in node.status.conditions)
    keys = [OF_CONDITIONS[each] for each in said if each in OF_CONDITIONS]
    return [*keys, UNSCHEDULABLE] if node.spec.unschedulable else keys


def executing(node: Node) -> str:
    """The key that NoExecute should have; "": none, the node is ready or has not said anything yet."""
    known = any(each.type == "Ready" for each in node.status.conditions)
    return _EXECUTING.get(status_of(node), "") if known else ""


def is_executing(node: Node) -> bool:
    """Its pods are on their way out because of us."""
    ours = OURS["NoExecute"]
    return any(each.effect == "NoExecute" and each.key in ours for each in node.spec.taints)


def settled(node: Node, execute: str, now: datetime) -> list[Taint] | None:
    """All taints as they should be, with this key for NoExecute ("": none). None: so they are already."""
    wanted = {
        *(("NoSchedule", key) for key in scheduling(node)),
        *([("NoExecute", execute)] if execute else []),
    }
    kept = [
        each
        for each in node.spec.taints
        if each.key not in OURS.get(each.effect, ()) or (each.effect, each.key) in wanted
    ]
    missing = wanted - _places(kept)
    if not missing and len(kept) == len(node.spec.taints):
        return None
    added = [
        Taint(key=key, effect=effect, timeAdded=_since(node, effect, now))
        for effect, key in sorted(missing)
    ]
    return [*kept, *added]


def _since(node: Node, effect: str, now: datetime) -> Timestamp:
    """When the patience of the pods began. A node that was not ready and falls silent, or the other way round, has
    been of no use all the time, so the second NoExecute inherits the first one's time (Kubernetes' taint manager
    keeps the eviction that it has planned already)."""
    earlier = [
        each.timeAdded
        for each in node.spec.taints
        if effect == each.effect == "NoExecute"
        and each.key in OURS[effect]
        and each.HasField("timeAdded")
    ]
    return min(earlier, key=clock.to_datetime, default=clock.timestamp(now))


def _places(taints: Iterable[Taint]) -> set[tuple[str, str]]:
    return {(each.effect, each.key) for each in taints}
