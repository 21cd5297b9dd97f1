"""What an agent can do about a pod. Values: the plan lists them, the hands carry them out."""

from dataclasses import dataclass
from typing import TypeAlias

from proto.v1.pod_pb2 import Container


@dataclass(frozen=True)
class Prepare:
    """Make the volumes and a sandbox with its network. An older sandbox is removed first."""

    attempt: int
    changed: bool = False  # there was one before, and it is dead


@dataclass(frozen=True)
class Start:
    """Pull the image if need be, create the container, start it, run its postStart hook."""

    container: Container
    attempt: int
    next_delay: float = 0.0  # seconds that the restart after this run has to wait


@dataclass(frozen=True)
class Stop:
    """End one run of a container: preStop hook, signal, and after the grace period a kill."""

    name: str
    id: str
    message: str
    grace: float | None = None  # seconds; None: the pod's


@dataclass(frozen=True)
class EndAll:
    """End everything that runs: the main containers together, then the sidecars in reverse order."""

    grace: float  # seconds for all of it


@dataclass(frozen=True)
class Announce:
    """Tell by an event that a container waits before it is started again."""

    name: str


@dataclass(frozen=True)
class Refresh:
    """Bring the volumes whose files follow something up to date: ConfigMaps, Secrets, the pod's own fields, tokens."""


@dataclass(frozen=True)
class Remove:
    """Remove a dead run of a container that nobody needs any more."""

    id: str


@dataclass(frozen=True)
class TakeDown:
    """Nothing runs: stop the sandbox, give back address and volumes. Dead containers stay, for their logs."""


@dataclass(frozen=True)
class Forget:
    """The pod is to be gone: remove what is left of it here, then the object on the server."""


Action: TypeAlias = (
    Prepare | Refresh | Start | Stop | EndAll | Announce | Remove | TakeDown | Forget
)
