"""The loop of the CronJobs: keep the list of running Jobs and the history, then start what is due.

Nothing polls: a reconcile says when the next slot is, and the queue's timer brings it back then. A slot's Job has one
name (due.py), so a controller that dies between creating it and noting that down finds it when it tries again.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from api import clock, controller
from api.client import Client, Delete
from api.errors import AlreadyExists, ApiError, NotFound
from api.informer import Informers
from api.recorder import Recorder, reference
from api.workqueue import WorkQueue
from control_plane.controllers import owners, waking
from control_plane.controllers.cronjob import slots
from control_plane.controllers.cronjob.due import MANY, Due, due, job_name
from control_plane.controllers.cronjob.history import outdated
from control_plane.controllers.cronjob.schedule import Schedule, Unreadable, parse, zone_of
from control_plane.controllers.job.verdict import condition, is_finished
from proto.v1.batch_pb2 import CronJob, CronJobSlot, CronJobStatus, Job
from proto.v1.meta_pb2 import ObjectMeta

SLOT = "batch.kubernetes.io/cronjob-scheduled-timestamp"  # an annotation of Jobs
BACKGROUND = "Background"
# Type, reason and message of an event.
Happening = tuple[Literal["Normal", "Warning"], str, str]
FORBIDDEN: Happening = (
    "Normal",
    "JobAlreadyActive",
    "Not starting job because prior execution is running and concurrency policy is Forbid",
)


@dataclass
class CronJobs:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self._cronjobs, self._jobs = self.informers.of(CronJob), self.informers.of(Job)
        owners.index(self._jobs)

    def listen(self) -> None:
        self._cronjobs.add_handler(waking.itself(self.queue))
        self._jobs.add_handler(waking.manager(self.queue, CronJob))

    async def reconcile(self, key: str) -> float | None:
        shown = self._cronjobs.objects.get(key)
        if shown is None or shown.metadata.HasField("deletionTimestamp"):
            return None
        cronjob = CronJob()
        cronjob.CopyFrom(shown)
        jobs = self._jobs.by_index(owners.MANAGED, cronjob.metadata.uid)
        cronjob.status.CopyFrom(await self._observed(cronjob, jobs))
        cronjob = await self._report(cronjob, shown.status)
        await self._forget(cronjob, outdated(cronjob, jobs))
        schedule = self._schedule(cronjob)
        if schedule is None:
            return None  # until somebody corrects it
        return await self._decide(cronjob, schedule, clock.now())

    async def _decide(self, cronjob: CronJob, schedule: Schedule, now: datetime) -> float | None:
        """About the slots that have come; says when the next does."""
        before, found, told = CronJobStatus(), due(cronjob, schedule, now), None
        before.CopyFrom(cronjob.status)
        if cronjob.spec.suspend:
            self._note(cronjob, slots.suspended(cronjob, schedule, now))
        else:
            passed = slots.undecided(cronjob, schedule, found.slot or now, now)
            self._note(cronjob, passed)
            told = await self._run(cronjob, found, now)
        await self._report(cronjob, before)
        if told is not None:
            self.recorder.event(cronjob, *told)
        return found.look_again(now)

    def _note(self, cronjob: CronJob, entries: Iterable[CronJobSlot]) -> None:
        for entry in list(entries):
            slots.note(cronjob.status, entry)

    async def _observed(self, cronjob: CronJob, jobs: Sequence[Job]) -> CronJobStatus:
        """The status as the Jobs make it: who runs, who has ended, who is gone."""
        status = CronJobStatus()
        status.CopyFrom(cronjob.status)
        by_uid = {job.metadata.uid: job for job in jobs}
        listed = {entry.uid for entry in status.active}
        for entry in cronjob.status.active:
            job = by_uid.get(entry.uid) or await self._live(entry.name, entry.uid, cronjob)
            if job is None or is_finished(job):
                status.active.remove(entry)
                self._tell_end(cronjob, entry.name, job)
        for job in jobs:
            if not is_finished(job) and job.metadata.uid not in listed:
                self._note_found(cronjob, status, job)
            elif condition(job, "Complete"):
                _latest_success(status, job)
        return status

    async def _live(self, name: str, uid: str, cronjob: CronJob) -> Job | None:
        """The cache may not show yet what was made a moment ago."""
        try:
            job = await self.client.get(Job, name, cronjob.metadata.namespace)
        except NotFound:
            return None
        return job if job.metadata.uid == uid else None

    def _tell_end(self, cronjob: CronJob, name: str, job: Job | None) -> None:
        if job is None:
            told = f"Active job went missing: {name}"
            self.recorder.event(cronjob, "Normal", "MissingJob", told)
            return
        how = "Complete" if condition(job, "Complete") else "Failed"
        told = f"Saw completed job: {name}, condition: {how}"
        self.recorder.event(cronjob, "Normal", "SawCompletedJob", told)

    def _note_found(self, cronjob: CronJob, status: CronJobStatus, job: Job) -> None:
        """Of a slot: we have made it and could not note it down. Any other: somebody has started it by hand."""
        if SLOT in job.metadata.annotations:
            status.active.append(reference(job))
            return
        told = f"Saw a job that the controller did not create or forgot: {job.metadata.name}"
        self.recorder.event(cronjob, "Warning", "UnexpectedJob", told)

    async def _report(self, cronjob: CronJob, before: CronJobStatus) -> CronJob:
        if cronjob.status == before:
            return cronjob
        return await self.client.update(cronjob, subresource="status")

    async def _forget(self, cronjob: CronJob, jobs: Sequence[Job]) -> None:
        for job in jobs:
            if not job.metadata.HasField("deletionTimestamp"):
                await self._delete(cronjob, job.metadata.name, job.metadata.uid)

    async def _delete(self, cronjob: CronJob, name: str, uid: str) -> None:
        how = Delete(uid=uid, propagation=BACKGROUND)
        try:
            await self.client.delete(Job, name, cronjob.metadata.namespace, how)
        except NotFound:
            return
        except ApiError as error:
            told = f"Deleted job: {error.message}"
            self.recorder.event(cronjob, "Warning", "FailedDelete", told)
            raise
        self.recorder.event(cronjob, "Normal", "SuccessfulDelete", f"Deleted job {name}")

    def _schedule(self, cronjob: CronJob) -> Schedule | None:
        spec = cronjob.spec
        try:
            zone = zone_of(spec.timeZone)
        except Unreadable as error:
            told = f"invalid timeZone: {spec.timeZone!r}: {error}"
            self.recorder.event(cronjob, "Warning", "UnknownTimeZone", told)
            return None
        try:
            return parse(spec.schedule, zone)
        except Unreadable as error:
            told = f"unparseable schedule: {spec.schedule!r}: {error}"
            self.recorder.event(cronjob, "Warning", "UnparseableSchedule", told)
            return None

    async def _run(self, cronjob: CronJob, found: Due, now: datetime) -> Happening | None:
        """Start the slot's Job, or say why not, and note it in the status. What is to be told once that is written."""
        slot, active = found.slot, cronjob.status.active
        if slot is None:
            return None
        if found.missed > MANY:
            told = (
                f"too many missed start times: about {found.missed}; only the latest is run. "
                "Set or decrease .spec.startingDeadlineSeconds or check clock skew"
            )
            self.recorder.event(cronjob, "Warning", "TooManyMissedTimes", told)
        if found.too_late:
            told = f"Missed scheduled time to start a job: {slot:%Y-%m-%dT%H:%M:%SZ}"
            skip = slots.skipped(slot, slots.TOO_LATE, now)
            return _skip(cronjob, skip, ("Warning", "MissSchedule", told))
        if any(entry.name == job_name(cronjob, slot) for entry in active):
            _started(cronjob, slot, now)
            return None
        if active and cronjob.spec.concurrencyPolicy == "Forbid":
            skip = slots.skipped(slot, slots.JOB_RUNNING, now, job=active[0].name)
            return _skip(cronjob, skip, FORBIDDEN)
        if cronjob.spec.concurrencyPolicy == "Replace":
            for entry in list(active):
                await self._delete(cronjob, entry.name, entry.uid)
                active.remove(entry)
        await self._start(cronjob, slot)
        _started(cronjob, slot, now)
        return None

    async def _start(self, cronjob: CronJob, slot: datetime) -> None:
        draft = new_job(cronjob, slot)
        try:
            job = await self.client.create(draft)
        except AlreadyExists:
            job = await self.client.get(Job, draft.metadata.name, draft.metadata.namespace)
            if not owners.is_managed_by(job, cronjob):
                told = f"Error creating job: {job.metadata.name} exists and is somebody else's"
                self.recorder.event(cronjob, "Warning", "FailedCreate", told)
                raise
        except ApiError as error:
            if not any(cause.reason == "NamespaceTerminating" for cause in error.causes):
                told = f"Error creating job: {error.message}"
                self.recorder.event(cronjob, "Warning", "FailedCreate", told)
            raise
        else:
            told = f"Created job {job.metadata.name}"
            self.recorder.event(cronjob, "Normal", "SuccessfulCreate", told)
        if not is_finished(job):
            cronjob.status.active.append(reference(job))


