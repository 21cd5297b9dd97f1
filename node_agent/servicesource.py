"""The Services, as containers are told of them when they start.

No container starts before the server has told the services once, or it would lack what it finds the API server by.
While the server is away the last that was told holds; an agent that starts while it is away takes it from a file, so
that containers which end can be started again.
"""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from api.informer import Informer
from node_agent.pods.facts import ConfigError
from node_agent.pods.servicelinks import variables
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)
PATIENCE = 10.0  # seconds to wait for a server that has told nothing yet
SHORT = 2.0  # the same, when there is a memory of what it told before


class ServiceSource:
    """`memory`: a file of ours. The informer must be running."""

    def __init__(self, informer: Informer[Service], memory: Path) -> None:
        self._informer, self._memory = informer, memory
        self._kept = ""  # the version that is in the file

    async def variables(self, pod: Pod) -> dict[str, str]:
        remembered = self._memory.exists()
        with suppress(TimeoutError):
            async with asyncio.timeout(SHORT if remembered else PATIENCE):
                await self._informer.wait_synced()
        if self._informer.has_synced:
            self._keep()
            return variables(self._informer.objects.values(), pod)
        if remembered:
            return variables(read(self._memory), pod)
        raise ConfigError("services have not yet been read at least once, cannot construct envvars")

    def _keep(self) -> None:
        if self._kept != self._informer.version:
            write(self._memory, self._informer.objects.values())
            self._kept = self._informer.version


def write(path: Path, services: Iterable[Service]) -> None:
    """One after the other, each after its length; whole or not at all."""
    scratch = path.with_suffix(".new")
    with scratch.open("wb") as file:
        for each in services:
            data = each.SerializeToString()
            file.write(len(data).to_bytes(4, "big") + data)
    scratch.replace(path)


def read(path: Path) -> list[Service]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        found.append(Service.FromString(data[at + 4 : end]))
        at = end
    return found
