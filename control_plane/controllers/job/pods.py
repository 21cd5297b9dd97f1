"""A Job's pod: its name, its index, its finalizer, how often it failed and when it ended."""

from datetime import datetime

from api import clock
from api.names import draw_suffix
from control_plane.controllers.newpod import pod_of
from control_plane.controllers.pods import is_ending, is_over
from proto.v1.batch_pb2 import Job
from proto.v1.pod_pb2 import Container, EnvVar, EnvVarSource, ObjectFieldSelector, Pod

TRACKING = "batch.kubernetes.io/job-tracking"  # a finalizer: the pod has not been counted
INDEX = "batch.kubernetes.io/job-completion-index"  # a label and an annotation
FAILURES = "batch.kubernetes.io/job-index-failure-count"  # an annotation: of the pods before it
INDEX_VARIABLE = "JOB_COMPLETION_INDEX"
LONGEST = 63  # letters of a host name


def is_indexed(job: Job) -> bool:
    return job.spec.completionMode == "Indexed"


def is_tracked(pod: Pod) -> bool:
    return TRACKING in pod.metadata.finalizers


def index_of(pod: Pod) -> int | None:
    """None: it has none, or one that nobody can read."""
    text = pod.metadata.annotations.get(INDEX, "")
    return int(text) if text.isdecimal() else None


def failures_before(pod: Pod) -> int:
    text = pod.metadata.annotations.get(FAILURES, "")
    return int(text) if text.isdecimal() else 0


def has_failed(job: Job, pod: Pod) -> bool:
    """A pod that was told to end has failed, unless its Job wants to be sure that it has ended first."""
    if pod.status.phase == "Failed":
        return True
    if not is_ending(pod) or pod.status.phase == "Succeeded":
        return False
    return job.spec.podReplacementPolicy != "Failed" or will_not_end(pod)


def will_not_end(pod: Pod) -> bool:
    """Nobody will give it a phase any more: it was never put on a node, or its node has let go of it."""
    return not pod.spec.nodeName or pod.metadata.deletionGracePeriodSeconds == 0


def is_leaving(pod: Pod) -> bool:
    """It has been told to end and may still run."""
    return is_ending(pod) and not is_over(pod) and not will_not_end(pod)


def ended_at(pod: Pod) -> datetime:
    """As well as can be known."""
    every = (*pod.status.containerStatuses, *pod.status.initContainerStatuses)
    ends = [
        clock.to_datetime(status.state.terminated.finishedAt)
        for status in every
        if status.state.terminated.HasField("finishedAt")
    ]
    if ends:
        return max(ends)
    meta = pod.metadata
    stamp = meta.deletionTimestamp if is_ending(pod) else meta.creationTimestamp
    return clock.to_datetime(stamp)


def draw_name(job: Job, index: int | None) -> str:
    """`<job>-<letters>` or `<job>-<index>-<letters>`; a long name is cut, the index is not."""
    letters = draw_suffix()
    ending = f"-{letters}" if index is None else f"-{index}-{letters}"
    return job.metadata.name[: LONGEST - len(ending)] + ending


def index_in(name: str) -> int:
    """Of a name that was drawn with an index."""
    return int(name.rsplit("-", 2)[1])


def new_pod(job: Job, name: str, index: int | None = None, failures: int = 0) -> Pod:
    """`failures`: of the pods that had the index before."""
    pod = pod_of(job, job.spec.template, name)
    pod.metadata.finalizers.append(TRACKING)
    if index is not None:
        _number(job, pod, index)
    if job.spec.HasField("backoffLimitPerIndex"):
        pod.metadata.annotations[FAILURES] = str(failures)
    return pod


def _number(job: Job, pod: Pod, index: int) -> None:
    pod.metadata.annotations[INDEX] = pod.metadata.labels[INDEX] = str(index)
    pod.spec.hostname = f"{job.metadata.name}-{index}"
    for container in (*pod.spec.initContainers, *pod.spec.containers):
        _tell(container)


def _tell(container: Container) -> None:
    """What the author has set under this name stays."""
    if all(variable.name != INDEX_VARIABLE for variable in container.env):
        field = ObjectFieldSelector(fieldPath=f"metadata.annotations['{INDEX}']")
        source = EnvVarSource(fieldRef=field)
        container.env.append(EnvVar(name=INDEX_VARIABLE, valueFrom=source))
