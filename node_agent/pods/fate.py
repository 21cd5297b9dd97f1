"""The rules of ending: which container is started again, and when a pod is over. Pure.

https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy
"""

from typing import Literal

from node_agent.pods.fingerprint import fingerprint
from node_agent.pods.view import View, is_sidecar
from node_agent.runtime.model import ContainerStatus
from proto.v1.pod_pb2 import Container, Pod

Outcome = Literal["Succeeded", "Failed"]


def restarts(pod: Pod, container: Container, ended: ContainerStatus) -> bool:
    """Is a main container started again after this end? What ran by an older definition always is."""
    if ended.spec_hash != fingerprint(container):
        return True
    policy = pod.spec.restartPolicy or "Always"
    if policy == "OnFailure":
        return ended.exit_code != 0
    return policy == "Always"


def restarts_on_failure(pod: Pod) -> bool:
    return pod.spec.restartPolicy != "Never"


def awaits_restart(view: View, container: Container, run: ContainerStatus) -> bool:
    """Has it ended, not for good?"""
    if run.state != "exited":
        return False
    role = view.role(container.name)
    if role == "sidecar":
        return True
    if role == "init":
        return run.exit_code != 0 and restarts_on_failure(view.pod)
    return restarts(view.pod, container, run)


def run_awaits_restart(view: View, run: ContainerStatus) -> bool:
    """The same, of a run whose container may be gone from the spec."""
    container = view.container(run.name)
    return container is not None and awaits_restart(view, container, run)


def failed_init(view: View) -> str | None:
    """The init container whose failure ends the pod."""
    if restarts_on_failure(view.pod):
        return None
    for container in view.pod.spec.initContainers:
        run = view.latest(container.name)
        if is_sidecar(container) or run is None:
            continue
        if run.state == "exited" and run.exit_code != 0:
            return container.name
    return None


def outcome(view: View) -> Outcome | None:
    """How the pod ended, by its containers alone; None while something runs or will be started."""
    if failed_init(view):
        return "Failed"
    ends: list[ContainerStatus] = []
    for container in view.pod.spec.containers:
        run = view.latest(container.name)
        if run is None or run.state != "exited" or restarts(view.pod, container, run):
            return None
        ends.append(run)
    if not ends:
        return None
    return "Succeeded" if all(end.exit_code == 0 for end in ends) else "Failed"
