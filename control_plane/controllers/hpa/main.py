"""The hands of the autoscaler: every 15 seconds read, `decide`, scale, report.

Whatever has the subresource "scale" can be scaled, so nothing here knows what a Deployment is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from api import clock, controller, kinds
from api.client import Client, Selection
from api.errors import ApiError, Conflict, Internal, Timeout, TooManyRequests, Unavailable
from api.informer import Informers, by_namespace
from api.kinds import Kind
from api.recorder import Recorder
from api.selectors import labels
from api.workqueue import WorkQueue
from control_plane.controllers.hpa.decide import ABLE, Condition, Decision, decide
from control_plane.controllers.hpa.memory import Change, Memory
from control_plane.controllers.hpa.metrics import Situation
from control_plane.controllers.hpa.options import USUAL, Options
from control_plane.controllers.hpa.status import count, status_of
from control_plane.controllers.memories import Memories
from control_plane.controllers.report import report
from proto.v1.apps_pb2 import Scale
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import (
    CrossVersionObjectReference,
    HorizontalPodAutoscaler,
    PodMetrics,
)

NAMESPACE = "namespace"  # an index
# The loop tries these again soon, and nobody need be told: the next look decides on what is there then.
PASSING = (Unavailable, Timeout, TooManyRequests, Conflict, Internal)


class NoScale(Exception):
    """What is to be scaled is not there, or has no scale; the message says which."""


@dataclass
class Autoscalers:
    client: Client
    informers: Informers
    recorder: Recorder
    options: Options = USUAL
    queue: WorkQueue = field(default_factory=WorkQueue)
    memories: Memories[Memory] = field(default_factory=lambda: Memories(Memory))
    # Namespace and selector of what each autoscaler scales, by its key; forgotten with it.
    selectors: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._autoscalers = self.informers.of(HorizontalPodAutoscaler)
        self._pods = self.informers.of(Pod)
        self._pods.add_index(NAMESPACE, by_namespace)

    def listen(self) -> None:
        self._autoscalers.add_handler(self.memories.forget)
        self._autoscalers.add_handler(self._on_autoscaler)

    def _on_autoscaler(
        self, old: HorizontalPodAutoscaler | None, new: HorizontalPodAutoscaler | None
    ) -> None:
        """Looked at anew when somebody has changed it; our own reports of it change nothing."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self.selectors.pop(kinds.object_key(old), None)
        if new is not None and (old is None or new.metadata.generation != old.metadata.generation):
            self.queue.add(kinds.object_key(new))

    async def reconcile(self, key: str) -> float | None:
        hpa = self._autoscalers.objects.get(key)
        if hpa is None:
            return None
        try:
            kind, scale = await self._scale_of(hpa)
        except NoScale as error:
            await self._report_no_scale(hpa, str(error))
            return self.options.sync
        self.selectors[key] = (scale.metadata.namespace, scale.status.selector)
        memory = self._remember(hpa, scale)
        seen = await self._look(key, scale)
        decision = decide(hpa, seen, memory, self.options)
        if decision.recommendation is not None:
            memory.recommended(seen.now, decision.recommendation)
        for reason, message in decision.warnings:
            self.recorder.event(hpa, "Warning", reason, message)
        await self._act(hpa, kind, seen, decision)
        return self.options.sync

    async def _scale_of(self, hpa: HorizontalPodAutoscaler) -> tuple[Kind, Scale]:
        """Raises NoScale."""
        reference, namespace = hpa.spec.scaleTargetRef, hpa.metadata.namespace
        kind = _kind_of(reference)
        try:
            return kind, await self.client.get_scale(kind.message, reference.name, namespace)
        except PASSING:
            raise
        except ApiError as error:
            raise NoScale(error.message) from None

    def _remember(self, hpa: HorizontalPodAutoscaler, scale: Scale) -> Memory:
        """What is known from earlier, and of a change whose answer was lost, whether it was made."""
        memory, now = self.memories[hpa.metadata.uid], clock.now()
        asked, memory.asked = memory.asked, None
        if asked is not None and scale.spec.replicas == asked.after:
            self._changed(hpa, memory, asked)
        memory.begin(now, scale.spec.replicas)
        return memory

    async def _look(self, key: str, scale: Scale) -> Situation:
        namespace, selector = self.selectors[key]
        pods = self._chosen(namespace, selector)
        metrics: Sequence[PodMetrics] = ()
        if selector:
            which = Selection(namespace=namespace, labels=selector)
            metrics = (await self.client.list(PodMetrics, which)).items
        return Situation(scale, pods, metrics, clock.now(), self._rivals(key, pods))

    def _chosen(self, namespace: str, selector: str) -> list[Pod]:
        wanted = labels(selector)
        every = self._pods.by_index(NAMESPACE, namespace) if selector else []
        return [pod for pod in every if wanted.matches(pod.metadata.labels)]

    def _rivals(self, key: str, pods: Sequence[Pod]) -> list[str]:
        """All autoscalers that choose some of these pods, if there are several."""
        namespace = key.partition("/")[0]
        others = [
            other
            for other, (where, selector) in self.selectors.items()
            if other != key and where == namespace and selector and _chooses(selector, pods)
        ]
        return [key, *others] if others else []

    async def _act(
        self, hpa: HorizontalPodAutoscaler, kind: Kind, seen: Situation, decision: Decision
    ) -> None:
        current, desired, told = seen.current, decision.replicas, decision.conditions
        memory = self.memories[hpa.metadata.uid]
        if desired != current:
            change = Change(current, desired, decision.reason)
            told.append(await self._rescale(hpa, kind, seen.scale, memory, change))
        status = status_of(hpa, told, seen.now)
        known = hpa.status.desiredReplicas if decision.failed else desired
        count(status, current, known, decision.statuses)
        if memory.last is not None:
            status.lastScaleTime.CopyFrom(clock.timestamp(memory.last))
        await report(self.client, hpa, status)

    async def _rescale(
        self,
        hpa: HorizontalPodAutoscaler,
        kind: Kind,
        scale: Scale,
        memory: Memory,
        change: Change,
    ) -> Condition:
        """What is to be told of it."""
        scale.spec.replicas = change.after
        memory.asked = change
        try:
            await self.client.update_scale(kind.message, scale)
        except PASSING:
            raise
        except ApiError as error:
            memory.asked = None
            said = f"New size: {change.after}; reason: {change.reason}; error: {error.message}"
            self.recorder.event(hpa, "Warning", "FailedRescale", said)
            why = f"the HPA controller was unable to update the target scale: {error.message}"
            return (ABLE, "False", "FailedUpdateScale", why)
        memory.asked = None
        self._changed(hpa, memory, change)
        why = f"the HPA controller was able to update the target scale to {change.after}"
        return (ABLE, "True", "SucceededRescale", why)

    def _changed(self, hpa: HorizontalPodAutoscaler, memory: Memory, change: Change) -> None:
        memory.changed(clock.now(), change)
        said = f"New size: {change.after}; reason: {change.reason}"
        self.recorder.event(hpa, "Normal", "SuccessfulRescale", said)

    async def _report_no_scale(self, hpa: HorizontalPodAutoscaler, why: str) -> None:
        self.recorder.event(hpa, "Warning", "FailedGetScale", why)
        told = f"the HPA controller was unable to get the target's current scale: {why}"
        conditions = [(ABLE, "False", "FailedGetScale", told)]
        await report(self.client, hpa, status_of(hpa, conditions, clock.now()))


def _kind_of(reference: CrossVersionObjectReference) -> Kind:
    """Of any version of the group. Raises NoScale."""
    group = reference.apiVersion.rpartition("/")[0]
    for kind in kinds.KINDS:
        if (kind.group, kind.name) == (group, reference.kind):
            return kind
    raise NoScale(f'no matches for kind "{reference.kind}" in group "{group}"')


def _chooses(selector: str, pods: Sequence[Pod]) -> bool:
    wanted = labels(selector)
    return any(wanted.matches(pod.metadata.labels) for pod in pods)


async def run(
    client: Client, informers: Informers, recorder: Recorder, options: Options = USUAL
) -> None:
    """Until cancelled."""
    autoscalers = Autoscalers(client, informers, recorder, options)
    await informers.wait_synced(HorizontalPodAutoscaler, Pod)
    autoscalers.listen()
    await controller.run(autoscalers.queue, autoscalers.reconcile, name="hpa")
