"""The hands of the Deployment controller: read, `plan`, write, one step each time.

Every write carries the version of the object that the decision was based on. If the cache was behind, the server
refuses, and the loop tries again with what it knows then: a stale view delays a rollout, it never breaks its bounds.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from api import clock, controller
from api.client import Client, Delete
from api.errors import AlreadyExists, ApiError, NotFound
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import owners, waking
from control_plane.controllers.deployment import rollback, template
from control_plane.controllers.deployment import status as reports
from control_plane.controllers.deployment.plan import Notes, next_look, plan
from control_plane.controllers.pods import is_over
from control_plane.controllers.report import report
from proto.v1.apps_pb2 import Deployment, DeploymentStatus, ReplicaSet
from proto.v1.pod_pb2 import Pod


@dataclass
class Deployments:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self._deployments = self.informers.of(Deployment)
        self._sets, self._pods = self.informers.of(ReplicaSet), self.informers.of(Pod)
        for informer in (self._deployments, self._sets, self._pods):
            owners.index(informer)

    def listen(self) -> None:
        self._deployments.add_handler(waking.itself(self.queue))
        self._sets.add_handler(waking.manager_or_takers(self.queue, self._deployments))

    async def reconcile(self, key: str) -> float | None:
        deployment = self._deployments.objects.get(key)
        if deployment is None:
            return None  # its ReplicaSets are the garbage collector's business
        sets = await owners.claim(self.client, self._sets, deployment, owners.everything)
        now = clock.now()
        todo = plan(deployment, sets, now, old_pods=self._old_pods(deployment, sets))
        if todo.create is not None and not await self._create(deployment, todo.create, todo.status):
            return None
        for before, after in todo.write:
            await self.client.update(after)
            self._tell(deployment, after.metadata.name, before.spec.replicas, after.spec.replicas)
        for rs in todo.delete:
            await self._delete(rs)
        deployment = await self._note(deployment, todo.notes)
        deployment = await report(self.client, deployment, todo.status)
        await self._roll_back(deployment, sets, todo.back)
        return next_look(deployment, todo.status, now)

    def _old_pods(self, deployment: Deployment, sets: list[ReplicaSet]) -> bool:
        """Pods of old versions exist; only a Recreate asks."""
        if deployment.spec.strategy.type != "Recreate":
            return False
        new = template.find_new(deployment, sets)
        return any(
            rs.status.replicas or not all(map(is_over, self._pods_of(rs)))
            for rs in sets
            if rs is not new
        )

    def _pods_of(self, rs: ReplicaSet) -> list[Pod]:
        return self._pods.by_index(owners.MANAGED, rs.metadata.uid)

    async def _create(
        self, deployment: Deployment, made: ReplicaSet, status: DeploymentStatus
    ) -> bool:
        """False: nothing was made, and all that is to be reported has been. Raises what the server says."""
        try:
            await self.client.create(made)
        except AlreadyExists:
            await self._explain(deployment, made, status)
            return False
        except ApiError as error:
            await self._report_failure(deployment, status, error)
            raise
        self._tell(deployment, made.metadata.name, 0, made.spec.replicas)
        return True

    async def _explain(
        self, deployment: Deployment, made: ReplicaSet, status: DeploymentStatus
    ) -> None:
        """The name is taken: by the very set we want, which our cache will show, or by another: then try another."""
        meta = made.metadata
        taken = await self.client.get(ReplicaSet, meta.name, meta.namespace)
        ours = owners.is_managed_by(taken, deployment)
        if ours and template.same(taken.spec.template, made.spec.template):
            return
        unchanged = DeploymentStatus()
        unchanged.CopyFrom(deployment.status)
        unchanged.collisionCount = status.collisionCount + 1
        await report(self.client, deployment, unchanged)

    async def _report_failure(
        self, deployment: Deployment, status: DeploymentStatus, error: ApiError
    ) -> None:
        self.recorder.event(
            deployment,
            "Warning",
            reports.NOT_CREATED,
            f"Failed to create new replica set: {error.message}",
        )
        told = (reports.PROGRESSING, "False", reports.NOT_CREATED, error.message)
        if reports.has_deadline(deployment):
            reports.set_condition(status, told, clock.now())
            with suppress(ApiError):  # the first error is the one to be told
                await report(self.client, deployment, status)

    def _tell(self, deployment: Deployment, name: str, before: int, after: int) -> None:
        if before != after:
            way = "up" if after > before else "down"
            said = f"Scaled {way} replica set {name} from {before} to {after}"
            self.recorder.event(deployment, "Normal", "ScalingReplicaSet", said)

    async def _delete(self, rs: ReplicaSet) -> None:
        meta = rs.metadata
        with suppress(NotFound):
            await self.client.delete(ReplicaSet, meta.name, meta.namespace, Delete(uid=meta.uid))

    async def _note(self, deployment: Deployment, annotations: Notes) -> Deployment:
        """The Deployment as it is then."""
        if not annotations:
            return deployment
        meta = deployment.metadata
        patch = {"metadata": {"uid": meta.uid, "annotations": dict(annotations)}}
        return await self.client.patch(Deployment, meta.name, meta.namespace, patch)

    async def _roll_back(
        self, deployment: Deployment, sets: list[ReplicaSet], decision: rollback.Decision
    ) -> None:
        """After the deadline has been reported: whoever waits for the rollout sees that it has failed."""
        new = template.find_new(deployment, sets)
        if decision.back_to is not None and new is not None:
            await self.client.update(rollback.gone_back(deployment, new, decision.back_to))
        if decision.told:
            self.recorder.event(deployment, *decision.told)


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    deployments = Deployments(client, informers, recorder)
    await informers.wait_synced(Deployment, ReplicaSet, Pod)
    deployments.listen()
    await controller.run(deployments.queue, deployments.reconcile, name="deployment")
