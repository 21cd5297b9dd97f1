"""The loops that keep asking: one for each probe of each run of a container.

A startup probe makes the other two wait. A liveness or startup probe that condemns its container has done its work:
a new run gets new loops. Everything the loops find goes into the run's `Health`; the pod's worker is woken and plans.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from api import clock
from node_agent.pods.memory import Failure, Health, ProbeKind
from node_agent.probes.check import Subject, check
from node_agent.probes.judge import Judge, timing
from node_agent.probes.result import Result
from node_agent.runtime.interface import Streams
from node_agent.spawning import spawn
from proto.v1.pod_pb2 import Container, Probe

# What a probe found that people should hear of: (kind, result).
Report = Callable[[ProbeKind, Result], None]


def fresh_health(container: Container) -> Health:
    """Before the first answer: a probe that is there has not succeeded yet."""
    return Health(
        started=not container.HasField("startupProbe"),
        ready=not container.HasField("readinessProbe"),
    )


@dataclass
class Prober:
    """Asks after one run of a container. Owner: the pod's worker."""

    subject: Subject
    began: datetime  # when the run started
    health: Health
    runtime: Streams
    report: Report
    changed: Callable[[], None]  # the worker should look again
    _tasks: dict[ProbeKind, asyncio.Task[None]] = field(default_factory=dict, init=False)
    _up: asyncio.Event = field(default_factory=asyncio.Event, init=False)

    def start(self, tasks: asyncio.TaskGroup) -> None:
        if self.health.started:
            self._up.set()
        for kind, probe in self._probes().items():
            if kind != "startup" or not self.health.started:
                self._tasks[kind] = spawn(tasks, self._watch(kind, probe))

    def stop(self, *kinds: ProbeKind) -> None:
        """Stop asking; without kinds: altogether."""
        for kind in kinds or tuple(self._tasks):
            if kind in self._tasks:
                self._tasks.pop(kind).cancel()

    def _probes(self) -> dict[ProbeKind, Probe]:
        container = self.subject.container
        found: dict[ProbeKind, Probe] = {}
        if container.HasField("startupProbe"):
            found["startup"] = container.startupProbe
        if container.HasField("livenessProbe"):
            found["liveness"] = container.livenessProbe
        if container.HasField("readinessProbe"):
            found["readiness"] = container.readinessProbe
        return found

    async def _watch(self, kind: ProbeKind, probe: Probe) -> None:
        judge = Judge(timing(probe))
        if kind != "startup":
            await self._up.wait()
        age = (clock.now() - self.began).total_seconds()
        await asyncio.sleep(max(0.0, judge.timing.initial_delay - age))
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not await self._once(kind, probe, judge):
            due = max(due + judge.timing.period, loop.time())
            await asyncio.sleep(due - loop.time())

    async def _once(self, kind: ProbeKind, probe: Probe, judge: Judge) -> bool:
        """One check; whether this probe has nothing more to find out."""
        result = await check(probe, self.subject, self.runtime, timeout=judge.timing.timeout)
        if not result.ok:
            self.report(kind, result)
        if result.ok is None:
            return False
        verdict = judge.observe(result.ok)
        return verdict is not None and self._apply(kind, probe, verdict)

    def _apply(self, kind: ProbeKind, probe: Probe, verdict: bool) -> bool:
        before = (self.health.started, self.health.ready, self.health.failure)
        if kind == "readiness":
            self.health.ready = verdict
        elif not verdict:
            own = probe.HasField("terminationGracePeriodSeconds")
            grace = probe.terminationGracePeriodSeconds if own else None
            self.health.failure = Failure(kind, grace)
        elif kind == "startup":
            self.health.started = True
            self._up.set()
        if before != (self.health.started, self.health.ready, self.health.failure):
            self.changed()
        return kind != "readiness" and (not verdict or kind == "startup")
