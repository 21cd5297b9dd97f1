"""Which runs of a pod's containers are being probed: started and stopped as runs come and go."""

import asyncio
from collections.abc import Callable

from node_agent.pods.memory import Health, Memory, ProbeKind
from node_agent.pods.seams import Events
from node_agent.pods.view import View
from node_agent.probes.check import Subject
from node_agent.probes.prober import Prober, fresh_health
from node_agent.probes.result import Result
from node_agent.runtime.interface import Streams
from node_agent.runtime.model import ContainerStatus
from proto.v1.pod_pb2 import Container, PodStatus


class HealthWatch:
    """Owner of the probers of one pod; what they find lies in `memory.health`."""

    def __init__(
        self,
        memory: Memory,
        runtime: Streams,
        events: Events,
        tasks: asyncio.TaskGroup,
        changed: Callable[[], None],
    ) -> None:
        self._memory, self._runtime, self._events = memory, runtime, events
        self._tasks, self._changed = tasks, changed
        self._probers: dict[str, Prober] = {}  # by container id

    def follow(self, view: View, reported: PodStatus) -> None:
        """Probe what runs, and nothing else. A pod that ends is asked for readiness only."""
        running = {run.id: run for run in view.running() if view.is_active(run)}
        self._memory.forget_runs({run.id for run in view.record.containers})
        for gone in self._probers.keys() - running.keys():
            self._probers.pop(gone).stop()
        for run in running.values():
            known = run.id in self._probers or run.id in self._memory.hooked
            if not known and view.role(run.name) != "init":
                self._begin(view, run, reported)
        if self._memory.ending is not None:
            for prober in self._probers.values():
                prober.stop("startup", "liveness")

    def stop(self) -> None:
        for prober in self._probers.values():
            prober.stop()
        self._probers.clear()

    def _begin(self, view: View, run: ContainerStatus, reported: PodStatus) -> None:
        container = view.container(run.name)
        if container is None:
            return
        health = _known_health(container, run, reported)
        self._memory.health[run.id] = health
        sandbox = view.sandbox

        def report(kind: ProbeKind, result: Result) -> None:
            verb = "failed" if result.ok is not None else "errored"
            message = f"{kind.capitalize()} probe {verb}: {result.message}"
            path = view.field_path(run.name)
            self._events.event(view.pod, "Warning", "Unhealthy", message, field_path=path)

        prober = Prober(
            Subject(container, run.id, sandbox.ip if sandbox else ""),
            run.started_at or run.created_at,
            health,
            self._runtime,
            report,
            self._changed,
        )
        prober.start(self._tasks)
        self._probers[run.id] = prober


def _known_health(container: Container, run: ContainerStatus, reported: PodStatus) -> Health:
    """What was reported of this very run holds until its probes say otherwise: a new agent changes nothing."""
    health = fresh_health(container)
    for status in (*reported.initContainerStatuses, *reported.containerStatuses):
        if status.containerID.endswith(f"://{run.id}"):
            health.started = health.started or status.started
            health.ready = health.ready or status.ready
    return health
