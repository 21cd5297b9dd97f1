"""From a pod's containers to what the runtime is asked for. Pure.

https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from api import quantity
from node_agent.pods.env import expand_all
from node_agent.pods.facts import NodeFacts
from node_agent.pods.fingerprint import fingerprint
from node_agent.pods.qos import oom_score_adj, request
from node_agent.pods.security import security
from node_agent.pods.view import BACKOFF_LABEL, SANDBOX_LABEL
from node_agent.runtime.model import ContainerSpec, Mount, Resources, Sandbox
from proto.v1.pod_pb2 import Container, Pod

TERMINATION_LOG = "/dev/termination-log"


@dataclass(frozen=True)
class Run:
    """Which run of a container is to be made."""

    attempt: int
    next_delay: float  # seconds that the restart after it has to wait


@dataclass(frozen=True)
class Inside:
    """What the container's program will find."""

    env: Mapping[str, str] = field(repr=False)  # may hold secrets
    mounts: Sequence[Mount]


def container_spec(
    pod: Pod,
    container: Container,
    run: Run,
    sandbox: Sandbox,
    node: NodeFacts,
    inside: Inside,
) -> ContainerSpec:
    env = inside.env
    command, args = expand_all(container.command, env), expand_all(container.args, env)
    hostname = node.name if pod.spec.hostNetwork else hostname_of(pod)
    return ContainerSpec(
        sandbox=sandbox,
        name=container.name,
        image=container.image,
        attempt=run.attempt,
        command=command or None,
        args=args or None,
        env=tuple({"HOSTNAME": hostname, **env}.items()),
        working_dir=container.workingDir,
        mounts=tuple(inside.mounts),
        resources=resources(pod, container, node),
        security=security(pod, container),
        tty=container.tty,
        stdin=container.stdin,
        stdin_once=container.stdinOnce,
        termination_message_path=container.terminationMessagePath or TERMINATION_LOG,
        spec_hash=fingerprint(container),
        labels={SANDBOX_LABEL: str(sandbox.attempt), BACKOFF_LABEL: f"{run.next_delay:g}"},
    )


def hostname_of(pod: Pod) -> str:
    """The kernel takes at most 63 characters, not ending in '-' or '.'."""
    name = pod.spec.hostname or pod.metadata.name
    return name[:63].rstrip("-.")


def resources(pod: Pod, container: Container, node: NodeFacts) -> Resources:
    """Requests become weights, limits become bounds."""
    limits = container.resources.limits
    memory = node.allocatable.get("memory", "")
    return Resources(
        cpu_request_millis=quantity.millis(request(container, "cpu")),
        cpu_limit_millis=quantity.millis(limits.get("cpu", "")) or None,
        memory_limit_bytes=quantity.value(limits.get("memory", "")) or None,
        oom_score_adj=oom_score_adj(pod, container, quantity.value(memory)),
    )
