"""The loop of the Jobs: read, decide, write, in an order that a crash may interrupt anywhere.

The status is written before anything is done. If it is refused, the Job is not what the cache showed, and nothing was
decided on old facts; if it is written, the pods whose end it mentions can lose their finalizer (see account.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api import clock, controller, kinds
from api.client import Client, Delete, Write
from api.errors import ApiError, NotFound
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers import owners, waking
from control_plane.controllers.job.account import account, releasable
from control_plane.controllers.job.plan import Plan, failures_by_index, plan
from control_plane.controllers.job.pods import (
    TRACKING,
    draw_name,
    index_in,
    is_indexed,
    is_tracked,
    new_pod,
)
from control_plane.controllers.job.status import status_of
from control_plane.controllers.job.verdict import (
    FINAL,
    Verdict,
    condition,
    deadline,
    is_finished,
    verdict,
)
from control_plane.controllers.ledger import Ledger, tell_ledgers
from control_plane.controllers.memories import Memories
from control_plane.controllers.podhands import PodHands, batch
from control_plane.controllers.pods import is_active
from control_plane.controllers.report import report
from proto.v1.batch_pb2 import Job, JobStatus
from proto.v1.pod_pb2 import Pod

JOB = "job"  # an index of pods


def job_of(pod: Pod) -> Iterable[str]:
    """The key of the Job that the pod says it belongs to."""
    manager = owners.manager_of(pod)
    if manager is not None and manager.kind == "Job":
        yield f"{pod.metadata.namespace}/{manager.name}"


@dataclass
class Jobs:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)
    ledgers: Memories[Ledger] = field(default_factory=lambda: Memories(Ledger))

    def __post_init__(self) -> None:
        self._jobs, self._pods = self.informers.of(Job), self.informers.of(Pod)
        self._pods.add_index(JOB, job_of)
        self._hands = PodHands(self.client, self.recorder)

    def listen(self) -> None:
        self._jobs.add_handler(self.ledgers.forget)
        self._jobs.add_handler(self._on_job)
        self._pods.add_handler(tell_ledgers(self.ledgers.get))
        self._pods.add_handler(waking.manager(self.queue, Job))

    def _on_job(self, old: Job | None, new: Job | None) -> None:
        """One that is gone, too: its pods are to be released."""
        for job in (old, new):
            if job is not None:
                self.queue.add(kinds.object_key(job))

    async def reconcile(self, key: str) -> float | None:
        job = self._jobs.objects.get(key)
        pods = self._pods.by_index(JOB, key)
        mine = [pod for pod in pods if job is not None and owners.is_managed_by(pod, job)]
        if job is None or job.metadata.HasField("deletionTimestamp"):
            await self._release(pods)  # nobody counts them any more
            return None
        await self._release([pod for pod in pods if not owners.is_managed_by(pod, job)])
        now = clock.now()
        if is_finished(job):
            return await self._expire(job, now)
        return await self._step(job, mine, now)

    async def _expire(self, job: Job, now: datetime) -> float | None:
        """A finished Job is kept for as long as it says (S#77)."""
        if not job.spec.HasField("ttlSecondsAfterFinished"):
            return None
        [end] = [c for c in (condition(job, final) for final in FINAL.values()) if c]
        kept = timedelta(seconds=job.spec.ttlSecondsAfterFinished)
        left = (clock.to_datetime(end.lastTransitionTime) + kept - now).total_seconds()
        if left > 0:
            return left
        meta = job.metadata
        how = Delete(uid=meta.uid, propagation="Foreground")
        try:
            await self.client.delete(Job, meta.name, meta.namespace, how)
        except NotFound:
            return None
        return None

    async def _step(self, job: Job, pods: list[Pod], now: datetime) -> float | None:
        ledger = self.ledgers[job.metadata.uid]
        ledger.expire(now)
        going = ledger.deleting.keys() - ledger.unsure
        sums = account(job, pods)
        active = [pod for pod in pods if is_active(pod)]
        said = verdict(job, sums, active, now)
        status = status_of(job, pods, sums, said, now)
        todo = Plan()
        if said is None:
            here = [pod for pod in pods if pod.metadata.uid not in going]
            todo = plan(job, here, sums, self._coming(job, ledger), now)
        await self._report(job, status)
        done = sums.release if said is not None else releasable(job, pods, sums)
        await self._release(done)
        await self._act(job, pods, todo, ledger)
        if said is not None:
            await self._wind_up(
                job, said, [p for p in active if p.metadata.uid not in going], ledger
            )
        return _next_look(job, status, todo, ledger, now)

    def _coming(self, job: Job, ledger: Ledger) -> list[int | None]:
        """The indexes of pods that were made and that the cache does not show."""
        sure = ledger.creating.keys() - ledger.unsure
        return [index_in(name) if is_indexed(job) else None for name in sure]

    async def _report(self, job: Job, status: JobStatus) -> None:
        reported = await report(self.client, job, status)
        if reported is not job:
            self._tell(job, reported)

    def _tell(self, before: Job, after: Job) -> None:
        if end := condition(after, "Complete"):
            self.recorder.event(after, "Normal", "Completed", "Job completed")
        elif end := condition(after, "Failed"):
            self.recorder.event(after, "Warning", end.reason, end.message)
        was, is_now = condition(before, "Suspended"), condition(after, "Suspended")
        if is_now and not was:
            self.recorder.event(after, "Normal", "Suspended", "Job suspended")
        if was and not is_now:
            self.recorder.event(after, "Normal", "Resumed", "Job resumed")

    async def _release(self, pods: Sequence[Pod]) -> list[Pod]:
        """Take the finalizer off; the pods as they are then. Raises Conflict if one has changed meanwhile."""
        tracked = [pod for pod in pods if is_tracked(pod)]
        free = [pod for pod in pods if not is_tracked(pod)]
        writes = [Write("update", _without_finalizer(pod)) for pod in tracked]
        outcomes = await batch(self.client, writes)
        for outcome in outcomes:
            if not isinstance(outcome, ApiError):
                free.append(outcome)
            elif not isinstance(outcome, NotFound):
                raise outcome
        return free

    async def _wind_up(self, job: Job, said: Verdict, active: list[Pod], ledger: Ledger) -> None:
        """Pods that a failed Job ends count as failed; those that are not needed any more do not."""
        if said.type == "SuccessCriteriaMet":
            active = await self._release(active)
        await self._delete(job, active, ledger)

    async def _act(self, job: Job, pods: list[Pod], todo: Plan, ledger: Ledger) -> None:
        if todo.end:
            await self._delete(job, await self._release(todo.end), ledger)
        failures = failures_by_index(job, pods)
        unsure = sorted(ledger.unsure & ledger.creating.keys())
        drafts = []
        for index in todo.create:
            again = [n for n in unsure if index is None or index_in(n) == index]
            name = again[0] if again else draw_name(job, index)
            unsure = [n for n in unsure if n != name]
            drafts.append(new_pod(job, name, index, failures[index] if index is not None else 0))
        await self._create(job, drafts, ledger)

    async def _create(self, job: Job, pods: Sequence[Pod], ledger: Ledger) -> None:
        if error := await self._hands.create(job, pods, ledger):
            raise error

    async def _delete(self, job: Job, pods: Sequence[Pod], ledger: Ledger) -> None:
        if error := await self._hands.delete(job, pods, ledger):
            raise error


def _without_finalizer(pod: Pod) -> Pod:
    copy = Pod()
    copy.CopyFrom(pod)
    copy.metadata.finalizers.remove(TRACKING)
    return copy


def _next_look(
    job: Job, status: JobStatus, todo: Plan, ledger: Ledger, now: datetime
) -> float | None:
    """Seconds until time alone changes something."""
    shown = Job(spec=job.spec, status=status)
    moments = [deadline(shown), ledger.next_expiry(), now + todo.wait if todo.wait else None]
    due = [moment for moment in moments if moment is not None and moment > now]
    return (min(due) - now).total_seconds() if due else None


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    jobs = Jobs(client, informers, recorder)
    await informers.wait_synced(Job, Pod)
    jobs.listen()
    await controller.run(jobs.queue, jobs.reconcile, name="job")
