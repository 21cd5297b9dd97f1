"""How long a pod may stay on a tainted node: decisions only (4f).

A taint says itself when it was added, and the seconds of a toleration count from then on, or from when the pod came to
the node, if that was later. So a controller that is started anew goes on where the last one was.
"""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from api import clock, conditions
from control_plane.scheduler.filters.taints import tolerated
from proto.v1.cluster_pb2 import Node, Taint
from proto.v1.pod_pb2 import Pod, PodCondition

NOW, NEVER = timedelta(0), None
# When a taint was added that does not say so itself.
Since = Callable[[Taint], datetime]


def driving_out(node: Node) -> list[Taint]:
    return [taint for taint in node.spec.taints if taint.effect == "NoExecute"]


def patience(pod: Pod, taint: Taint) -> timedelta | None:
    """How long the pod bears the taint; None: for ever."""
    first = next((each for each in pod.spec.tolerations if tolerated(taint, (each,))), None)
    if first is None:
        return NOW
    if not first.HasField("tolerationSeconds"):
        return NEVER
    return timedelta(seconds=max(first.tolerationSeconds, 0))


def leaves_at(pod: Pod, taints: Iterable[Taint], since: Since) -> datetime | None:
    """The moment at which the first of the taints is borne no longer. None: it may stay."""
    came = _came(pod)
    ends = [
        max(_added(taint, since), came) + borne
        for taint in taints
        if (borne := patience(pod, taint)) is not NEVER
    ]
    return min(ends, default=None)


def _added(taint: Taint, since: Since) -> datetime:
    return clock.to_datetime(taint.timeAdded) if taint.HasField("timeAdded") else since(taint)


def _came(pod: Pod) -> datetime:
    """To its node."""
    bound = conditions.find(pod.status.conditions, "PodScheduled")
    known = bound is not None and bound.status == "True" and bound.HasField("lastTransitionTime")
    stamp = (
        bound.lastTransitionTime if bound is not None and known else pod.metadata.creationTimestamp
    )
    return clock.to_datetime(stamp)


def target(now: datetime) -> PodCondition:
    """What a pod that has to leave says about it."""
    return PodCondition(
        type="DisruptionTarget",
        status="True",
        reason="DeletionByTaintManager",
        message="Taint manager: deleting due to NoExecute taint",
        lastTransitionTime=clock.timestamp(now),
    )
