"""What a single failure means (S#79): the first rule of the podFailurePolicy that matches says."""

from collections.abc import Iterator
from dataclasses import dataclass

from control_plane.controllers.pods import is_over
from proto.v1.batch_pb2 import Job, PodFailurePolicyOnExitCodes, PodFailurePolicyRule
from proto.v1.pod_pb2 import Pod


@dataclass(frozen=True)
class Meaning:
    action: str = "Count"  # FailJob, FailIndex, Ignore, Count
    message: str = ""


def meaning(job: Job, pod: Pod) -> Meaning:
    """Of a pod that has failed. One that ends and has no exit codes yet counts."""
    if not is_over(pod):
        return Meaning()
    for number, rule in enumerate(job.spec.podFailurePolicy.rules):
        if what := _match(rule, pod):
            ending = f"matching {rule.action} rule at index {number}"
            return Meaning(rule.action, f"{what} {ending}")
    return Meaning()


def _match(rule: PodFailurePolicyRule, pod: Pod) -> str:
    """What matched, in words; empty: nothing did."""
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if rule.HasField("onExitCodes"):
        for container, code in _exit_codes(pod):
            if _matches(rule.onExitCodes, container, code):
                return f"Container {container} for pod {name} failed with exit code {code}"
        return ""
    for pattern in rule.onPodConditions:
        for condition in pod.status.conditions:
            if (condition.type, condition.status) == (pattern.type, pattern.status or "True"):
                return f"Pod {name} has condition {condition.type}"
    return ""


def _exit_codes(pod: Pod) -> Iterator[tuple[str, int]]:
    """Of the containers that failed; whoever returned 0 is not why the pod did."""
    for status in (*pod.status.containerStatuses, *pod.status.initContainerStatuses):
        if status.state.HasField("terminated") and status.state.terminated.exitCode != 0:
            yield status.name, status.state.terminated.exitCode


def _matches(rule: PodFailurePolicyOnExitCodes, container: str, code: int) -> bool:
    if rule.containerName and rule.containerName != container:
        return False
    return (code in rule.values) == (rule.operator == "In")
