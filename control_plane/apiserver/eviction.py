"""Whether a pod may be made to leave: pure decisions (S#101).

Whoever makes room on a node asks politely: not a delete but an eviction, which is refused when a PodDisruptionBudget
would be hurt. The budget is kept in two places. The disruption controller counts pods and writes down how many may go
(`disruptionsAllowed`); here one is taken off with each eviction granted, in a write that fails if anybody was quicker.
So two evictions at the same moment cannot both have the last grant, however far behind the controller is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from api import budgets, clock, conditions, kinds
from api.client import Delete
from api.errors import ApiError, Cause, Forbidden, Internal, TooManyRequests
from control_plane.apiserver import deletion, refusals
from control_plane.apiserver.strategy import Strategy
from proto.v1.pod_pb2 import Pod, PodCondition
from proto.v1.policy_pb2 import PodDisruptionBudget

REFUSAL = "Cannot evict pod as it would violate the pod's disruption budget."
SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
RETRY_AFTER = 10  # seconds
MOST_DISRUPTED = 2000  # evictions that the controller has not seen the end of
_BUDGET = kinds.of(PodDisruptionBudget)


@dataclass(frozen=True)
class Grant:
    """The pod may go."""

    charge: PodDisruptionBudget | None = None  # the budget that must have one left
    pinned: bool = False  # only the pod as it is now: what was decided would not hold for another version of it


def is_free(pod: Pod) -> bool:
    """It has ended, has not begun, or goes anyway: no budget counts it."""
    return pod.status.phase in ("Succeeded", "Failed", "Pending") or _is_ending(pod)


def judge(pod: Pod, known: Iterable[PodDisruptionBudget]) -> Grant:
    """`known`: those of its namespace. Raises Internal: there is more than one for it."""
    if is_free(pod):
        return Grant(pinned=pod.status.phase == "Pending" and not _is_ending(pod))
    mine = [budget for budget in known if budgets.guards(budget, pod)]
    if len(mine) > 1:
        raise Internal(SEVERAL)
    if not mine:
        return Grant()
    [budget] = mine
    if not conditions.holds(pod.status.conditions, "Ready") and _spares_unready(budget):
        return Grant(pinned=True)
    return Grant(charge=budget)


def _is_ending(pod: Pod) -> bool:
    return bool(pod.metadata.HasField("deletionTimestamp"))


def _spares_unready(budget: PodDisruptionBudget) -> bool:
    """A pod that is not ready is not counted as healthy, so its end costs nothing while enough others are."""
    status = budget.status
    if budget.spec.unhealthyPodEvictionPolicy == "AlwaysAllow":
        return True
    return status.currentHealthy >= status.desiredHealthy > 0


def charge(budget: PodDisruptionBudget, pod: Pod, now: datetime) -> None:
    """Take one off, and note whom for. Raises TooManyRequests: none is left; Forbidden: the status makes no sense."""
    if refusal := _refusal(budget):
        raise refusal
    status = budget.status
    status.disruptionsAllowed -= 1
    status.disruptedPods[pod.metadata.name].CopyFrom(clock.timestamp(now))
    if not status.disruptionsAllowed:
        conditions.put(status.conditions, budgets.allowed_condition(budget, now))


def _refusal(budget: PodDisruptionBudget) -> ApiError | None:
    status, meta = budget.status, budget.metadata
    if status.observedGeneration < meta.generation:
        told = f"The disruption budget {meta.name} is still being processed by the server."
        return _too_many(told, RETRY_AFTER)
    if status.disruptionsAllowed < 0:
        return _forbidden(meta.name, "pdb disruptions allowed is negative")
    if len(status.disruptedPods) > MOST_DISRUPTED:
        told = "too many evictions not confirmed by PDB controller"
        return _forbidden(meta.name, f"DisruptedPods map too big - {told}")
    return None if status.disruptionsAllowed else _too_many(_why_none(budget), 0)


def _why_none(budget: PodDisruptionBudget) -> str:
    status, name = budget.status, f"The disruption budget {budget.metadata.name}"
    known = conditions.find(status.conditions, budgets.ALLOWED)
    if known is not None and known.reason == budgets.FAILED:
        return (
            f"{name} does not allow evicting pods currently because it failed sync: {known.message}"
        )
    return f"{name} needs {status.desiredHealthy} healthy pods and has {status.currentHealthy} currently"


def _too_many(cause: str, retry_after: int) -> TooManyRequests:
    causes = [Cause("", cause, "DisruptionBudget")]
    return TooManyRequests(REFUSAL, causes=causes, retry_after=retry_after)


def _forbidden(name: str, why: str) -> Forbidden:
    return refusals.forbidden(_BUDGET, name, why)


def leave(strategy: Strategy, pod: Pod, how: Delete, now: datetime) -> None:
    """Mark the pod as deleted, and say in its status that it was made to go. Raises Conflict."""
    deletion.check_preconditions(strategy, pod, how)
    if pod.status.phase not in ("Succeeded", "Failed") and not _is_ending(pod):
        said = PodCondition(
            type=budgets.TARGET,
            status="True",
            reason="EvictionByEvictionAPI",
            message="Eviction API: evicting",
            lastTransitionTime=clock.timestamp(now),
        )
        conditions.put(pod.status.conditions, said)
    deletion.mark(strategy, pod, how, now)
