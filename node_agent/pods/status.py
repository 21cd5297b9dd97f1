"""What to report of a pod. Pure: the spec, what the runtime has, what the agent remembers, the time.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase
"""

from dataclasses import dataclass
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from api import clock
from node_agent.pods import fate
from node_agent.pods.conditions import conditions, merge
from node_agent.pods.containerstatus import container_status
from node_agent.pods.memory import Memory
from node_agent.pods.qos import qos_class
from node_agent.pods.view import View, is_sidecar
from proto.v1.pod_pb2 import ContainerStatus, HostIP, PodIP, PodStatus

TERMINAL = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Place:
    """Where the pod is."""

    host_ip: str
    runtime: str = "docker"  # the scheme of container ids


def pod_status(
    view: View, memory: Memory, before: PodStatus, now: datetime, place: Place
) -> PodStatus:
    """`before` is the status as it was last reported: what others wrote there is kept."""
    status = PodStatus(
        hostIP=place.host_ip,
        hostIPs=[HostIP(ip=place.host_ip)],
        qosClass=before.qosClass or qos_class(view.pod),
        nominatedNodeName=before.nominatedNodeName,
        observedGeneration=view.pod.metadata.generation,
    )
    started = before.startTime if before.HasField("startTime") else _start_time(view, now)
    status.startTime.CopyFrom(started)
    _containers(status, view, memory, before, now, place)
    _phase(status, view, memory, before)
    _address(status, view, before, place)
    has_network = view.sandbox_ready and bool(status.podIP) and not memory.taken_down
    ours = conditions(view.pod, status, has_network=has_network)
    for condition in ours:
        condition.observedGeneration = view.pod.metadata.generation
    status.conditions.extend(merge(before.conditions, ours, now))
    return status


def _start_time(view: View, now: datetime) -> Timestamp:
    first = min((s.created_at for s in view.record.sandboxes), default=now)
    return clock.timestamp(first)


def _containers(
    status: PodStatus, view: View, memory: Memory, before: PodStatus, now: datetime, place: Place
) -> None:
    spec = view.pod.spec
    for containers, said, old in (
        (spec.initContainers, status.initContainerStatuses, before.initContainerStatuses),
        (spec.containers, status.containerStatuses, before.containerStatuses),
    ):
        known = {s.name: s for s in old}
        for container in containers:
            fresh = container_status(view, memory, container, now, runtime=place.runtime)
            said.append(_not_forgotten(fresh, known.get(container.name), view, memory))


def _not_forgotten(
    fresh: ContainerStatus, known: ContainerStatus | None, view: View, memory: Memory
) -> ContainerStatus:
    """What was reported of a container outlives the container: its end, its count of restarts."""
    if known is None or view.latest(fresh.name) is not None:
        return fresh
    if known.state.HasField("terminated"):
        return known
    over = memory.deleted or memory.ending is not None
    if over and known.state.HasField("running"):
        return _lost(known)
    fresh.restartCount = max(fresh.restartCount, known.restartCount)
    return fresh


def _lost(known: ContainerStatus) -> ContainerStatus:
    """It ran, and nothing of it is left to say how it ended."""
    status = ContainerStatus()
    status.CopyFrom(known)
    status.state.Clear()
    status.state.terminated.reason = "ContainerStatusUnknown"
    status.state.terminated.exitCode = 137
    status.state.terminated.message = "the container could not be found when the pod was ended"
    status.ready = status.started = False
    return status


def _phase(status: PodStatus, view: View, memory: Memory, before: PodStatus) -> None:
    """A terminal phase is never left again, and is reached only when nothing runs any more."""
    if before.phase in TERMINAL:
        status.phase, status.reason, status.message = before.phase, before.reason, before.message
        return
    quiet = not any(view.running())
    ending = memory.ending
    if ending is not None and ending.phase:
        status.reason, status.message = ending.reason, ending.message
        status.phase = ending.phase if quiet else phase_of(view, status)
    elif ending is not None and quiet and memory.deleted:
        status.phase = _last_phase(status, before)
    else:
        status.phase = phase_of(view, status)
        if status.phase in TERMINAL and not quiet:  # its sidecars are still ending
            status.phase = "Running"


def _last_phase(status: PodStatus, before: PodStatus) -> str:
    """Of a deleted pod whose containers have all ended; one that never ran anything stays Pending."""
    ends = [s.state.terminated for s in status.containerStatuses if s.state.HasField("terminated")]
    if not ends:
        return before.phase or "Pending"
    whole = len(ends) == len(status.containerStatuses)
    return "Succeeded" if whole and all(e.exitCode == 0 for e in ends) else "Failed"


def phase_of(view: View, status: PodStatus) -> str:
    """The short story, from the states of the containers."""
    outcome = fate.outcome(view)
    if outcome is not None:
        return outcome
    begun = any(not s.state.HasField("waiting") or _ended(s) for s in status.containerStatuses)
    if not begun and _initializing(view, status):
        return "Pending"
    if any(s.state.HasField("waiting") and not _ended(s) for s in status.containerStatuses):
        return "Pending"
    return "Running"


def _ended(status: ContainerStatus) -> bool:
    return status.lastState.HasField("terminated")


def _initializing(view: View, status: PodStatus) -> bool:
    sidecars = {c.name for c in view.pod.spec.initContainers if is_sidecar(c)}
    return any(
        not (s.started if s.name in sidecars else s.ready) for s in status.initContainerStatuses
    )


def _address(status: PodStatus, view: View, before: PodStatus, place: Place) -> None:
    if view.pod.spec.hostNetwork:
        address = place.host_ip
    elif view.sandbox is not None and view.sandbox.ip:
        address = view.sandbox.ip
    else:
        address = before.podIP
    if address:
        status.podIP = address
        status.podIPs.append(PodIP(ip=address))