def _skip(cronjob: CronJob, entry: CronJobSlot, told: Happening) -> Happening | None:
    """Told once, though a slot is looked at again and again until the next one comes."""
    return told if slots.note(cronjob.status, entry) else None


def _started(cronjob: CronJob, slot: datetime, now: datetime) -> None:
    cronjob.status.lastScheduleTime.CopyFrom(clock.timestamp(slot))
    slots.note(cronjob.status, slots.ran(slot, job_name(cronjob, slot), now))


def new_job(cronjob: CronJob, slot: datetime) -> Job:
    """The template's Job for a slot."""
    template = cronjob.spec.jobTemplate
    meta = ObjectMeta(
        name=job_name(cronjob, slot),
        namespace=cronjob.metadata.namespace,
        labels=template.metadata.labels,
        annotations=template.metadata.annotations,
        ownerReferences=[owners.reference_to(cronjob)],
    )
    zone: Any = zone_of(cronjob.spec.timeZone)
    meta.annotations[SLOT] = slot.astimezone(zone).isoformat().replace("+00:00", "Z")
    return Job(metadata=meta, spec=template.spec)


def _latest_success(status: CronJobStatus, job: Job) -> None:
    if status.lastSuccessfulTime.seconds < job.status.completionTime.seconds:
        status.lastSuccessfulTime.CopyFrom(job.status.completionTime)


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    cronjobs = CronJobs(client, informers, recorder)
    await informers.wait_synced(CronJob, Job)
    cronjobs.listen()
    await controller.run(cronjobs.queue, cronjobs.reconcile, name="cronjob")
