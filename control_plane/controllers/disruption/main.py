"""The hands of the disruption controller: read, count, report."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from api import budgets, clock, conditions, controller, kinds
from api.client import Client
from api.errors import NotFound
from api.informer import Informers, by_namespace
from api.kinds import Kind
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import owners, waking
from control_plane.controllers.disruption.plan import Need, failed, need, plan, spared, stale_in
from control_plane.controllers.disruption.scale import NotCounted
from control_plane.controllers.report import report
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget

MAKERS = [kind for kind in kinds.KINDS if kind.scale]
UNMANAGED = (
    "Pods selected by this PodDisruptionBudget (selector: {}) were found to be unmanaged. As a result, the status of "
    "the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these pods please "
    'set ".spec.minAvailable" field of the PDB to an integer value.'
)


@dataclass
class Budgets:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)  # budgets
    doubtful: WorkQueue = field(
        default_factory=WorkQueue
    )  # pods that were made to go, and perhaps stayed

    def __post_init__(self) -> None:
        self._budgets = self.informers.of(PodDisruptionBudget)
        self._pods = self.informers.of(Pod)
        self._makers = {kind: self.informers.of(kind.message) for kind in MAKERS}
        for informer in (self._budgets, self._pods):
            informer.add_index(owners.NAMESPACE, by_namespace)

    def listen(self) -> None:
        self._budgets.add_handler(waking.itself(self.queue))
        self._pods.add_handler(self._on_pod)
        for informer in self._makers.values():
            informer.add_handler(self._on_maker)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        for pod in filter(None, (old, new)):
            for budget in self._budgets.by_index(owners.NAMESPACE, pod.metadata.namespace):
                if budgets.guards(budget, pod):
                    self.queue.add(kinds.object_key(budget))
        if new is not None and conditions.holds(new.status.conditions, budgets.TARGET):
            self.doubtful.add(kinds.object_key(new))

    def _on_maker(self, old: Any, new: Any) -> None:
        """Percentages are of its replicas. Which of the namespace's budgets are about its pods, counting shows."""
        if old is None or new is None or old.spec.replicas != new.spec.replicas:
            namespace = (new or old).metadata.namespace
            for budget in self._budgets.by_index(owners.NAMESPACE, namespace):
                self.queue.add(kinds.object_key(budget))

    def _find(self, kind: Kind, key: str) -> Any | None:
        return self._makers[kind].objects.get(key)

    def _guarded(self, budget: PodDisruptionBudget) -> Iterator[Pod]:
        for pod in self._pods.by_index(owners.NAMESPACE, budget.metadata.namespace):
            if budgets.guards(budget, pod):
                yield pod

    async def reconcile(self, key: str) -> float | None:
        budget = self._budgets.objects.get(key)
        if budget is None:
            return None
        pods, now = list(self._guarded(budget)), clock.now()
        if not pods:
            self.recorder.event(budget, "Normal", "NoPods", "No matching pods found")
        try:
            needed = need(budget, pods, self._find)
        except NotCounted as why:
            told = f"Failed to calculate the number of expected pods: {why}"
            self.recorder.event(budget, "Warning", "CalculateExpectedPodCountFailed", told)
            await report(self.client, budget, failed(budget, str(why), now))
            return None
        self._tell(budget, needed)
        todo = plan(budget, pods, needed, now)
        for pod in todo.given_up:
            told = f"Pod was expected by PDB {key} to be deleted but it wasn't"
            self.recorder.event(pod, "Warning", "NotDeleted", told)
        await report(
            self.client, budget, todo.status
        )  # Conflict: an eviction was granted meanwhile
        return todo.look_again

    def _tell(self, budget: PodDisruptionBudget, needed: Need) -> None:
        if needed.unmanaged:
            said = UNMANAGED.format(" ".join(str(budget.spec.selector).split()))
            self.recorder.event(budget, "Warning", "UnmanagedPods", said)

    async def doubt(self, key: str) -> float | None:
        """Two minutes after a pod was made to go it is still there, and nobody has deleted it."""
        pod, now = self._pods.objects.get(key), clock.now()
        due = stale_in(pod, now) if pod is not None else None
        if pod is None or due is None or due > 0:
            return due
        copy = Pod()
        copy.CopyFrom(pod)
        conditions.put(copy.status.conditions, spared(now))
        try:
            await self.client.update(copy, subresource="status")
        except NotFound:
            return None
        return None


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    parts = Budgets(client, informers, recorder)
    await informers.wait_synced(PodDisruptionBudget, Pod, *(kind.message for kind in MAKERS))
    parts.listen()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(controller.run(parts.queue, parts.reconcile, name="disruption"))
        tasks.create_task(controller.run(parts.doubtful, parts.doubt, name="stale-disruption"))
