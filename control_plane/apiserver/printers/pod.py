"""The row of a pod. READY, STATUS and RESTARTS tell the most urgent thing about all its containers in a few words.

The rules are those of kubectl's printer. While the pod initialises, the first init container that has not finished
speaks for it ("Init:1/3", "Init:CrashLoopBackOff"); afterwards the containers do, the first having the last word.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from control_plane.apiserver.printers.cells import NONE, age
from control_plane.apiserver.strategy import Cell, Column
from proto.v1.pod_pb2 import ContainerState, ContainerStatus, Pod

COLUMNS = (
    Column("Name", format="name", description="Unique in the namespace."),
    Column("Ready", description="How many of the containers that should run are ready."),
    Column("Status", description="The state of the pod and its containers in a word."),
    Column("Restarts", description="How often containers were started again, and when last."),
    Column("Age", description="Time since the pod was created."),
    Column("IP", wide=True, description="The pod's address."),
    Column("Node", wide=True, description="The node it is bound to."),
    Column("Nominated Node", wide=True, description="The node that room is being made on."),
    Column("Readiness Gates", wide=True, description="How many of its readiness gates are true."),
)


@dataclass
class _Story:
    """What the walk over the containers has found so far."""

    reason: str
    ready: int = 0
    restarts: int = 0
    last_restart: Timestamp | None = None  # when the container that was restarted last had ended

    def restarted(self, status: ContainerStatus) -> None:
        self.restarts += status.restartCount
        if status.lastState.HasField("terminated"):
            ended = status.lastState.terminated.finishedAt
            if self.last_restart is None or _order(ended) > _order(self.last_restart):
                self.last_restart = ended


def row(pod: Pod, now: datetime) -> Sequence[Cell]:
    story = tell(pod)
    total = len(pod.spec.containers) + len(_sidecars(pod))
    status = pod.status
    return (
        pod.metadata.name,
        f"{story.ready}/{total}",
        story.reason,
        _restarts(story, now),
        age(pod.metadata.creationTimestamp, now),
        (status.podIPs[0].ip if status.podIPs else status.podIP) or NONE,
        pod.spec.nodeName or NONE,
        status.nominatedNodeName or NONE,
        _gates(pod),
    )


def tell(pod: Pod) -> _Story:
    """READY, STATUS and RESTARTS of a pod."""
    sidecars = _sidecars(pod)
    init, initialising = _walk_init(pod, sidecars)
    story = init
    if not initialising or _is_true(pod, "Initialized"):
        story = _Story(init.reason, ready=init.ready)
        for status in pod.status.initContainerStatuses:
            if status.name in sidecars:
                story.restarted(status)
        _walk_containers(pod, story)
    if pod.metadata.HasField("deletionTimestamp"):
        if pod.status.reason == "NodeLost":
            story.reason = "Unknown"
        elif pod.status.phase not in ("Succeeded", "Failed"):
            story.reason = "Terminating"
    return story


def _sidecars(pod: Pod) -> set[str]:
    return {each.name for each in pod.spec.initContainers if each.restartPolicy == "Always"}


def _walk_init(pod: Pod, sidecars: set[str]) -> tuple[_Story, bool]:
    """The story as far as the init containers tell it, and whether one of them is not through."""
    story = _Story(_phase(pod))
    for index, status in enumerate(pod.status.initContainerStatuses):
        story.restarted(status)
        if status.state.HasField("terminated") and status.state.terminated.exitCode == 0:
            continue
        if status.name in sidecars and status.started:
            story.ready += status.ready
            continue
        progress = f"{index}/{len(pod.spec.initContainers)}"
        story.reason = f"Init:{_init_reason(status.state) or progress}"
        return story, True
    return story, False


def _phase(pod: Pod) -> str:
    for condition in pod.status.conditions:
        if (condition.type, condition.reason) == ("PodScheduled", "SchedulingGated"):
            return "SchedulingGated"
    return pod.status.reason or pod.status.phase


def _init_reason(state: ContainerState) -> str:
    if state.HasField("terminated"):
        return _ended(state)
    waiting = state.waiting.reason
    return "" if waiting == "PodInitializing" else waiting


def _ended(state: ContainerState) -> str:
    """How a container ended: the runtime's word for it, or the bare figures."""
    ended = state.terminated
    if ended.reason:
        return ended.reason
    return f"Signal:{ended.signal}" if ended.signal else f"ExitCode:{ended.exitCode}"


def _walk_containers(pod: Pod, story: _Story) -> None:
    running = False
    for status in reversed(pod.status.containerStatuses):
        story.restarted(status)
        state = status.state
        if state.waiting.reason:
            story.reason = state.waiting.reason
        elif state.HasField("terminated"):
            story.reason = _ended(state)
        elif status.ready and state.HasField("running"):
            running = True
            story.ready += 1
    if running and story.reason == "Completed":
        # One has ended well while others go on: the pod as a whole runs.
        story.reason = "Running" if _is_true(pod, "Ready") else "NotReady"


def _is_true(pod: Pod, condition: str) -> bool:
    return any(each.type == condition and each.status == "True" for each in pod.status.conditions)


def _restarts(story: _Story, now: datetime) -> str:
    if not story.restarts or story.last_restart is None or not story.last_restart.seconds:
        return str(story.restarts)
    return f"{story.restarts} ({age(story.last_restart, now)} ago)"


def _gates(pod: Pod) -> str:
    gates = pod.spec.readinessGates
    if not gates:
        return NONE
    return f"{sum(_is_true(pod, gate.conditionType) for gate in gates)}/{len(gates)}"


def _order(stamp: Timestamp) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos
