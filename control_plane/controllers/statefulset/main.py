"""The hands of the StatefulSet controller: read, `plan`, report, act.

There is no ledger here as with ReplicaSets, for the names of the pods are known before: a create that is repeated
because the cache lags is refused by the name, a delete that is repeated names the uid. The status is written before
anything is done. It remembers which revision is the current one, so a decision on an old view of it could bring back a
template that has been left; the write, with the version that was read, refuses such a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api import clock, controller, kinds
from api.client import Client, Write
from api.errors import AlreadyExists, ApiError, Conflict, NotFound
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import history, owners, revisions
from control_plane.controllers.statefulset.identity import ordinal_of, revision_of
from control_plane.controllers.statefulset.plan import Versions, plan
from control_plane.controllers.statefulset.status import next_look
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet, StatefulSetStatus
from proto.v1.pod_pb2 import Pod

BURST = 500  # pods of a Parallel set that are created or deleted in one go


@dataclass
class StatefulSets:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self._sets, self._pods = self.informers.of(StatefulSet), self.informers.of(Pod)
        self._revisions = self.informers.of(ControllerRevision)
        for informer in (self._sets, self._pods, self._revisions):
            owners.index(informer)

    def listen(self) -> None:
        self._sets.add_handler(self._on_set)
        self._pods.add_handler(self._on_pod)

    def _on_set(self, _old: StatefulSet | None, new: StatefulSet | None) -> None:
        if new is not None:
            self.queue.add(kinds.object_key(new))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            manager = owners.manager_of(pod) if pod is not None else None
            if pod is not None and manager is not None and manager.kind == "StatefulSet":
                self.queue.add(f"{pod.metadata.namespace}/{manager.name}")
        if new is not None and owners.manager_of(new) is None:
            for key in owners.wanting(self._sets, new):
                self.queue.add(key)

    async def reconcile(self, key: str) -> float | None:
        sts = self._sets.objects.get(key)
        if sts is None:
            return None  # its pods are the garbage collector's business

        def is_member(pod: Pod) -> bool:
            return ordinal_of(sts, pod) is not None

        pods = await owners.claim(self.client, self._pods, sts, is_member)
        known = await owners.claim(self.client, self._revisions, sts, owners.everything)
        versions, collisions = await self._versions(sts, known)
        now = clock.now()
        todo = plan(sts, pods, versions, now)
        todo.status.collisionCount = collisions
        await self._report(sts, todo.status)
        await self._create(sts, todo.create)
        for pod in todo.relabel:
            await self.client.update(pod)
        await self._delete(sts, todo.delete)
        live = {versions.current, versions.update, *map(revision_of, pods)}
        limit = sts.spec.revisionHistoryLimit
        await history.forget(self.client, revisions.surplus(known, live, limit))
        return next_look(sts, pods, now)

    async def _versions(
        self, sts: StatefulSet, known: Sequence[ControllerRevision]
    ) -> tuple[Versions, int]:
        """And the count of collisions. A set that is being deleted gets no revision any more."""
        status, template = sts.status, sts.spec.template
        if sts.metadata.HasField("deletionTimestamp"):
            there = Versions(status.currentRevision, status.updateRevision, template)
            return there, status.collisionCount
        recorded = await history.record(self.client, sts, known)
        update = recorded.revision.metadata.name
        current = status.currentRevision
        if current and current != update:
            found = await self._revision(sts, known, current)
            if found is not None:
                old = revisions.template_of(found)
                return Versions(current, update, old), recorded.collisions
        return Versions(update, update, template), recorded.collisions

    async def _revision(
        self, sts: StatefulSet, known: Sequence[ControllerRevision], name: str
    ) -> ControllerRevision | None:
        """None: it is gone for good. That our cache does not show it does not mean that."""
        for each in known:
            if each.metadata.name == name:
                return each
        try:
            return await self.client.get(ControllerRevision, name, sts.metadata.namespace)
        except NotFound:
            return None

    async def _report(self, sts: StatefulSet, status: StatefulSetStatus) -> None:
        if status == sts.status:
            return
        copy = StatefulSet()
        copy.CopyFrom(sts)
        copy.status.CopyFrom(status)
        await self.client.update(copy, subresource="status")

    async def _create(self, sts: StatefulSet, drafts: Sequence[Pod]) -> None:
        """Slow start: each batch is twice as big as the one before, and none follows a failure."""
        done, size = 0, 1
        while done < len(drafts[:BURST]):
            some = drafts[done : done + size]
            outcomes = await self.client.batch([Write("create", pod) for pod in some])
            errors = [
                await self._created(sts, pod, outcome)
                for pod, outcome in zip(some, outcomes, strict=True)
            ]
            for error in filter(None, errors):
                raise error
            done, size = done + len(some), size * 2

    async def _created(self, sts: StatefulSet, pod: Pod, outcome: Any) -> ApiError | None:
        """What is wrong, if anything is."""
        error = outcome if isinstance(outcome, ApiError) else None
        if isinstance(error, AlreadyExists) and await self._is_ours(sts, pod):
            return None  # an earlier request did arrive
        if error and any(cause.reason == "NamespaceTerminating" for cause in error.causes):
            return None  # nobody wants the pod any more
        self._tell(sts, "create", pod, outcome)
        return error

    async def _is_ours(self, sts: StatefulSet, pod: Pod) -> bool:
        meta = pod.metadata
        try:
            return owners.is_managed_by(await self.client.get(Pod, meta.name, meta.namespace), sts)
        except NotFound:
            return False

    async def _delete(self, sts: StatefulSet, pods: Sequence[Pod]) -> None:
        """A pod that is gone already, or is another one by now, is no error: that is what was wanted."""
        doomed = pods[:BURST]
        if not doomed:
            return
        outcomes = await self.client.batch([Write("delete", pod) for pod in doomed])
        errors = []
        for pod, outcome in zip(doomed, outcomes, strict=True):
            if isinstance(outcome, NotFound | Conflict):
                continue
            self._tell(sts, "delete", pod, outcome)
            if isinstance(outcome, ApiError):
                errors.append(outcome)
        if errors:
            raise errors[0]

    def _tell(self, sts: StatefulSet, verb: str, pod: Pod, outcome: Any) -> None:
        """In Kubernetes' own words."""
        said = f"{verb} Pod {pod.metadata.name} in StatefulSet {sts.metadata.name}"
        if isinstance(outcome, ApiError):
            reason, said = f"Failed{verb.title()}", f"{said} failed error: {outcome.message}"
            self.recorder.event(sts, "Warning", reason, said)
        else:
            self.recorder.event(sts, "Normal", f"Successful{verb.title()}", f"{said} successful")


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    sets = StatefulSets(client, informers, recorder)
    for kind in (StatefulSet, ControllerRevision, Pod):
        await informers.of(kind).wait_synced()
    sets.listen()
    await controller.run(sets.queue, sets.reconcile, name="statefulset")
