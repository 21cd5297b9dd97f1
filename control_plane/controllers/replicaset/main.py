"""The hands of the ReplicaSet controller: read, `plan`, create or delete, report."""

import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
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
from control_plane.controllers.pods import is_active, is_ending
from control_plane.controllers.replicaset.plan import (
    Failure,
    Plan,
    new_pod,
    next_look,
    plan,
    status_of,
)
from proto.v1.apps_pb2 import ReplicaSet, ReplicaSetStatus
from proto.v1.pod_pb2 import Pod

NO_ANSWER = (Unavailable, Timeout, Internal)  # the request may have had its effect
_PREFIX = 63 - SUFFIX_LENGTH


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
        active = await owners.claim(self.client, self._pods, rs, is_active)
        mine = self._pods.by_index(owners.MANAGED, rs.metadata.uid)
        ending = sum(map(is_ending, mine))
        now, ledger = clock.now(), self.ledgers[rs.metadata.uid]
        for pod in mine if ledger else ():
            ledger.shown(pod.metadata.name, pod.metadata.uid, ending=is_ending(pod))
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
        if isinstance(outcome, AlreadyExists):
            ledger.lost(name)  # until we know whose it is
            if await self._is_ours(rs, name):
                ledger.confirm(name)
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
        """Whatever version the set has: nobody else writes its status, and the cache lags behind our last report."""
        if status == rs.status:
            return
        copy = ReplicaSet()
        copy.CopyFrom(rs)
        copy.status.CopyFrom(status)
        copy.metadata.ClearField("resourceVersion")
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
