"""The sum of the parts: what `node_agent.runtime.docker` exports."""

from pathlib import Path
from typing import TYPE_CHECKING

from node_agent.runtime.docker.containers import DockerContainers
from node_agent.runtime.docker.engine import Engine
from node_agent.runtime.docker.files import PodFiles
from node_agent.runtime.docker.images import DockerImages
from node_agent.runtime.docker.pods import DockerPods
from node_agent.runtime.docker.privileges import lowest_oom_score
from node_agent.runtime.docker.specs import Owner
from node_agent.runtime.docker.streams import DockerStreams
from node_agent.runtime.interface import Runtime

PAUSE_IMAGE = "helmling/pause:1"


class DockerRuntime(DockerPods, DockerContainers, DockerImages, DockerStreams):
    """Implements `Runtime`. Connects at the first call; may be made while the engine is down."""

    def __init__(
        self,
        *,
        cluster: str,
        node: str,
        state: Path,  # a directory of ours on the engine's machine, made when needed
        socket: str = "/var/run/docker.sock",
        pause_image: str = PAUSE_IMAGE,
    ) -> None:
        owner = Owner(cluster, node, lowest_oom_score())
        super().__init__(Engine(socket), owner, PodFiles(state), pause_image)

    async def version(self) -> str:
        seen = await self._engine.call(lambda client: client.version())
        return f"docker://{seen['Version']}"

    async def close(self) -> None:
        await self._engine.close()


if TYPE_CHECKING:
    _keeps_the_contract: type[Runtime] = DockerRuntime
