"""The hands of the DaemonSet controller: read, `plan`, create and delete, report."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api import clock, controller, kinds
from api.client import Client
from api.errors import ApiError
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import history, owners, revisions, waking
from control_plane.controllers.daemonset.backoff import Backoff
from control_plane.controllers.daemonset.nodes import NEITHER, Demand
from control_plane.controllers.daemonset.plan import Plan, plan
from control_plane.controllers.daemonset.sites import Site, sites_of
from control_plane.controllers.daemonset.status import next_look, status_of
from control_plane.controllers.daemonset.template import new_pod, node_of
from control_plane.controllers.ledger import Ledger, tell_ledgers
from control_plane.controllers.memories import Memories
from control_plane.controllers.newpod import draw_name
from control_plane.controllers.podhands import PodHands
from control_plane.controllers.report import report
from control_plane.controllers.revisions import POD_LABEL
from proto.v1.apps_pb2 import ControllerRevision, DaemonSet
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod


@dataclass
class Memory:
    """What is remembered of one DaemonSet."""

    ledger: Ledger = field(default_factory=Ledger)
    nodes: dict[str, str] = field(default_factory=dict)  # of each pod in ledger.creating, by name
    backoff: Backoff = field(default_factory=Backoff)

    def look(self, daemonset: DaemonSet, now: datetime) -> None:
        """Forget what does not count any more."""
        self.ledger.expire(now)
        self.nodes = {name: self.nodes[name] for name in self.ledger.creating}
        self.backoff.look(daemonset.metadata.generation, now)

    @property
    def coming(self) -> set[str]:
        """Nodes for which a pod was made that the cache does not show."""
        ledger = self.ledger
        return {self.nodes[name] for name in ledger.creating if name not in ledger.unsure}

    @property
    def going(self) -> frozenset[str]:
        return frozenset(self.ledger.deleting.keys() - self.ledger.unsure)

    def name_for(self, daemonset: DaemonSet, node: str) -> str:
        """One that was asked for already and not answered, or a new one."""
        unsure = sorted(self.ledger.unsure & self.ledger.creating.keys())
        asked = [name for name in unsure if self.nodes[name] == node]
        name = asked[0] if asked else draw_name(daemonset)
        self.nodes[name] = node
        return name


@dataclass
class DaemonSets:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)
    memories: Memories[Memory] = field(default_factory=lambda: Memories(Memory))
    demands: Memories[tuple[int, Demand]] = field(default_factory=Memories)  # with the generation

    def __post_init__(self) -> None:
        self._sets, self._pods = self.informers.of(DaemonSet), self.informers.of(Pod)
        self._nodes = self.informers.of(Node)
        self._revisions = self.informers.of(ControllerRevision)
        for informer in (self._sets, self._pods, self._revisions):
            owners.index(informer)
        self._hands = PodHands(self.client, self.recorder)

    def listen(self) -> None:
        self._sets.add_handler(self.demands.forget)
        self._sets.add_handler(self.memories.forget)
        self._sets.add_handler(waking.itself(self.queue))
        self._revisions.add_handler(waking.manager_or_takers(self.queue, self._sets))
        self._pods.add_handler(tell_ledgers(self._ledger))
        self._pods.add_handler(waking.manager_or_takers(self.queue, self._sets))
        self._nodes.add_handler(self._on_node)

    def _ledger(self, uid: str) -> Ledger | None:
        memory = self.memories.get(uid)
        return memory.ledger if memory is not None else None

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        """Only a node that is now judged differently is news: a heartbeat is none."""
        if old is not None and new is not None and _alike(old, new):
            return
        for daemonset in self._sets.objects.values():
            demand = self._demand(daemonset)
            before, after = (demand.verdict(n) if n is not None else NEITHER for n in (old, new))
            if before != after:
                self.queue.add(kinds.object_key(daemonset))

    def _demand(self, daemonset: DaemonSet) -> Demand:
        meta = daemonset.metadata
        generation, demand = self.demands.get(meta.uid, (0, None))
        if demand is None or generation != meta.generation:
            demand = Demand(daemonset)
            self.demands[meta.uid] = meta.generation, demand
        return demand

    async def reconcile(self, key: str) -> float | None:
        daemonset = self._sets.objects.get(key)
        if daemonset is None or daemonset.metadata.HasField("deletionTimestamp"):
            return None  # what it made is the garbage collector's business
        known = await owners.claim(self.client, self._revisions, daemonset, owners.everything)
        recorded = await history.record(self.client, daemonset, known, hash_label=POD_LABEL)
        pods = await owners.claim(self.client, self._pods, daemonset, owners.everything)
        now, memory = clock.now(), self.memories[daemonset.metadata.uid]
        sites = self._sites(daemonset, pods, memory, now)
        digest = recorded.revision.metadata.labels[POD_LABEL]
        todo = plan(daemonset, sites, digest, now, memory.backoff.held(now))
        error = await self._act(daemonset, todo, memory, digest)
        status = status_of(daemonset, sites, digest, recorded.collisions, now)
        await report(self.client, daemonset, status, whatever_version=True)
        if error is not None:
            raise error
        await self._forget(daemonset, known, recorded.revision, pods)
        held = memory.backoff.held(now).values()
        return next_look(daemonset, sites, held, memory.ledger, now)

    def _sites(
        self, daemonset: DaemonSet, pods: Sequence[Pod], memory: Memory, now: datetime
    ) -> list[Site]:
        memory.look(daemonset, now)
        memory.ledger.look(pods)
        demand = self._demand(daemonset)
        nodes = self._nodes.objects.values()
        verdicts = {node.metadata.name: demand.verdict(node) for node in nodes}
        return sites_of(verdicts, pods, coming=memory.coming, going=memory.going)

    async def _act(
        self, daemonset: DaemonSet, todo: Plan, memory: Memory, digest: str
    ) -> ApiError | None:
        """What went wrong, if anything did. That some pods cannot be made is no reason to keep others."""
        self._tell(daemonset, todo)
        memory.backoff.failed(map(node_of, todo.failed), clock.now())
        pods = [
            new_pod(daemonset, memory.name_for(daemonset, node), node, digest)
            for node in todo.create
        ]
        created = await self._hands.create(daemonset, pods, memory.ledger)
        deleted = await self._hands.delete(daemonset, todo.delete, memory.ledger)
        return created or deleted

    def _tell(self, daemonset: DaemonSet, todo: Plan) -> None:
        for pod in todo.failed:
            told = f"Found failed daemon pod {_where(pod)}, will try to kill it"
            self.recorder.event(daemonset, "Warning", "FailedDaemonPod", told)
        for pod in todo.succeeded:
            told = f"Found succeeded daemon pod {_where(pod)}, will try to delete it"
            self.recorder.event(daemonset, "Normal", "SucceededDaemonPod", told)

    async def _forget(
        self,
        daemonset: DaemonSet,
        known: Sequence[ControllerRevision],
        present: ControllerRevision,
        pods: Sequence[Pod],
    ) -> None:
        """Old revisions beyond the limit, except those that pods are still made from; these count, but do not go."""
        digests = {pod.metadata.labels.get(POD_LABEL, "") for pod in pods}
        old = [each for each in known if each.metadata.name != present.metadata.name]
        live = {e.metadata.name for e in old if e.metadata.labels.get(POD_LABEL) in digests}
        limit = max(0, daemonset.spec.revisionHistoryLimit - len(live))
        await history.forget(self.client, revisions.surplus(old, live, limit))


def _where(pod: Pod) -> str:
    return f"{kinds.object_key(pod)} on node {node_of(pod)}"


def _alike(old: Node, new: Node) -> bool:
    return bool(old.metadata.labels == new.metadata.labels and old.spec.taints == new.spec.taints)


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    sets = DaemonSets(client, informers, recorder)
    await informers.wait_synced(DaemonSet, ControllerRevision, Pod, Node)
    sets.listen()
    await controller.run(sets.queue, sets.reconcile, name="daemonset")
