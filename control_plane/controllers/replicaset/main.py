"""The hands of the ReplicaSet controller: read, `plan`, create or delete, report."""

from collections import Counter
from dataclasses import dataclass, field

from api import clock, controller
from api.client import Client
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import owners, waking
from control_plane.controllers.ledger import Ledger, tell_ledgers
from control_plane.controllers.memories import Memories
from control_plane.controllers.newpod import draw_name, pod_of
from control_plane.controllers.podhands import PodHands
from control_plane.controllers.pods import is_active, is_ending
from control_plane.controllers.replicaset.plan import (
    ALONE,
    Failure,
    Plan,
    next_look,
    plan,
    status_of,
)
from control_plane.controllers.report import report
from proto.v1.apps_pb2 import ReplicaSet
from proto.v1.pod_pb2 import Pod


@dataclass
class ReplicaSets:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)
    ledgers: Memories[Ledger] = field(default_factory=lambda: Memories(Ledger))

    def __post_init__(self) -> None:
        self._sets, self._pods = self.informers.of(ReplicaSet), self.informers.of(Pod)
        owners.index(self._pods)
        owners.index(self._sets)
        self._hands = PodHands(self.client, self.recorder)

    def listen(self) -> None:
        self._sets.add_handler(self.ledgers.forget)
        self._sets.add_handler(waking.itself(self.queue))
        self._pods.add_handler(tell_ledgers(self.ledgers.get))
        self._pods.add_handler(waking.manager_or_takers(self.queue, self._sets))

    async def reconcile(self, key: str) -> float | None:
        rs = self._sets.objects.get(key)
        if rs is None:
            return None  # its pods are the garbage collector's business
        active = await owners.claim(self.client, self._pods, rs, is_active)
        mine = self._pods.by_index(owners.MANAGED, rs.metadata.uid)
        ending = sum(map(is_ending, mine))
        now, ledger = clock.now(), self.ledgers[rs.metadata.uid]
        ledger.look(mine)
        ledger.expire(now)
        surplus = len(active) > rs.spec.replicas  # only then it matters who else is on a node
        neighbours = self._neighbours(rs) if surplus else ALONE
        todo = plan(rs, active, now, ledger=ledger, neighbours=neighbours)
        failure = await self._act(rs, todo, ledger)
        status = status_of(rs, active, ending, now, failure)
        await report(self.client, rs, status, whatever_version=True)
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
            error = await self._hands.delete(rs, todo.delete, ledger)
            return Failure("FailedDelete", error) if error else None
        names = [*todo.again, *(draw_name(rs) for _ in range(todo.create))]
        pods = [pod_of(rs, rs.spec.template, name) for name in names]
        error = await self._hands.create(rs, pods, ledger)
        return Failure("FailedCreate", error) if error else None


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    sets = ReplicaSets(client, informers, recorder)
    await informers.wait_synced(ReplicaSet, Pod)
    sets.listen()
    await controller.run(sets.queue, sets.reconcile, name="replicaset")
