"""When a node was last heard of, and what is said of it when that was too long ago. Pure.

Its clock and ours may differ, so what counts is when *we* saw something new: another renewal of its lease, another
heartbeat in its status. A controller that has just started gives every node the full time again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from api import clock, conditions
from control_plane.controllers.nodelifecycle.times import Times
from proto.v1.cluster_pb2 import Lease, Node, NodeCondition

# Of the agent; other conditions of a node have other authors.
REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
STOPPED = ("NodeStatusUnknown", "The node's agent stopped posting node status.")
NEVER = ("NodeStatusNeverUpdated", "The node's agent never posted node status.")


@dataclass(frozen=True)
class Seen:
    """The latest signs of life, and when we noticed that they were new."""

    at: datetime
    heartbeat: int | None  # seconds, as the node says; None: it has not said whether it is ready
    renewal: int  # microseconds, as the node says; 0: it has no lease


def look(before: Seen | None, node: Node, lease: Lease | None, now: datetime) -> Seen:
    ready = conditions.find(node.status.conditions, "Ready")
    heartbeat = ready.lastHeartbeatTime.seconds if ready is not None else None
    renewal = lease.spec.renewTime.ToMicroseconds() if lease is not None else 0
    if before is None:
        created = clock.to_datetime(node.metadata.creationTimestamp)
        return Seen(created if ready is None and not renewal else now, heartbeat, renewal)
    renewed = renewal > before.renewal
    if renewed or heartbeat != before.heartbeat:
        return Seen(now, heartbeat, max(renewal, before.renewal))
    return before


def is_silent(seen: Seen, now: datetime, times: Times) -> bool:
    never = seen.heartbeat is None
    grace = times.startup_grace_period if never else times.monitor_grace_period
    return now > seen.at + timedelta(seconds=grace)


def status_of(node: Node) -> str:
    """Of the condition Ready: True, False or Unknown."""
    ready = conditions.find(node.status.conditions, "Ready")
    return str(ready.status) if ready is not None else "Unknown"


def unknown(node: Node, now: datetime) -> Node | None:
    """The node with conditions that say that nobody knows. None: they say so already."""
    ready = conditions.find(node.status.conditions, "Ready")
    if ready is not None and ready.status == "Unknown":
        return None
    fresh = Node()
    fresh.CopyFrom(node)
    for kind in REPORTED:
        _forget(fresh, kind, now)
    return fresh


def _forget(node: Node, kind: str, now: datetime) -> None:
    known = conditions.find(node.status.conditions, kind)
    if known is not None and known.status == "Unknown":
        return
    reason, message = STOPPED if known is not None else NEVER
    heard = known.lastHeartbeatTime if known is not None else node.metadata.creationTimestamp
    said = NodeCondition(
        type=kind,
        status="Unknown",
        reason=reason,
        message=message,
        lastHeartbeatTime=heard,
        lastTransitionTime=clock.timestamp(now),
    )
    conditions.put(node.status.conditions, said)
