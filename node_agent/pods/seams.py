"""What the agent needs of its surroundings, as small as it is needed."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

from node_agent.network.rules import HostPort
from proto.v1.pod_pb2 import Pod


class PodNetwork(Protocol):
    """Gives pods addresses and connects their network namespaces. All verbs may be repeated."""

    @property
    def trouble(self) -> str:
        """Why no pod can be connected; "": they can."""

    def adopt(self, addresses: Mapping[str, str], ports: Iterable[HostPort]) -> None:
        """What is in use already, addresses by pod uid: told once, before anything else."""

    def reserve(self, pod_uid: str) -> str:
        """The pod's address; the same one until it is detached. Raises RuntimeFailure when all are taken."""

    async def attach(
        self, pod_uid: str, netns: Callable[[], Awaitable[str]], ports: Iterable[HostPort]
    ) -> None:
        """Wire the namespace whose path `netns` tells, with the reserved address, and open the node's `ports` to it.

        Raises RuntimeFailure.
        """

    async def run(self) -> None:
        """Keep the node's side of it there, until cancelled."""

    async def detach(self, pod_uid: str) -> None:
        """Unwire it and give the address back; no-op when gone."""


class Routes(Protocol):
    """The ways that lead to a pod: what all nodes' kernels do with connections to services."""

    async def left(self, pod: Pod, grace: float) -> None:
        """Until no kernel leads new connections to the pod, which is to end, any more.

        Returns after some seconds in any case, and before the grace period (seconds) is over. Never fails.
        """


class NoRoutes:
    """Where no kernel leads anything."""

    async def left(self, pod: Pod, grace: float) -> None:
        """At once."""


class Events(Protocol):
    """Where people are told what happens: api.recorder.Recorder."""

    def event(
        self,
        obj: Any,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        field_path: str = "",
    ) -> None:
        """Never fails, never waits."""


class Services(Protocol):
    """What a container is told of the Services."""

    async def variables(self, pod: Pod) -> dict[str, str]:
        """For a container that starts now. Raises ConfigError: nobody knows the services yet."""
        ...


class NoServices:
    """For nodes on which nothing runs."""

    async def variables(self, pod: Pod) -> dict[str, str]:
        return {}


NO_SERVICES = NoServices()
