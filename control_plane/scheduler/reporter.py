"""Tells people why a pod waits: the condition PodScheduled and an Event (S#51).

Conditions are levels: only the last one matters, so while the server is slow a newer report replaces an older one,
and a report that would change nothing is not written. Deciding never waits for any of this.
"""

from contextlib import suppress
from typing import NamedTuple

from api import clock, controller
from api.client import Client
from api.errors import NotFound
from api.informer import Informer
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.scheduler.binder import Decision
from control_plane.scheduler.queue import Waiting
from proto.v1.meta_pb2 import ObjectReference
from proto.v1.pod_pb2 import Pod

GATED = "Scheduling is blocked due to non-empty scheduling gates"
WORKERS = 8


class Report(NamedTuple):
    uid: str
    reason: str  # Unschedulable, SchedulingGated, SchedulerError
    message: str


class Reporter:
    def __init__(self, client: Client, recorder: Recorder, pods: Informer[Pod]) -> None:
        self._client, self._recorder, self._pods = client, recorder, pods
        self._queue = WorkQueue()
        self._reports: dict[str, Report] = {}  # "namespace/name" -> not written yet

    async def run(self) -> None:
        """Write conditions until cancelled."""
        await controller.run(self._queue, self._write, workers=WORKERS, name="scheduler-status")

    def unschedulable(self, pod: Waiting, message: str) -> None:
        """No node would do. People hear it when it is news."""
        if pod.told != message:
            pod.told = message
            self._recorder.event(_reference(pod), "Warning", "FailedScheduling", message)
            self._report(pod.key, Report(pod.uid, "Unschedulable", message))

    def gated(self, pod: Pod) -> None:
        key = f"{pod.metadata.namespace}/{pod.metadata.name}"
        self._report(key, Report(pod.metadata.uid, "SchedulingGated", GATED))

    def bound(self, decision: Decision) -> None:
        pod, node = decision
        message = f"Successfully assigned {pod.key} to {node}"
        self._recorder.event(_reference(pod), "Normal", "Scheduled", message, action="Binding")

    def rejected(self, decision: Decision, error: Exception) -> None:
        """There was a node, but the server would not have it."""
        pod, node = decision
        message = f"binding to node {node} was rejected: {error}"
        pod.told = message
        self._recorder.event(
            _reference(pod), "Warning", "FailedScheduling", message, action="Binding"
        )
        self._report(pod.key, Report(pod.uid, "SchedulerError", message))

    def _report(self, key: str, report: Report) -> None:
        self._reports[key] = report
        self._queue.add(key)

    async def _write(self, key: str) -> None:
        report, pod = self._reports.get(key), self._pods.objects.get(key)
        if report is None:
            return
        if pod is not None and pod.metadata.uid == report.uid and not pod.spec.nodeName:
            await self._update(pod, report)
        if self._reports.get(key) is report:
            del self._reports[key]

    async def _update(self, pod: Pod, report: Report) -> None:
        """With the version that was looked at: a pod that has been bound since must not look unbound again."""
        changed = Pod()
        changed.CopyFrom(pod)
        found = [c for c in changed.status.conditions if c.type == "PodScheduled"]
        condition = found[0] if found else changed.status.conditions.add(type="PodScheduled")
        if condition.status != "False":
            condition.status = "False"
            condition.lastTransitionTime.CopyFrom(clock.timestamp())
        condition.reason, condition.message = report.reason, report.message
        if changed != pod:
            with suppress(NotFound):  # it is gone: nobody wants to know any more
                await self._client.update(changed, subresource="status")


def _reference(pod: Waiting) -> ObjectReference:
    namespace, _, name = pod.key.rpartition("/")
    return ObjectReference(kind="Pod", apiVersion="v1", namespace=namespace, name=name, uid=pod.uid)
