"""What the four parts of the Docker runtime share."""

import contextlib
from collections.abc import Callable
from typing import Any

from docker.api.client import APIClient

from node_agent.runtime.docker import cgroups
from node_agent.runtime.docker.engine import Conflict, Engine
from node_agent.runtime.docker.files import PodFiles
from node_agent.runtime.docker.specs import Owner
from node_agent.runtime.errors import NotFound
from node_agent.runtime.model import ContainerStatus, Sandbox


class Part:
    """The engine, whose containers are ours, and memories that only save calls."""

    def __init__(self, engine: Engine, owner: Owner, files: PodFiles, pause_image: str) -> None:
        self._engine = engine
        self._owner = owner
        self._files = files
        self._pause_image = pause_image
        self._pids: dict[str, int] = {}  # of containers seen running; checked before use
        self._seen: dict[str, tuple[str, Sandbox | ContainerStatus]] = {}  # id → state, record
        self._suspects: set[str] = set()  # ended, though the engine's list may not say so yet
        self._fresh: set[str] = set()  # created by this object and not yet started

    def _pid(self, client: APIClient, container_id: str) -> int:
        """The container's main process. Raises NotFound when it has none. Blocks."""
        known = self._pids.get(container_id)
        if known is not None and cgroups.belongs(known, container_id):
            return known
        self._pids.pop(container_id, None)
        pid = int(client.inspect_container(container_id)["State"]["Pid"])
        if pid == 0:
            raise NotFound(f"container {container_id[:12]} is not running")
        self._pids[container_id] = pid
        return pid

    async def _unless_gone(self, do: Callable[[APIClient], object]) -> None:
        """A call whose purpose is reached when the container is gone or no longer runs."""
        with contextlib.suppress(NotFound, Conflict):
            await self._engine.call(do)

    def _forget(self, container_id: str) -> None:
        self._pids.pop(container_id, None)
        self._fresh.discard(container_id)
        self._suspects.discard(container_id)


def create(client: APIClient, config: dict[str, Any], name: str) -> str:
    """Create a container and return its id. Raises the package's APIError."""
    made = client.create_container_from_config(config, name)  # type: ignore[no-untyped-call]
    return str(made["Id"])
