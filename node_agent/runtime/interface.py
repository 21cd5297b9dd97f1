"""What a node can do with containers: the seam between the agent and a container engine.

Three promises hold for every verb of every implementation, and `tests/contract/test_runtime.py`
checks them. (1) A verb may be repeated: names are chosen by us, so a second create finds the first,
and removing what is gone is a success. (2) The runtime is the agent's only memory: after a crash
`list` tells all that was ever started and not yet removed. (3) An error is never an empty answer:
when the engine cannot be asked, `RuntimeUnavailable` is raised, and no call waits forever.

The interface is four small ones, grouped by who needs what; `Runtime` is their sum.
"""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Protocol

from node_agent.runtime.errors import (
    ContainerCreateError,
    ContainerStartError,
    ExecTimeout,
    ImageUnavailable,
    InvalidImageName,
    NotFound,
    RuntimeFailure,
    RuntimeUnavailable,
)
from node_agent.runtime.model import (
    Channel,
    ContainerSpec,
    ContainerState,
    ContainerStatus,
    ExecResult,
    ImageInfo,
    LogLine,
    Mount,
    Namespaces,
    PodRecord,
    Propagation,
    RegistryLogin,
    Resources,
    Sandbox,
    SandboxSpec,
    SandboxState,
    Seccomp,
    Security,
    Tmpfs,
    Usage,
)

ALL_PODS = ""  # the hint of `changes` that means: look at everything again


class Pods(Protocol):
    """Sandboxes, and what is true of all pods together."""

    async def list(self) -> list[PodRecord]:
        """Everything of this cluster and node, dead containers too, ordered by pod uid."""

    def changes(self) -> AsyncIterator[str]:
        """Uids of pods to look at again, without end; `ALL_PODS` first and after every gap.

        Hints only: they may be lost or repeated, so the agent also lists now and then. Survives
        restarts of the engine by reconnecting.
        """

    async def create_sandbox(self, spec: SandboxSpec) -> Sandbox:
        """Create and start it. One that already exists under this uid and attempt is returned."""

    async def stop_sandbox(self, sandbox_id: str) -> None:
        """Stop at once: nothing in it has work to finish. No-op when stopped or gone."""

    async def remove_sandbox(self, sandbox_id: str) -> None:
        """Remove it, running or not. No-op when gone. Remove its containers before it."""

    async def netns_path(self, sandbox_id: str) -> str:
        """A path that opens the pod's network namespace, such as /proc/77/ns/net.

        Good while the sandbox is ready; open it soon. Raises NotFound when it is not running.
        """


class Containers(Protocol):
    """The containers of a pod, one by one."""

    async def create_container(self, spec: ContainerSpec) -> str:
        """Create it and return its id; the id of the existing one when there is one already.

        Raises ImageUnavailable when the image is not on the node (nothing is pulled here),
        ContainerCreateError when the engine refuses, NotFound when the sandbox is gone.
        """

    async def start_container(self, container_id: str) -> None:
        """No-op while it runs. Raises ContainerStartError. One that exited is not started again."""

    async def stop_container(
        self, container_id: str, *, grace: float, signal: str | None = None
    ) -> None:
        """Ask it to end, wait at most `grace` seconds, then kill it; returns once it has ended.

        `signal` None is the container's own stop signal. No-op when it is not running or gone.
        """

    async def kill(self, container_id: str, signal: str = "SIGKILL") -> None:
        """Send a signal and return at once. No-op when not running or gone."""

    async def remove_container(self, container_id: str) -> None:
        """Remove it with its log and termination message, killing it first. No-op when gone."""

    async def stats(self, container_id: str) -> Usage:
        """Read its cgroup. Raises NotFound when it is not running."""


class Images(Protocol):
    """The images of the node, shared with everything else on it."""

    async def image_present(self, reference: str) -> ImageInfo | None:
        """None when it is not on the node. Raises InvalidImageName."""

    async def pull(self, reference: str, *, login: RegistryLogin | None = None) -> ImageInfo:
        """Fetch it, whether or not it is present. Raises ImageUnavailable, InvalidImageName."""

    async def list_images(self) -> list[ImageInfo]:
        """All images on the node."""

    async def remove_image(self, reference: str) -> None:
        """No-op when gone. Raises RuntimeFailure when a container still uses it."""


class Stream(Protocol):
    """A conversation with a process in a container."""

    async def read(self) -> tuple[Channel, bytes] | None:
        """The next piece of output, None when there will be no more. With a tty all is stdout."""

    async def write(self, data: bytes) -> None:
        """Send to its stdin. Raises ConnectionError when it no longer listens."""

    async def close_stdin(self) -> None:
        """It reads end-of-file; its output goes on."""

    async def resize(self, width: int, height: int) -> None:
        """Tell its terminal the new size in characters. No-op without a tty or when ended."""

    async def exit_code(self) -> int:
        """How the process ended, once all its output has been read or the stream was closed."""

    async def close(self) -> None:
        """Leave. May be repeated. The process of an attach goes on running."""


class Streams(Protocol):
    """Talking with what runs, and reading what it said."""

    async def exec_capture(
        self, container_id: str, command: Sequence[str], *, timeout: float
    ) -> ExecResult:
        """Run a command in the container, as probes and hooks do.

        Raises ExecTimeout after `timeout` seconds, NotFound when the container is not running. A
        command that does not exist is a result like any other: exit code 126 or 127.
        """

    async def exec_stream(
        self, container_id: str, command: Sequence[str], *, tty: bool = False, stdin: bool = False
    ) -> Stream:
        """Run a command and talk with it."""

    async def attach(self, container_id: str) -> Stream:
        """Join the main process: its output from now on and, if it was given one, its stdin."""

    def logs(
        self,
        container_id: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        since: datetime | None = None,
        limit_bytes: int | None = None,
    ) -> AsyncIterator[LogLine]:
        """What the container wrote, running or dead. A follow ends after its last line.

        `tail` counts lines from the end, None is all. Raises NotFound.
        """


class Runtime(Pods, Containers, Images, Streams, Protocol):
    """All that the agent needs of a container engine."""

    async def version(self) -> str:
        """Name and version as in a Node's status: docker://20.10.24."""

    async def close(self) -> None:
        """Let go of connections and threads. Containers go on running."""


__all__ = [
    "ALL_PODS",
    "Channel",
    "ContainerCreateError",
    "ContainerSpec",
    "ContainerStartError",
    "ContainerState",
    "ContainerStatus",
    "Containers",
    "ExecResult",
    "ExecTimeout",
    "ImageInfo",
    "ImageUnavailable",
    "Images",
    "InvalidImageName",
    "LogLine",
    "Mount",
    "Namespaces",
    "NotFound",
    "PodRecord",
    "Pods",
    "Propagation",
    "RegistryLogin",
    "Resources",
    "Runtime",
    "RuntimeFailure",
    "RuntimeUnavailable",
    "Sandbox",
    "SandboxSpec",
    "SandboxState",
    "Seccomp",
    "Security",
    "Stream",
    "Streams",
    "Tmpfs",
    "Usage",
]
