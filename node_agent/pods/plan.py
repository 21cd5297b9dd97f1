"""What to do next about a pod. Pure: a table of situations, no clock, no I/O.

One step at a time: the plan is made again after every step and every change, from what is true then, so an agent
that is killed between two steps loses nothing. The order is Kubernetes':

    1. it is ending: end what runs, take down, and if it was deleted, forget it
    2. it is over by itself: the same, but its dead containers stay for their logs
    3. no living sandbox: end what the dead one left, make a new one
    4. kill what its probes condemn or whose image was changed
    5. init containers one after the other, each sidecar up before the next begins
    6. then the main containers, and whatever ended and is to run again, after its back-off
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from node_agent.pods import backoff, fate
from node_agent.pods.actions import (
    Action,
    Announce,
    EndAll,
    Forget,
    Prepare,
    Refresh,
    Remove,
    Start,
    Stop,
    TakeDown,
)
from node_agent.pods.fingerprint import fingerprint
from node_agent.pods.memory import Memory
from node_agent.pods.view import BACKOFF_LABEL, View, is_sidecar
from node_agent.runtime.model import ContainerStatus
from proto.v1.pod_pb2 import Container

DEFAULT_GRACE = 30  # seconds
TURNS = timedelta(seconds=1)  # how long an error is shown before the waiting that follows it
KEPT_RUNS = 2  # the present run, and the one before it for `logs --previous`


@dataclass(frozen=True)
class Plan:
    actions: tuple[Action, ...] = ()
    wake: datetime | None = None  # look again at this time even if nothing happens


@dataclass(frozen=True)
class _Situation:
    view: View
    memory: Memory
    now: datetime


def plan(view: View, memory: Memory, now: datetime) -> Plan:
    """The next step, or when to look again."""
    situation = _Situation(view, memory, now)
    if memory.retry_at is not None and now < memory.retry_at:
        return Plan(wake=memory.retry_at)
    if memory.ending is not None:
        return _end(situation, memory.ending.deadline)
    if fate.outcome(view) or _is_terminal(view):
        return _end(situation, now + timedelta(seconds=pod_grace(view)))
    if not view.sandbox_ready or not memory.network_ready:
        return _sandbox(situation)
    return _containers(situation)


def pod_grace(view: View) -> int:
    """Seconds that the pod's containers get to end."""
    spec = view.pod.spec
    if spec.HasField("terminationGracePeriodSeconds"):
        return spec.terminationGracePeriodSeconds
    return DEFAULT_GRACE


def _is_terminal(view: View) -> bool:
    return view.pod.status.phase in ("Succeeded", "Failed")


def _end(s: _Situation, deadline: datetime) -> Plan:
    if any(s.view.running()):
        return Plan((EndAll(max(0.0, (deadline - s.now).total_seconds())),))
    if not s.memory.taken_down:
        return Plan((TakeDown(),))
    if s.memory.deleted:
        return Plan((Forget(),))
    return Plan(_superfluous(s.view))


def _sandbox(s: _Situation) -> Plan:
    sandbox, problem = s.view.sandbox, s.memory.sandbox_problem
    if sandbox is not None and sandbox.state != "ready" and any(s.view.running()):
        return Plan((EndAll(float(pod_grace(s.view))),))
    if problem is not None and s.now < problem.retry_at:
        return Plan(wake=problem.retry_at)
    if sandbox is None:
        return Plan((Prepare(0),))
    if sandbox.state == "ready":  # made by an agent that did not get to wire it, or is no more
        return Plan((Prepare(sandbox.attempt),))
    return Plan((Prepare(sandbox.attempt + 1, changed=True),))


def _containers(s: _Situation) -> Plan:
    stops = _condemned(s)
    if stops:
        return Plan(stops)
    steps, initialized = _init(s)
    if initialized:
        steps = [*steps, *(_next(s, c, s.view.latest(c.name)) for c in s.view.pod.spec.containers)]
    renew_at = s.memory.renew_at
    stale = s.memory.volumes_stale or (renew_at is not None and renew_at <= s.now)
    actions: list[Action] = [action for step in steps for action in step.actions]
    actions += [Refresh()] if stale else []
    actions += _superfluous(s.view)
    wakes = [wake for wake in (renew_at, *(p.wake for p in steps)) if wake is not None]
    return Plan(tuple(actions), min(wakes, default=None))


