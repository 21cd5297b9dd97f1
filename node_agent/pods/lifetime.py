"""How a pod comes to its end: deleted, gone, refused, or out of time. Pure but for the memory it is noted in.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from datetime import datetime, timedelta

from api import clock
from node_agent.pods.conditions import OURS
from node_agent.pods.memory import Ending, Memory
from node_agent.pods.plan import DEFAULT_GRACE
from proto.v1.pod_pb2 import Pod, PodStatus

SHORT = 2.0  # seconds for a pod that nobody waits for any more
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


def delete(memory: Memory, pod: Pod, now: datetime) -> None:
    """The object has a deletionTimestamp. The grace period begins when we hear of it, and only gets shorter."""
    meta = pod.metadata
    grace = meta.deletionGracePeriodSeconds if meta.HasField("deletionGracePeriodSeconds") else 0
    memory.deleted = True
    _end(memory, float(grace), now)


def vanish(memory: Memory, pod: Pod, now: datetime) -> None:
    """The object is gone: removed by force, or while we were away."""
    memory.deleted = memory.vanished = True
    _end(memory, SHORT, now)


def refuse(memory: Memory, reason: str, message: str, now: datetime) -> None:
    """The node does not take the pod."""
    memory.ending = Ending(now, 0.0, "Failed", reason, message)


def deadline(pod: Pod, status: PodStatus) -> datetime | None:
    """When the pod has been active for as long as it may."""
    spec = pod.spec
    if not spec.HasField("activeDeadlineSeconds") or not status.HasField("startTime"):
        return None
    return clock.to_datetime(status.startTime) + timedelta(seconds=spec.activeDeadlineSeconds)


def check_deadline(memory: Memory, pod: Pod, status: PodStatus, now: datetime) -> None:
    """End the pod when its time is over."""
    limit = deadline(pod, status)
    if limit is None or now < limit or memory.ending or status.phase in ("Succeeded", "Failed"):
        return
    spec = pod.spec
    own = spec.HasField("terminationGracePeriodSeconds")
    grace = float(spec.terminationGracePeriodSeconds if own else DEFAULT_GRACE)
    until = now + timedelta(seconds=grace)
    memory.ending = Ending(until, grace, "Failed", "DeadlineExceeded", DEADLINE_MESSAGE)


def take_over(status: PodStatus, theirs: PodStatus) -> None:
    """What others wrote into the status since: conditions that are not ours, a terminal phase, the nomination."""
    ours = [c for c in status.conditions if c.type in OURS]
    del status.conditions[:]
    status.conditions.extend([c for c in theirs.conditions if c.type not in OURS])
    status.conditions.extend(ours)
    status.nominatedNodeName = theirs.nominatedNodeName
    if theirs.phase in ("Succeeded", "Failed") and status.phase not in ("Succeeded", "Failed"):
        status.phase, status.reason, status.message = theirs.phase, theirs.reason, theirs.message


def _end(memory: Memory, grace: float, now: datetime) -> None:
    before = memory.ending
    until = now + timedelta(seconds=grace)
    memory.retry_at = None
    if before is None:
        memory.ending = Ending(until, grace)
    elif until < before.deadline:
        memory.ending = Ending(until, grace, before.phase, before.reason, before.message)
