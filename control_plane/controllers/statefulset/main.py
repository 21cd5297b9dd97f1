"""The hands of the StatefulSet controller: read, `plan`, report, act.

What is created needs no ledger, as it does with ReplicaSets, for the names of the pods are known before: a create that
is repeated because the cache lags is refused by the name. A delete that is repeated names the uid, so it would do no
harm either; but it would be told again, as if there had been two.

The status is written before anything is done. It remembers which revision is the current one, so a decision on an old
view of it could bring back a template that was left; the write, with the version that was read, refuses such a view.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from api import clock, controller
from api.client import Client
from api.errors import NotFound
from api.informer import Informers
from api.recorder import Recorder
from api.revisions import template_of
from api.workqueue import WorkQueue
from control_plane.controllers import history, owners, revisions, waking
from control_plane.controllers.ledger import Ledger, tell_ledgers
from control_plane.controllers.memories import Memories
from control_plane.controllers.podhands import PodHands, Words
from control_plane.controllers.report import report
from control_plane.controllers.statefulset.identity import ordinal_of, revision_of
from control_plane.controllers.statefulset.plan import Plan, Versions, plan
from control_plane.controllers.statefulset.status import next_look
from proto.v1.apps_pb2 import ControllerRevision, StatefulSet
from proto.v1.pod_pb2 import Pod

BURST = 500  # pods of a Parallel set that are created or deleted in one go
_DONE, _FAILED = (
    "Pod {pod} in StatefulSet {owner} successful",
    "Pod {pod} in StatefulSet {owner} failed error: {error}",
)
WORDS = Words(f"create {_DONE}", f"delete {_DONE}", f"create {_FAILED}", f"delete {_FAILED}")


@dataclass
class StatefulSets:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)
    ledgers: Memories[Ledger] = field(default_factory=lambda: Memories(Ledger))  # of deletions only

    def __post_init__(self) -> None:
        self._sets, self._pods = self.informers.of(StatefulSet), self.informers.of(Pod)
        self._revisions = self.informers.of(ControllerRevision)
        self._hands = PodHands(self.client, self.recorder, WORDS)
        for informer in (self._sets, self._pods, self._revisions):
            owners.index(informer)

    def listen(self) -> None:
        self._sets.add_handler(self.ledgers.forget)
        self._sets.add_handler(waking.itself(self.queue))
        self._pods.add_handler(tell_ledgers(self.ledgers.get))
        self._pods.add_handler(waking.manager_or_takers(self.queue, self._sets))

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
        await report(self.client, sts, todo.status)
        await self._act(sts, todo)
        live = {versions.current, versions.update, *map(revision_of, pods)}
        limit = sts.spec.revisionHistoryLimit
        await history.forget(self.client, revisions.surplus(known, live, limit))
        return next_look(sts, pods, now)

    async def _act(self, sts: StatefulSet, todo: Plan) -> None:
        """What fails keeps the rest from being done: it may depend on it."""
        if error := await self._hands.create(sts, todo.create[:BURST], Ledger()):
            raise error
        for pod in todo.relabel:
            await self.client.update(pod)
        ledger = self.ledgers[sts.metadata.uid]
        ledger.expire(clock.now())
        told = ledger.deleting.keys() - ledger.unsure
        delete = [pod for pod in todo.delete if pod.metadata.uid not in told]
        if error := await self._hands.delete(sts, delete[:BURST], ledger):
            raise error

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
                old = template_of(found)
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


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    sets = StatefulSets(client, informers, recorder)
    await informers.wait_synced(StatefulSet, ControllerRevision, Pod)
    sets.listen()
    await controller.run(sets.queue, sets.reconcile, name="statefulset")
