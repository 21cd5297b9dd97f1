"""What the agent needs of a pod network: the seam between the real one and the hollow one.

As with the runtime, every verb may be repeated, and what was done before a crash is found again:
addresses are labels of the sandboxes, links have names that follow from the pods' uids.
"""

from collections.abc import Collection
from typing import Protocol

from node_agent.network.rules import HostPort


class Network(Protocol):
    """The pods' network on one node. Errors are NetworkFailure, with the command that failed."""

    async def ensure(self) -> list[str]:
        """Make the node's part what it should be. Cheap when it is: call it every half a minute.

        Returns a sentence for everything that had to be done.
        """

    async def set_host_ports(self, host_ports: Collection[HostPort]) -> None:
        """All host ports of the node's pods, replacing those before."""

    async def attach(self, netns: str, pod_uid: str, address: str) -> None:
        """Wire the namespace at path `netns` (see Runtime.netns_path) and give it the address."""

    async def detach(self, pod_uid: str) -> None:
        """Unplug the pod. No-op when it is not wired."""

    async def garbage_collect(self, keep: Collection[str]) -> list[str]:
        """Unplug all pods but these (uids); returns the names of the links removed."""

    async def attached(self, pod_uids: Collection[str]) -> set[str]:
        """Which of these pods are wired."""

    async def down(self) -> None:
        """Remove all that is ours from the node."""
