"""For every N: the controllers' N-th call fails, or its reply is lost, or they crash after it. A CronJob's slot is run once.

In each of these lives one slot makes one Job, whose second index fails once and is tried again; the Job is counted,
and goes when its time is over. No pod is made twice, no end of one is counted twice or forgotten.
"""

from collections import Counter
from typing import Any

import pytest

from control_plane.controllers.cronjob import main as cronjobs
from control_plane.controllers.job import main as jobs
from node_agent.runtime.hollow import HollowRuntime
from node_agent.runtime.model import ContainerSpec
from proto.v1.batch_pb2 import CronJob, CronJobSpec, Job
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod
from tests.cluster.faults import (
    Fault,
    crash_at_every_call,
    fail_at_every_call,
    reply_lost,
    request_lost,
    watch_pods,
)
from tests.cluster.whole import Cluster, only

INDEX = "batch.kubernetes.io/job-completion-index"
SECOND = ("JOB_COMPLETION_INDEX", "1")
PARTS = only(jobs, cronjobs)


class SecondFailsOnce(HollowRuntime):
    """Containers end after two seconds; the first one of index 1 with an error."""

    def __init__(self) -> None:
        super().__init__(lifetime=lambda spec: 2.0)
        self._failed = False

    def _exit(self, container_id: str, code: int) -> None:
        fails = not self._failed and _is_second(self._specs[container_id])
        self._failed = self._failed or fails
        super()._exit(container_id, 1 if fails else code)


def _is_second(spec: ContainerSpec) -> bool:
    return SECOND in spec.env


def runtime(_node: str) -> HollowRuntime:
    return SecondFailsOnce()


def tidy() -> CronJob:
    made = CronJob(metadata=ObjectMeta(name="tidy", namespace="default"))
    made.spec.CopyFrom(CronJobSpec(schedule="* * * * *"))
    job = made.spec.jobTemplate.spec
    job.completionMode, job.completions, job.parallelism = "Indexed", 2, 2
    job.ttlSecondsAfterFinished = 20
    job.template.spec.containers.append(Container(name="app", image="registry.test/app:1"))
    job.template.spec.restartPolicy = "Never"
    return made


async def one_slot(world: Cluster) -> None:
    made: dict[str, str] = {}  # uid -> index

    def seen(pods: list[Pod]) -> None:
        made.update({pod.metadata.uid: pod.metadata.annotations[INDEX] for pod in pods})

    async def found() -> list[Job]:
        return (await world.client.list(Job)).items

    async def complete() -> bool:
        return any(each.status.HasField("completionTime") for each in await found())

    async def nothing() -> bool:
        kinds: tuple[type[Any], ...] = (CronJob, Job, Pod)
        return not any([(await world.client.list(kind)).items for kind in kinds])

    recording = await watch_pods(world, seen)
    await world.client.create(tidy())
    await world.until(found, every=1)
    await world.client.patch(CronJob, "tidy", "default", {"spec": {"suspend": True}})
    await world.until(complete, every=1)
    [job] = await found()
    assert (job.status.succeeded, job.status.failed, job.status.completedIndexes) == (2, 1, "0,1")
    await world.until(lambda: _is_over(world), every=1)
    await world.client.delete(CronJob, "tidy", "default")
    await world.until(nothing, every=1)
    recording.cancel()
    assert Counter(made.values()) == {"0": 1, "1": 2}


async def _is_over(world: Cluster) -> bool:
    """The Job is gone with its pods, and the CronJob knows how it went."""
    status = (await world.client.get(CronJob, "tidy", "default")).status
    left = (await world.client.list(Job)).items or (await world.client.list(Pod)).items
    return not left and not status.active and status.HasField("lastSuccessfulTime")


@pytest.mark.parametrize("fault", [request_lost, reply_lost])
def test_any_call_that_fails_is_healed(fault: Fault) -> None:
    fail_at_every_call(one_slot, fault, least=15, runtime=runtime, parts=PARTS)


def test_controllers_that_crash_at_any_call_are_followed_by_others() -> None:
    crash_at_every_call(one_slot, runtime=runtime, parts=PARTS)
