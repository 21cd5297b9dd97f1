"""Jobs and CronJobs on fake time: a real API server, the real controllers, and the test as the node."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from api import clock
from api.client import Client, Delete, Selection
from api.errors import NotFound, Unavailable
from api.informer import Informers
from api.recorder import Recorder
from control_plane.controllers import garbage
from control_plane.controllers.cronjob import main as cronjobs
from control_plane.controllers.job import main as jobs
from control_plane.controllers.job.pods import INDEX, TRACKING
from control_plane.store.memory import MemoryStore
from proto.v1.batch_pb2 import CronJob, CronJobSpec, Job, JobSpec
from proto.v1.cluster_pb2 import Event
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, ContainerStatus, Pod
from tests import fake_time
from tests.agent_world import now
from tests.apiserver import serving


class World:
    def __init__(self, client: Client, recorder: Recorder) -> None:
        self.client, self.recorder = client, recorder

    async def job(self, name: str = "pi") -> Job:
        return await self.client.get(Job, name, "default")

    async def pods(self) -> list[Pod]:
        return (await self.client.list(Pod)).items

    async def active(self) -> list[Pod]:
        return [p for p in await self.pods() if p.status.phase in ("", "Pending", "Running")]

    async def until(
        self, holds: Callable[[], Coroutine[Any, Any, Any]], seconds: float = 7200
    ) -> Any:
        async with asyncio.timeout(seconds):
            while not (found := await holds()):  # noqa: ASYNC110 - the server's to know
                await asyncio.sleep(0.1)
            return found

    async def until_active(self, count: int) -> list[Pod]:
        async def enough() -> tuple[list[Pod]] | None:
            found = await self.active()
            return (found,) if len(found) == count else None

        [pods] = await self.until(enough)
        return pods

    async def ended(self, name: str = "pi") -> Job:
        async def over() -> Job | None:
            job = await self.job(name)
            return job if {"Complete", "Failed"} & set(conditions(job)) else None

        return await self.until(over)

    async def end(self, pod: Pod, code: int = 0) -> None:
        pod.status.phase = "Failed" if code else "Succeeded"
        status = ContainerStatus(name="app", image="i:1")
        status.state.terminated.exitCode = code
        status.state.terminated.finishedAt.CopyFrom(clock.timestamp())
        pod.status.containerStatuses.append(status)
        await self.client.update(pod, subresource="status")

    async def reasons(self, name: str) -> Counter[str]:
        await self.recorder.flush()
        found = (await self.client.list(Event, Selection(namespace="default"))).items
        reasons: Counter[str] = Counter()
        for event in found:
            if event.involvedObject.name == name:
                reasons[event.reason] += event.count
        return reasons


def conditions(job: Job) -> dict[str, str]:
    return {c.type: c.reason for c in job.status.conditions if c.status == "True"}


class Losing:
    """A client whose N-th write arrives or does not, and is not answered either way."""

    def __init__(self, client: Client, nth: int, *, arrives: bool) -> None:
        self._client, self._left, self._arrives = client, nth, arrives

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._client, name)
        if name not in ("create", "update", "delete", "batch"):
            return call

        async def write(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._arrives:
                raise Unavailable("lost")
            answer = await call(*args, **kwargs)
            if self._left == 0:
                raise Unavailable("lost")
            return answer

        return write


@asynccontextmanager
async def world(wrap: Callable[[Client], Any] = lambda client: client) -> AsyncIterator[World]:
    async with serving(MemoryStore(), grpc=False) as api, asyncio.TaskGroup() as tasks:
        recorder, informers = Recorder(api.client, "job-controller"), Informers(api.client)
        client = wrap(api.client)
        parts = [each.run(client, informers, recorder) for each in (jobs, cronjobs, garbage)]
        running = [tasks.create_task(each) for each in (informers.run(), recorder.run(), *parts)]
        try:
            yield World(api.client, recorder)
        finally:
            for task in running:
                task.cancel()


def simulate(
    scenario: Callable[[World], Coroutine[Any, Any, None]],
    wrap: Callable[[Client], Any] = lambda client: client,
) -> None:
    async def whole() -> None:
        async with world(wrap) as here:
            await scenario(here)

    fake_time.run(whole())


def spec(policy: str = "Never", **fields: Any) -> JobSpec:
    made = JobSpec(**fields)
    made.template.spec.containers.append(Container(name="app", image="i:1"))
    made.template.spec.restartPolicy = policy
    made.template.spec.terminationGracePeriodSeconds = 0
    return made


def job(policy: str = "Never", **fields: Any) -> Job:
    return Job(metadata=ObjectMeta(name="pi", namespace="default"), spec=spec(policy, **fields))


def test_completions_are_reached_never_more_pods_than_wanted() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(parallelism=2, completions=5))
        for left in (2, 2, 2, 2, 1):
            pods = await here.until_active(left)
            assert all(TRACKING in pod.metadata.finalizers for pod in pods)
            await here.end(pods[0])
        done = await here.ended()
        assert (done.status.succeeded, done.status.active, done.status.failed) == (5, 0, 0)
        assert conditions(done) == {
            "SuccessCriteriaMet": "CompletionsReached",
            "Complete": "CompletionsReached",
        }
        assert not done.status.HasField("uncountedTerminatedPods")
        pods = await here.pods()
        assert len(pods) == 5
        assert not any(pod.metadata.finalizers for pod in pods)
        assert await here.reasons("pi") == {"SuccessfulCreate": 5, "Completed": 1}

    simulate(scenario)


def test_back_off_and_its_limit() -> None:
    """Never: a limit of 3 puts up with three failures; pauses double."""

    async def scenario(here: World) -> None:
        await here.client.create(job(backoffLimit=3))
        began = []
        for _ in range(4):
            [pod] = await here.until_active(1)
            began.append(now())
            await here.end(pod, 1)
        failed = await here.ended()
        assert conditions(failed)["Failed"] == "BackoffLimitExceeded"
        assert failed.status.failed == 4
        pauses = [round(b - a, -1) for a, b in pairwise(began)]
        assert pauses == [10, 20, 40]
        assert (await here.reasons("pi"))["BackoffLimitExceeded"] == 1

    simulate(scenario)


def test_on_failure_counts_restarts() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job("OnFailure", backoffLimit=2))
        [pod] = await here.until_active(1)
        pod.status.phase = "Running"
        pod.status.containerStatuses.append(
            ContainerStatus(name="app", image="i:1", restartCount=2)
        )
        await here.client.update(pod, subresource="status")
        failed = await here.ended()
        assert conditions(failed)["Failed"] == "BackoffLimitExceeded"
        assert not await here.pods()

    simulate(scenario)


def test_a_work_queue_ends_with_its_first_success() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(parallelism=3))
        for pod in await here.until_active(3):
            await here.end(pod)
        assert (await here.ended()).status.succeeded == 3
        assert len(await here.pods()) == 3

    simulate(scenario)


def test_the_deadline_beats_everything() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(activeDeadlineSeconds=100, parallelism=2, completions=2))
        await here.until_active(2)
        failed = await here.ended()
        assert conditions(failed)["Failed"] == "DeadlineExceeded"
        assert 100 <= now() < 110
        assert failed.status.failed == 2
        assert not await here.pods()

    simulate(scenario)


def test_suspend_ends_pods_without_a_failure_and_resume_starts_anew() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(parallelism=2, completions=2))
        await here.until_active(2)
        await here.client.patch(Job, "pi", "default", {"spec": {"suspend": True}})
        await here.until_active(0)
        suspended = await here.job()
        assert conditions(suspended) == {"Suspended": "JobSuspended"}
        await asyncio.sleep(500)
        await here.client.patch(Job, "pi", "default", {"spec": {"suspend": False}})
        for pod in await here.until_active(2):
            await here.end(pod)
        done = await here.ended()
        assert (done.status.succeeded, done.status.failed) == (2, 0)
        assert done.status.startTime.seconds >= suspended.status.startTime.seconds + 500

    simulate(scenario)


def test_indexes() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(completionMode="Indexed", parallelism=2, completions=4))
        pods = await here.until_active(2)
        assert sorted(pod.spec.hostname for pod in pods) == ["pi-0", "pi-1"]
        one = next(pod for pod in pods if pod.metadata.labels[INDEX] == "1")
        assert one.metadata.name.startswith("pi-1-")
        assert [v.name for v in one.spec.containers[0].env] == ["JOB_COMPLETION_INDEX"]
        await here.end(one)
        for _ in range(3):
            await here.end((await here.active())[0])
            await asyncio.sleep(1)
        assert (await here.ended()).status.completedIndexes == "0-3"

    simulate(scenario)


def test_counts_survive_the_deletion_of_pods() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(parallelism=1, completions=2))
        [pod] = await here.until_active(1)
        await here.end(pod)
        await here.client.delete(Pod, pod.metadata.name, "default", Delete(grace=0))
        [pod] = await here.until_active(1)
        await here.end(pod)
        assert (await here.ended()).status.succeeded == 2

    simulate(scenario)


def test_ttl_deletes_the_job_and_its_pods() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(ttlSecondsAfterFinished=60))
        [pod] = await here.until_active(1)
        await here.end(pod)
        await here.ended()
        ended = now()

        async def gone() -> bool:
            return not await here.pods() and not (await here.client.list(Job)).items

        await here.until(gone)
        assert 59 <= now() - ended < 70

    simulate(scenario)


def test_a_deleted_job_lets_its_pods_go() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(job(parallelism=3))
        await here.until_active(3)
        await here.client.delete(Job, "pi", "default")
        await here.until_active(0)
        with pytest.raises(NotFound):
            await here.job()

    simulate(scenario)


def cronjob(**fields: Any) -> CronJob:
    made = CronJobSpec(schedule="*/10 * * * *", **fields)
    made.jobTemplate.spec.CopyFrom(spec())
    return CronJob(metadata=ObjectMeta(name="tidy", namespace="default"), spec=made)


async def run_for(here: World, seconds: float, *, finish: bool) -> None:
    """The pods of each slot end at once, or never."""
    end = now() + seconds
    while now() < end:
        await asyncio.sleep(30)
        for pod in await here.active() if finish else ():
            await here.end(pod)


def test_hours_of_a_cron_job() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(cronjob())
        await run_for(here, 3 * 3600 + 60, finish=True)
        assert (await here.reasons("tidy"))["SuccessfulCreate"] == 18
        assert len((await here.client.list(Job)).items) == 3
        found = await here.client.get(CronJob, "tidy", "default")
        assert not found.status.active
        assert found.status.lastScheduleTime.seconds == fake_time.BEGINNING.timestamp() + 3 * 3600
        assert found.status.HasField("lastSuccessfulTime")

    simulate(scenario)


@pytest.mark.parametrize(
    ("policy", "made", "left"), [("Allow", 3, 3), ("Forbid", 1, 1), ("Replace", 3, 1)]
)
def test_concurrency(policy: str, made: int, left: int) -> None:
    async def scenario(here: World) -> None:
        await here.client.create(cronjob(concurrencyPolicy=policy))
        await run_for(here, 1830, finish=False)
        reasons = await here.reasons("tidy")
        assert reasons["SuccessfulCreate"] == made
        assert reasons["JobAlreadyActive"] == (2 if policy == "Forbid" else 0), "once for each slot"
        assert len((await here.client.list(Job)).items) == left
        assert len((await here.client.get(CronJob, "tidy", "default")).status.active) == left

    simulate(scenario)


def test_unsuspended_it_runs_the_latest_missed_slot_at_once() -> None:
    async def scenario(here: World) -> None:
        await here.client.create(cronjob(suspend=True))
        await asyncio.sleep(20 * 3600 + 5)
        await here.client.patch(CronJob, "tidy", "default", {"spec": {"suspend": False}})
        await here.until_active(1)
        [found] = (await here.client.list(Job)).items
        minutes = int(fake_time.BEGINNING.timestamp()) // 60 + 20 * 60
        assert found.metadata.name == f"tidy-{minutes}"
        assert (await here.reasons("tidy"))["TooManyMissedTimes"] == 1

    simulate(scenario)


async def fates(here: World) -> list[tuple[int, str, str, int]]:
    """Minutes since the beginning, what came of the slot, why, and of how many slots."""
    found = (await here.client.get(CronJob, "tidy", "default")).status.recentSlots
    start = int(fake_time.BEGINNING.timestamp())
    return [((e.time.seconds - start) // 60, e.decision, e.reason, e.slots) for e in found]


def test_a_day_of_a_cron_job_and_what_became_of_its_slots() -> None:
    """Each decision can be read afterwards, and is written once."""

    async def scenario(here: World) -> None:
        await here.client.create(cronjob(concurrencyPolicy="Forbid"))
        await run_for(here, 20 * 3600 + 60, finish=True)
        assert await fates(here) == [(m, "Ran", "", 1) for m in range(1110, 1201, 10)]

        await run_for(here, 3600, finish=False)  # to 21:01: one runs and runs
        assert (await fates(here))[-6:] == [
            (1210, "Ran", "", 1),
            *((m, "Skipped", "JobRunning", 1) for m in range(1220, 1261, 10)),
        ]
        [first] = await here.active()
        await here.end(first)
        await here.until_active(1)  # when it ends, the slot that waited runs
        assert (await fates(here))[-2:] == [
            (1250, "Skipped", "JobRunning", 1),
            (1260, "Ran", "", 1),
        ]

        await here.client.patch(CronJob, "tidy", "default", {"spec": {"suspend": True}})
        await run_for(here, 1800, finish=True)
        version = (await here.client.get(CronJob, "tidy", "default")).metadata.resourceVersion
        assert (await fates(here))[-3:] == [
            (m, "Skipped", "Suspended", 1) for m in range(1270, 1291, 10)
        ]
        await asyncio.sleep(60)
        unchanged = (await here.client.get(CronJob, "tidy", "default")).metadata.resourceVersion
        assert unchanged == version
        await here.client.patch(CronJob, "tidy", "default", {"spec": {"suspend": False}})
        await run_for(here, 60, finish=True)
        assert (await fates(here))[-2:] == [(1280, "Skipped", "Suspended", 1), (1290, "Ran", "", 1)]

    simulate(scenario)


@pytest.mark.parametrize(
    ("deadline", "expected"),
    [
        (None, [(10, "Ran", "", 1), (110, "Skipped", "Missed", 10), (120, "Ran", "", 1)]),
        (60, [(10, "Ran", "", 1), (120, "Skipped", "TooLate", 11)]),
    ],
)
def test_a_controller_that_slept_says_which_slots_it_missed(
    deadline: int | None, expected: list[tuple[int, str, str, int]]
) -> None:
    async def scenario() -> None:
        async with serving(MemoryStore(), grpc=False) as api:
            given = cronjob()
            if deadline is not None:
                given.spec.startingDeadlineSeconds = deadline
            await api.client.create(given)
            for awake, asleep in ((605, 6700), (5, 0)):
                informers = Informers(api.client)
                recorder = Recorder(api.client, "job-controller")
                async with asyncio.TaskGroup() as tasks:
                    parts = (
                        informers.run(),
                        recorder.run(),
                        cronjobs.run(api.client, informers, recorder),
                    )
                    running = [tasks.create_task(each) for each in parts]
                    await asyncio.sleep(awake)
                    for task in running:
                        task.cancel()
                await asyncio.sleep(asleep)
            assert await fates(World(api.client, recorder)) == expected

    fake_time.run(scenario())


@pytest.mark.parametrize("arrives", [True, False])
@pytest.mark.parametrize("nth", range(1, 15))
def test_whichever_write_is_lost_every_slot_and_pod_is_made_once(nth: int, arrives: bool) -> None:
    async def scenario(here: World) -> None:
        given = cronjob()
        given.spec.jobTemplate.spec.completions = 2
        await here.client.create(given)
        await run_for(here, 1000, finish=True)
        [only] = (await here.client.list(Job)).items
        assert conditions(only)["Complete"] == "CompletionsReached"
        assert (only.status.succeeded, only.status.failed) == (2, 0)
        pods = await here.pods()
        assert len(pods) == 2
        assert not any(pod.metadata.finalizers for pod in pods)

    simulate(scenario, lambda client: Losing(client, nth, arrives=arrives))


def test_an_index_that_failed_is_remembered_when_its_pod_is_deleted() -> None:
    async def scenario(here: World) -> None:
        fields = {"completionMode": "Indexed", "completions": 1, "backoffLimitPerIndex": 1}
        await here.client.create(job(**fields))
        for _ in range(2):
            [pod] = await here.until_active(1)
            await here.end(pod, 1)
            await here.client.delete(Pod, pod.metadata.name, "default", Delete(grace=0))
        failed = await here.ended()
        assert conditions(failed)["Failed"] == "FailedIndexes"
        assert (failed.status.failed, failed.status.failedIndexes) == (2, "0")

    simulate(scenario)