def _condemned(s: _Situation) -> tuple[Stop, ...]:
    """Running containers that must not go on."""
    stops = []
    for run in s.view.running():
        container, health = s.view.container(run.name), s.memory.health.get(run.id)
        again = ", will be restarted" if fate.restarts_on_failure(s.view.pod) else ""
        if container is None or not s.view.is_active(run):
            stops.append(Stop(run.name, run.id, f"Stopping container {run.name}"))
        elif s.view.role(run.name) != "init" and run.spec_hash != fingerprint(container):
            message = f"Container {run.name} definition changed, will be restarted"
            stops.append(Stop(run.name, run.id, message))
        elif health is not None and health.failure is not None:
            message = f"Container {run.name} failed {health.failure.kind} probe{again}"
            stops.append(Stop(run.name, run.id, message, health.failure.grace))
    return tuple(stops)


def _init(s: _Situation) -> tuple[list[Plan], bool]:
    """The steps for the init containers, and whether the main containers may run."""
    spec = s.view.pod.spec
    once = any(s.view.active(c.name) for c in spec.containers)  # they did run: only sidecars matter
    steps: list[Plan] = []
    for index, container in enumerate(spec.initContainers):
        run = s.view.active(container.name)
        if is_sidecar(container):
            steps.append(_next(s, container, run or _older(s, container)))
            if not once and not _is_up(s, run):
                return steps, False
        elif not once and not _is_done(s, index, run):
            return [*steps, _next(s, container, run or _older(s, container))], False
    return steps, True


def _older(s: _Situation, container: Container) -> ContainerStatus | None:
    """A run in a former sandbox counts for the number of the next one only."""
    return s.view.latest(container.name)


def _is_up(s: _Situation, run: ContainerStatus | None) -> bool:
    if run is None or run.state != "running":
        return False
    health = s.memory.health.get(run.id)
    return health is not None and health.started


def _is_done(s: _Situation, index: int, run: ContainerStatus | None) -> bool:
    """It succeeded; or nothing is left of it, and a later one has begun, so it must have."""
    if run is not None:
        return run.state == "exited" and run.exit_code == 0
    later = s.view.pod.spec.initContainers[index + 1 :]
    return any(s.view.active(container.name) for container in later)


def _next(s: _Situation, container: Container, run: ContainerStatus | None) -> Plan:
    """Start a container, start it again, or wait."""
    problem = s.memory.problems.get(container.name)
    if problem is not None and s.now < problem.retry_at:
        if problem.announced:
            return Plan(wake=problem.retry_at)
        turn = problem.since + TURNS
        if s.now < turn:
            return Plan(wake=min(turn, problem.retry_at))
        return Plan((Announce(container.name),))
    if run is None:
        return Plan((Start(container, 0),))
    if run.state == "created":  # by an agent that did not get to start it, or for a dead sandbox
        attempt = run.attempt if s.view.is_active(run) else run.attempt + 1
        return Plan((Start(container, attempt, _label(run)),))
    if run.state == "running":
        return Plan()
    if s.view.is_active(run) and not fate.awaits_restart(s.view, container, run):
        return Plan()
    return _again(s, container, run)


def _label(run: ContainerStatus) -> float:
    return float(run.labels.get(BACKOFF_LABEL, "0"))


def _again(s: _Situation, container: Container, run: ContainerStatus) -> Plan:
    if s.view.role(container.name) == "main" and not fate.awaits_restart(s.view, container, run):
        return Plan()  # it ended for good, in a sandbox before this one
    rule = backoff.restart(run)
    if s.now >= rule.not_before or _succeeded_before(s, container, run):
        return Plan((Start(container, run.attempt + 1, rule.next_delay),))
    if run.id not in s.memory.announced:
        return Plan((Announce(container.name),))
    return Plan(wake=rule.not_before)


def _succeeded_before(s: _Situation, container: Container, run: ContainerStatus) -> bool:
    """An init container that succeeded in a former sandbox is not crashing, it is done again."""
    return s.view.role(container.name) == "init" and run.exit_code == 0


def _superfluous(view: View) -> tuple[Remove, ...]:
    """Dead runs beyond the last two of each container."""
    gone = []
    for name in {run.name for run in view.record.containers}:
        gone += [run for run in view.runs_of(name)[:-KEPT_RUNS] if run.state != "running"]
    return tuple(Remove(run.id) for run in gone)
