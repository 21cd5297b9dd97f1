"""A pod joined with what the runtime has of it: the one thing that plan and status look at.

The runtime is the agent's memory. What must survive a crash of the agent is written on the container itself, as
labels, when it is created: which sandbox it was made for, and how long its next restart has to wait. So a new
agent reads the same view as the one that was killed, and goes on.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from node_agent.runtime.model import ContainerStatus, PodRecord, Sandbox
from proto.v1.pod_pb2 import Container, Pod

SANDBOX_LABEL = "sandbox"  # the attempt of the sandbox that a container was created in
BACKOFF_LABEL = "backoff"  # seconds to wait after the end of this run before the next


def is_sidecar(container: Container) -> bool:
    """Of an init container: does it go on running beside the others?"""
    return container.restartPolicy == "Always"


@dataclass(frozen=True)
class View:
    pod: Pod
    record: PodRecord

    @property
    def uid(self) -> str:
        return self.pod.metadata.uid

    @property
    def sandbox(self) -> Sandbox | None:
        """The newest, whatever its state."""
        return self.record.sandboxes[-1] if self.record.sandboxes else None

    @property
    def sandbox_ready(self) -> bool:
        return self.sandbox is not None and self.sandbox.state == "ready"

    def runs_of(self, name: str) -> list[ContainerStatus]:
        """All that is left of a container's runs, the newest last."""
        return [c for c in self.record.containers if c.name == name]

    def latest(self, name: str) -> ContainerStatus | None:
        runs = self.runs_of(name)
        return runs[-1] if runs else None

    def active(self, name: str) -> ContainerStatus | None:
        """The latest run, if it belongs to the present sandbox. A new sandbox is initialized anew."""
        last = self.latest(name)
        return last if last is not None and self.is_active(last) else None

    def is_active(self, run: ContainerStatus) -> bool:
        sandbox = self.sandbox
        return sandbox is not None and run.labels.get(SANDBOX_LABEL) == str(sandbox.attempt)

    def running(self) -> Iterator[ContainerStatus]:
        return (c for c in self.record.containers if c.state == "running")

    def role(self, name: str) -> str:
        """init, sidecar or main; a name that the pod does not have counts as main."""
        for container in self.pod.spec.initContainers:
            if container.name == name:
                return "sidecar" if is_sidecar(container) else "init"
        return "main"

    def container(self, name: str) -> Container | None:
        """What the pod's spec says about the name."""
        spec = self.pod.spec
        return next((c for c in (*spec.initContainers, *spec.containers) if c.name == name), None)

    def field_path(self, name: str) -> str:
        """How an event points to a container of the pod."""
        group = "containers" if self.role(name) == "main" else "initContainers"
        return f"spec.{group}{{{name}}}"
