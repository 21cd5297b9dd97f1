"""Which container of a pod a stream is about, and whether it can be had now: pure, and explained (S#102, S#103)."""

from collections.abc import Sequence

from api import kinds
from api.errors import BadRequest
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import ContainerStatus, Pod

DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"  # an annotation


def container_of(pod: Pod, wanted: str) -> str:
    """The container's name. Raises BadRequest: there is none of that name, or none was named and there are several."""
    name = pod.metadata.name
    apps = [each.name for each in pod.spec.containers]
    inits = [each.name for each in pod.spec.initContainers]
    wanted = wanted or pod.metadata.annotations.get(DEFAULT_CONTAINER, "")
    if wanted in apps or wanted in inits:
        return wanted
    if wanted:
        told = " ".join((*apps, *inits))
        raise BadRequest(f"container {wanted} is not valid for pod {name}, choose one of: [{told}]")
    if len(apps) == 1:
        return apps[0]
    told = f"a container name must be specified for pod {name}, choose one of: [{' '.join(apps)}]"
    if inits:
        told += f" or one of the init containers: [{' '.join(inits)}]"
    raise BadRequest(told)


def check_logs(pod: Pod, container: str, *, previous: bool) -> None:
    """Raises BadRequest: there is nothing to read, and why."""
    status = _status(pod, container)
    name = pod.metadata.name
    ended = status is not None and status.lastState.HasField("terminated")
    if previous and not ended:
        raise BadRequest(
            f'previous terminated container "{container}" in pod "{name}" not found: it was never restarted'
        )
    if not previous and not ended and (status is None or status.state.HasField("waiting")):
        why = status.state.waiting.reason if status is not None else "ContainerCreating"
        raise BadRequest(
            f'container "{container}" in pod "{name}" is waiting to start: {why or "waiting"}'
        )


def check_exec(pod: Pod, container: str) -> None:
    """Raises BadRequest: nothing runs there."""
    name, phase = pod.metadata.name, pod.status.phase
    if phase in ("Succeeded", "Failed"):
        raise BadRequest(
            f"cannot exec into a container in a completed pod; current phase is {phase} (pod {name})"
        )
    status = _status(pod, container)
    if status is None or not status.state.HasField("running"):
        raise BadRequest(f'container "{container}" in pod "{name}" is not running')


def _status(pod: Pod, container: str) -> ContainerStatus | None:
    statuses: Sequence[ContainerStatus] = (
        *pod.status.containerStatuses,
        *pod.status.initContainerStatuses,
    )
    return next((each for each in statuses if each.name == container), None)


def node_of(pod: Pod) -> str:
    """Raises BadRequest: the pod is nowhere yet."""
    if not pod.spec.nodeName:
        why = next((c.message for c in pod.status.conditions if c.type == "PodScheduled"), "")
        told = f"pod {kinds.object_key(pod)} does not have a host assigned: it has not been scheduled yet"
        raise BadRequest(f"{told} ({why})" if why else told)
    return pod.spec.nodeName


def agent_address(node: Node) -> str:
    """Where the node's agent listens: "10.0.0.5:10250". Raises BadRequest: the node does not say."""
    port = node.status.daemonEndpoints.kubeletEndpoint.Port
    for address in node.status.addresses:
        if address.type == "InternalIP" and port:
            host = f"[{address.address}]" if ":" in address.address else address.address
            return f"{host}:{port}"
    raise BadRequest(
        f"node {node.metadata.name} has not said where its agent listens "
        "(status.addresses, status.daemonEndpoints): is the agent running?"
    )
