"""One container's part of a pod's status: waiting, running or terminated, and how the run before ended. Pure.

A container that ended and will run again shows why it waits (`CrashLoopBackOff`, `ErrImagePull`, …) as its state and
its end as the last state; one that ended for good shows its end.
"""

from datetime import datetime

from api import clock
from node_agent.pods import backoff, fate
from node_agent.pods.memory import Memory
from node_agent.pods.view import View
from node_agent.runtime.model import ContainerStatus as Run
from proto.v1.pod_pb2 import (
    Container,
    ContainerState,
    ContainerStateRunning,
    ContainerStateTerminated,
    ContainerStateWaiting,
    ContainerStatus,
)

CANNOT_RUN = "ContainerCannotRun"


def container_status(
    view: View, memory: Memory, container: Container, now: datetime, *, runtime: str = "docker"
) -> ContainerStatus:
    """`runtime` is the scheme of container ids: docker://7f…"""
    run = _shown(view, container)
    status = ContainerStatus(name=container.name, image=container.image, started=False)
    if run is None:
        status.state.CopyFrom(_waiting(view, memory, container))
        return status
    state = _state(view, memory, container, run, now)
    status.state.CopyFrom(state)
    ended = run if state.HasField("waiting") else _before(view, run)
    if ended is not None and ended.state == "exited":
        status.lastState.terminated.CopyFrom(_terminated(ended, runtime))
    status.restartCount = run.attempt
    status.containerID = f"{runtime}://{run.id}"
    status.image, status.imageID = run.image, run.image_id
    _readiness(view, memory, run, status)
    return status


def _shown(view: View, container: Container) -> Run | None:
    """The run that the status is about: one that was created and not started is not shown yet."""
    runs = [run for run in view.runs_of(container.name) if run.state != "created"]
    return runs[-1] if runs else None


def _before(view: View, run: Run) -> Run | None:
    earlier = [r for r in view.runs_of(run.name) if r.attempt < run.attempt and r.state == "exited"]
    return earlier[-1] if earlier else None


def _state(
    view: View, memory: Memory, container: Container, run: Run, now: datetime
) -> ContainerState:
    if run.state == "running":
        if run.id in memory.hooked:  # it counts as running when its postStart hook is through
            return _waiting(view, memory, container)
        stamp = clock.timestamp(run.started_at or run.created_at)
        return ContainerState(running=ContainerStateRunning(startedAt=stamp))
    if memory.ending is None and fate.awaits_restart(view, container, run):
        rule = backoff.restart(run)
        if now < rule.not_before:
            return _back_off(view, run, rule.delay)
        if container.name in memory.problems:
            return _waiting(view, memory, container)
    return ContainerState(terminated=_terminated(run, ""))


def _back_off(view: View, run: Run, delay: float) -> ContainerState:
    message = (
        f"back-off {backoff.spoken(delay)} restarting failed container={run.name} "
        f"pod={pod_words(view)}"
    )
    return ContainerState(waiting=ContainerStateWaiting(reason="CrashLoopBackOff", message=message))


def pod_words(view: View) -> str:
    """As Kubernetes' messages name a pod: name_namespace(uid)."""
    meta = view.pod.metadata
    return f"{meta.name}_{meta.namespace}({meta.uid})"


def _waiting(view: View, memory: Memory, container: Container) -> ContainerState:
    problem = memory.problems.get(container.name)
    if problem is not None:
        waiting = ContainerStateWaiting(reason=problem.reason, message=problem.message)
    elif view.pod.spec.initContainers:
        waiting = ContainerStateWaiting(reason="PodInitializing")
    else:
        waiting = ContainerStateWaiting(reason="ContainerCreating")
    return ContainerState(waiting=waiting)


def _terminated(run: Run, runtime: str) -> ContainerStateTerminated:
    code = run.exit_code if run.exit_code is not None else 137
    reason = CANNOT_RUN if run.reason == "StartError" else run.reason
    if run.oom_killed:
        reason = "OOMKilled"
    ended = ContainerStateTerminated(
        exitCode=code,
        reason=reason or ("Completed" if code == 0 else "Error"),
        message=run.termination_message or run.message,
        containerID=f"{runtime or 'docker'}://{run.id}",
    )
    if run.started_at is not None:
        ended.startedAt.CopyFrom(clock.timestamp(run.started_at))
    if run.finished_at is not None:
        ended.finishedAt.CopyFrom(clock.timestamp(run.finished_at))
    return ended


def _readiness(view: View, memory: Memory, run: Run, status: ContainerStatus) -> None:
    if view.role(run.name) == "init":
        status.started = status.state.HasField("running")
        status.ready = status.state.HasField("terminated") and run.exit_code == 0
        return
    health = memory.health.get(run.id)
    up = status.state.HasField("running") and health is not None
    status.started = bool(up and health and health.started)
    status.ready = bool(up and health and health.started and health.ready)
