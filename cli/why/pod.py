"""Why a pod does not run, in one answer: what stands in its way first, and what to do about it.

A pod's own status says most of it, its events the rest. The order is that of a pod's life: gates, a node, its volumes
and images, its containers. Whoever reads this has to look at no other place first.
"""

from collections.abc import Iterator, Sequence
from typing import Any

BAD_IMAGE = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName")
BAD_CONFIG = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")


def reasons(pod: Any, events: Sequence[Any] = ()) -> list[str]:
    """Never empty."""
    meta, status = pod.metadata, pod.status
    if meta.HasField("deletionTimestamp"):
        held = (
            f", and waits for the finalizers {', '.join(meta.finalizers)}"
            if meta.finalizers
            else ""
        )
        return [f"It is being deleted{held}."]
    if status.phase == "Succeeded":
        return ["It has done its work: all of its containers have ended successfully."]
    if status.phase == "Failed":
        return [f"It has failed{_because(status)}.", *_containers(pod)]
    if not pod.spec.nodeName:
        return list(_unscheduled(pod, events))
    found = [*_containers(pod), *_troubles(events)]
    if found:
        return found
    ready = _condition(pod, "Ready")
    if ready is not None and ready.status == "True":
        return [f"Nothing is wrong: it runs on node {pod.spec.nodeName}, and is ready."]
    if status.phase == "Running":
        return [f"It runs on node {pod.spec.nodeName}, but is not ready{_because(ready)}."]
    return [f"It is bound to node {pod.spec.nodeName}; its agent has not started it yet."]


def _unscheduled(pod: Any, events: Sequence[Any]) -> Iterator[str]:
    if pod.spec.schedulingGates:
        names = ", ".join(gate.name for gate in pod.spec.schedulingGates)
        yield f"It waits for its scheduling gates to be removed: {names}."
        return
    scheduled = _condition(pod, "PodScheduled")
    if scheduled is not None and scheduled.message:
        yield f"No node takes it: {scheduled.message}"
    elif pod.spec.schedulerName != "default-scheduler":
        yield f"It waits for the scheduler {pod.spec.schedulerName}: is it running?"
    else:
        yield "No scheduler has looked at it yet."
    yield from _troubles(events, but=("FailedScheduling",))


def _containers(pod: Any) -> Iterator[str]:
    specs = {each.name: each for each in (*pod.spec.initContainers, *pod.spec.containers)}
    for each in (*pod.status.initContainerStatuses, *pod.status.containerStatuses):
        image = specs[each.name].image if each.name in specs else each.image
        if told := _container(each, image):
            yield f"Container {each.name} {told}"


def _container(status: Any, image: str) -> str:
    state, last = status.state, status.lastState
    if state.HasField("waiting"):
        reason, message = state.waiting.reason, state.waiting.message
        detail = f": {message}" if message else ""
        if reason in BAD_IMAGE:
            return f"has no image {image} ({reason}){detail}"
        if reason == "CrashLoopBackOff":
            return f"ends again and again, {status.restartCount} times so far; {_end(last)}{_look(status)}"
        if reason in BAD_CONFIG:
            return f"cannot be made ({reason}){detail}"
        return ""  # it waits for others, of which something is told
    if state.HasField("terminated") and state.terminated.exitCode:
        return f"has failed: {_end(state)}{_look(status)}"
    return ""


def _end(state: Any) -> str:
    ended = state.terminated
    if ended.reason == "OOMKilled":
        return "it was killed because it used more memory than its limit"
    why = f" ({ended.reason})" if ended.reason not in ("", "Error") else ""
    return f"it ended with exit code {ended.exitCode}{why}{f': {ended.message}' if ended.message else ''}"


def _look(status: Any) -> str:
    return f" (its logs say more: helmling logs POD -c {status.name} --previous)"


def _troubles(events: Sequence[Any], but: Sequence[str] = ()) -> Iterator[str]:
    """The last warning of each reason."""
    last = {each.reason: each.message for each in events if each.type == "Warning"}
    for reason, message in last.items():
        if reason not in (
            *but,
            "BackOff",
            "Failed",
        ):  # these repeat what the containers' states say
            yield f"{reason}: {message}"


def _condition(pod: Any, type_: str) -> Any:
    return next((each for each in pod.status.conditions if each.type == type_), None)


def _because(said: Any) -> str:
    told = "" if said is None else (said.message or said.reason)
    return f": {told.rstrip('.')}" if told else ""


def missing(owner: Any, events: Sequence[Any]) -> list[str]:
    """Of something that makes pods, and has fewer than it should: what its making them met (quotas, policies)."""
    failures = [each for each in events if each.reason in ("FailedCreate", "ReplicaFailure")]
    last = list(dict.fromkeys(each.message for each in failures))[-3:]
    conditions = [
        each.message
        for each in owner.status.conditions
        if each.type == "ReplicaFailure" and each.status == "True"
    ]
    return list(dict.fromkeys([*conditions, *last]))
