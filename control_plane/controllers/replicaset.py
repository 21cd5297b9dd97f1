"""ReplicaSet: keeps N pods alive. `plan` decides, `ReplicaSets` acts (S#65, S#22, S#113).

Too few pods: new ones are made from the template, first one, then two, four, eight, so that a template which the
server refuses costs a few refusals and not five hundred. Too many: those go first whose loss hurts least. Pods are
named `<set>-<five letters>`, as in Kubernetes, but the letters are drawn here and not by the server: the ledger says
why, and what keeps a stale cache from leading to a pod too many.

A pod that has ended for good, or has been told to end, is no replica any more: its successor does not wait for it.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from api import clock, controller
from api.client import Client, Write
from api.errors import AlreadyExists, ApiError, Internal, NotFound, Timeout, Unavailable
from api.informer import Informers
from api.names import SUFFIX_LENGTH, SUFFIX_LETTERS
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import owners
from control_plane.controllers.ledger import Ledger
from control_plane.controllers.pods import (
    available_at,
    is_active,
    is_available,
    is_ending,
    ready_since,
    removal_order,
)
from proto.v1.apps_pb2 import ReplicaSet, ReplicaSetStatus, WorkloadCondition
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Pod

BURST = 500  # pods created or deleted in one go
NO_ANSWER = (Unavailable, Timeout, Internal)  # the request may have had its effect
FAILURE = "ReplicaFailure"  # a condition
_PREFIX = 63 - SUFFIX_LENGTH


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
        again = sorted(ledger.unsure & ledger.creating.keys())[:missing]
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
    labels = rs.spec.template.metadata.labels.items()
    delay = rs.spec.minReadySeconds
    status = ReplicaSetStatus(
        replicas=len(active),
        fullyLabeledReplicas=sum(labels <= pod.metadata.labels.items() for pod in active),
        readyReplicas=sum(ready_since(pod) is not None for pod in active),
        availableReplicas=sum(is_available(pod, delay, now) for pod in active),
        observedGeneration=rs.metadata.generation,
        terminatingReplicas=ending,
    )
    status.conditions.extend(each for each in rs.status.conditions if each.type != FAILURE)
    if failure:
        status.conditions.append(_failed(rs, failure, now))
    return status


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
    moments = (available_at(pod, rs.spec.minReadySeconds) for pod in active)
    due = [moment for moment in (*moments, ledger.next_expiry()) if moment and moment > now]
    return (min(due) - now).total_seconds() if due else None


def new_pod(rs: ReplicaSet, name: str) -> Pod:
    template = rs.spec.template
    meta = ObjectMeta(
        name=name,
        namespace=rs.metadata.namespace,
        generateName=f"{rs.metadata.name}-",
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        finalizers=template.metadata.finalizers,
        ownerReferences=[owners.reference_to(rs)],
    )
    return Pod(metadata=meta, spec=template.spec)


def draw_name(rs: ReplicaSet) -> str:
    letters = random.choices(SUFFIX_LETTERS, k=SUFFIX_LENGTH)
    return f"{rs.metadata.name}-"[:_PREFIX] + "".join(letters)


@dataclass
class ReplicaSets:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)
    # By the set's uid; forgotten with the set.
    ledgers: defaultdict[str, Ledger] = field(default_factory=lambda: defaultdict(Ledger))

    def __post_init__(self) -> None:
        self._sets, self._pods = self.informers.of(ReplicaSet), self.informers.of(Pod)
        owners.index(self._pods)
        owners.index(self._sets)

    def listen(self) -> None:
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)

    def _on_set(self, old: ReplicaSet | None, new: ReplicaSet | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self.ledgers.pop(old.metadata.uid, None)
        if new is not None:
            self.queue.add(_key(new, new.metadata.name))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            manager = owners.manager_of(pod) if pod is not None else None
            if pod is not None and manager is not None and manager.kind == "ReplicaSet":
                if ledger := self.ledgers.get(manager.uid):
                    ending = new is None or is_ending(pod)
                    ledger.shown(pod.metadata.name, pod.metadata.uid, ending=ending)
                self.queue.add(_key(pod, manager.name))
        if new is not None and owners.manager_of(new) is None:
            for key in owners.wanting(self._sets, new):
                self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        rs = self._sets.objects.get(key)
        if rs is None:
            return None  # its pods are the garbage collector's business
        candidates = owners.candidates(self._pods, rs)
        active = await owners.claim(self.client, rs, filter(is_active, candidates))
        ending = sum(is_ending(pod) and owners.is_managed_by(pod, rs) for pod in candidates)
        now, ledger = clock.now(), self.ledgers[rs.metadata.uid]
        ledger.expire(now)
        todo = plan(rs, active, now, ledger=ledger, neighbours=self._neighbours(rs))
        failure = await self._act(rs, todo, ledger)
        await self._report(rs, status_of(rs, active, ending, now, failure))
        if failure:
            raise failure.error
        return next_look(rs, active, ledger, now)

    def _neighbours(self, rs: ReplicaSet) -> Counter[str]:
        """Per node, the active pods of all sets that have the same manager as this one."""
        manager = owners.manager_of(rs)
        related = self._sets.by_index(owners.MANAGED, manager.uid) if manager else [rs]
        pods = (pod for s in related for pod in self._pods.by_index(owners.MANAGED, s.metadata.uid))
        return Counter(pod.spec.nodeName for pod in pods if is_active(pod))

    async def _act(self, rs: ReplicaSet, todo: Plan, ledger: Ledger) -> Failure | None:
        if todo.delete:
            error = await self._delete(rs, todo.delete, ledger)
            return Failure("FailedDelete", error) if error else None
        names = [*todo.again, *(draw_name(rs) for _ in range(todo.create))]
        error = await self._create(rs, names, ledger)
        return Failure("FailedCreate", error) if error else None

    async def _create(
        self, rs: ReplicaSet, names: Sequence[str], ledger: Ledger
    ) -> ApiError | None:
        """Slow start: each batch is twice as big as the one before, and none follows a failure."""
        done, size = 0, 1
        while done < len(names):
            some = names[done : done + size]
            ledger.begin_creating(some, clock.now())
            outcomes = await self._batch([Write("create", new_pod(rs, name)) for name in some])
            errors = [
                error
                for name, outcome in zip(some, outcomes, strict=True)
                if (error := await self._created(rs, name, outcome, ledger))
            ]
            if errors:
                return errors[0]
            done, size = done + len(some), size * 2
        return None

    async def _created(
        self, rs: ReplicaSet, name: str, outcome: Any, ledger: Ledger
    ) -> ApiError | None:
        """What is wrong, if anything is."""
        if isinstance(outcome, AlreadyExists) and await self._is_ours(rs, name):
            return None  # an earlier request did arrive
        if not isinstance(outcome, ApiError):
            self.recorder.event(rs, "Normal", "SuccessfulCreate", f"Created pod: {name}")
            return None
        if isinstance(outcome, NO_ANSWER):
            ledger.lost(name)
        else:
            ledger.forget(name)
        if any(cause.reason == "NamespaceTerminating" for cause in outcome.causes):
            return None  # nobody wants the pod any more
        self.recorder.event(rs, "Warning", "FailedCreate", f"Error creating: {outcome.message}")
        return outcome

    async def _is_ours(self, rs: ReplicaSet, name: str) -> bool:
        try:
            return owners.is_managed_by(await self.client.get(Pod, name, rs.metadata.namespace), rs)
        except NotFound:
            return False

    async def _delete(self, rs: ReplicaSet, pods: Sequence[Pod], ledger: Ledger) -> ApiError | None:
        """All at once. A pod that is gone already is what was wanted."""
        ledger.begin_deleting((pod.metadata.uid for pod in pods), clock.now())
        outcomes = await self._batch([Write("delete", pod) for pod in pods])
        errors = []
        for pod, outcome in zip(pods, outcomes, strict=True):
            if not isinstance(outcome, ApiError):
                said = f"Deleted pod: {pod.metadata.name}"
                self.recorder.event(rs, "Normal", "SuccessfulDelete", said)
            elif not isinstance(outcome, NotFound):
                self._not_deleted(rs, pod, outcome, ledger)
                errors.append(outcome)
        return errors[0] if errors else None

    def _not_deleted(self, rs: ReplicaSet, pod: Pod, error: ApiError, ledger: Ledger) -> None:
        if isinstance(error, NO_ANSWER):
            ledger.lost(pod.metadata.uid)
        else:
            ledger.forget(pod.metadata.uid)
        self.recorder.event(rs, "Warning", "FailedDelete", f"Error deleting: {error.message}")

    async def _batch(self, writes: Sequence[Write[Pod]]) -> Sequence[Any]:
        """One outcome for each write; if nobody answers, that is everybody's."""
        try:
            return await self.client.batch(writes)
        except ApiError as error:
            return [error] * len(writes)

    async def _report(self, rs: ReplicaSet, status: ReplicaSetStatus) -> None:
        if status == rs.status:
            return
        copy = ReplicaSet()
        copy.CopyFrom(rs)
        copy.status.CopyFrom(status)
        await self.client.update(copy, subresource="status")


def _key(obj: Any, name: str) -> str:
    return f"{obj.metadata.namespace}/{name}"


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    sets = ReplicaSets(client, informers, recorder)
    for informer in (informers.of(ReplicaSet), informers.of(Pod)):
        await informer.wait_synced()
    sets.listen()
    await controller.run(sets.queue, sets.reconcile, name="replicaset")
