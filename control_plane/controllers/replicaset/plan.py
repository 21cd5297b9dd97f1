"""What a ReplicaSet does with the pods it has, and what it reports: decisions only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from api import clock
from api.errors import ApiError
from control_plane.controllers.ledger import Ledger
from control_plane.controllers.pods import (
    available_at,
    is_active,
    is_available,
    is_ready,
    removal_order,
)
from proto.v1.apps_pb2 import ReplicaSet, ReplicaSetStatus, WorkloadCondition
from proto.v1.pod_pb2 import Pod

BURST = 500  # pods created or deleted in one go
FAILURE = "ReplicaFailure"  # a condition
NOTHING_DONE = Ledger()  # nobody writes to this one
ALONE: Mapping[str, int] = {}


@dataclass(frozen=True)
class Plan:
    again: Sequence[str] = ()  # names of pods whose creation was not answered
    create: int = 0  # new pods besides
    delete: Sequence[Pod] = ()


def plan(
    rs: ReplicaSet,
    pods: Iterable[Pod],
    now: datetime,
    *,
    ledger: Ledger = NOTHING_DONE,
    neighbours: Mapping[str, int] = ALONE,
) -> Plan:
    """What to do so that there are as many pods as wanted. `neighbours`: see `pods.removal_order`."""
    if rs.metadata.HasField("deletionTimestamp"):
        return Plan()
    going = ledger.deleting.keys() - ledger.unsure
    active = [pod for pod in pods if is_active(pod) and pod.metadata.uid not in going]
    coming = len(ledger.creating.keys() - ledger.unsure)
    missing = min(rs.spec.replicas - len(active) - coming, BURST)
    if missing >= 0:
        again = tuple(sorted(ledger.unsure & ledger.creating.keys())[:missing])
        return Plan(again, missing - len(again))
    return Plan(delete=_doomed(active, min(-missing, BURST), now, ledger, neighbours))


def _doomed(
    active: list[Pod], count: int, now: datetime, ledger: Ledger, neighbours: Mapping[str, int]
) -> list[Pod]:
    """A pod whose deletion was not answered may be going already: it comes before all others."""

    def order(pod: Pod) -> tuple[Any, ...]:
        return pod.metadata.uid not in ledger.unsure, *removal_order(pod, neighbours, now)

    return sorted(active, key=order)[:count]


@dataclass(frozen=True)
class Failure:
    reason: str  # FailedCreate, FailedDelete
    error: ApiError


def status_of(
    rs: ReplicaSet,
    active: Sequence[Pod],
    ending: int,
    now: datetime,
    failure: Failure | None = None,
) -> ReplicaSetStatus:
    """What the cache shows of the set's pods."""
    labels, delay = rs.spec.template.metadata.labels, rs.spec.minReadySeconds
    ready = [pod for pod in active if is_ready(pod)]
    status = ReplicaSetStatus(
        replicas=len(active),
        fullyLabeledReplicas=sum(_has_all(pod, labels) for pod in active),
        readyReplicas=len(ready),
        availableReplicas=sum(is_available(pod, delay, now) for pod in ready),
        observedGeneration=rs.metadata.generation,
        terminatingReplicas=ending,
    )
    status.conditions.extend(each for each in rs.status.conditions if each.type != FAILURE)
    if failure:
        status.conditions.append(_failed(rs, failure, now))
    return status


def _has_all(pod: Pod, labels: Mapping[str, str]) -> bool:
    own = pod.metadata.labels
    return all(own.get(name) == value for name, value in labels.items())


def _failed(rs: ReplicaSet, failure: Failure, now: datetime) -> WorkloadCondition:
    """A set that fails in the same way as before has failed since then."""
    for known in rs.status.conditions:
        if known.type == FAILURE and known.reason == failure.reason:
            return known
    return WorkloadCondition(
        type=FAILURE,
        status="True",
        reason=failure.reason,
        message=failure.error.message,
        lastTransitionTime=clock.timestamp(now),
    )


def next_look(rs: ReplicaSet, active: Iterable[Pod], ledger: Ledger, now: datetime) -> float | None:
    """Seconds until time alone changes something: a pod becomes available, the ledger gives something up."""
    delay = rs.spec.minReadySeconds
    moments = (available_at(pod, delay) for pod in active) if delay else ()
    due = [moment for moment in (*moments, ledger.next_expiry()) if moment and moment > now]
    return (min(due) - now).total_seconds() if due else None
