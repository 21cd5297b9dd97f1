"""One node's agent, put together: the runtime's records and the server's pods meet in the pod manager.

Everything an agent needs is made elsewhere and handed in, so that the same agent runs over Docker in its own process,
and a thousand times in one process over runtimes that run nothing.
"""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from api.client import Client
from api.recorder import Recorder
from node_agent.configsource import ConfigSource
from node_agent.machine import Pressure
from node_agent.metrics.meter import Meter
from node_agent.node import NodeReporter
from node_agent.nodesource import NodeSource
from node_agent.nodestatus import NodeDescription, NodeHealth
from node_agent.pods.disk import PodDisk
from node_agent.pods.facts import NodeFacts
from node_agent.pods.hands import Tools
from node_agent.pods.images import ImageKeeper
from node_agent.pods.manager import PodManager
from node_agent.pods.publisher import StatusPublisher
from node_agent.pods.records import Records
from node_agent.pods.seams import NO_SERVICES, NoRoutes, PodNetwork, Routes, Services
from node_agent.pods.status import Place
from node_agent.pods.view import View
from node_agent.podsource import PodSource
from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.interface import Runtime
from node_agent.runtime.model import ImageInfo, Usage
from node_agent.volumes.store import Volumes

IMAGES_EVERY = 60.0  # seconds between looks at the node's images


@dataclass(frozen=True)
class Server:
    """The way to the API server; agents in one process share it."""

    client: Client
    publisher: StatusPublisher
    pods: PodSource  # of this node, or of all
    nodes: NodeSource  # the same
    config: ConfigSource  # what its pods name
    services: Services = NO_SERVICES  # what its containers are told of


@dataclass(frozen=True)
class House:
    """What a node runs pods with."""

    runtime: Runtime
    network: PodNetwork
    volumes: Volumes
    disk: PodDisk
    pressure: Callable[[], Pressure] = Pressure
    usage: Callable[[], Usage] | None = None  # of the machine; None: of the pods together
    routes: Routes = field(default_factory=NoRoutes)


class Agent:
    def __init__(
        self,
        server: Server,
        house: House,
        about: NodeDescription,
        facts: NodeFacts,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._server, self._house, self._about = server, house, about
        self.events = Recorder(server.client, "kubelet", about.name)
        self.reporter = NodeReporter(server.client, about, self._examine, self.events)
        tools = self._tools(facts, tasks)
        scheme = about.runtime_version.partition(":")[0] or "docker"
        place = Place(about.machine.address, scheme)
        moment = itertools.count(1).__next__
        self.pods = PodManager(
            tools, node=lambda: self.reporter.node, place=place, moment=moment, tasks=tasks
        )
        self.records = Records(house.runtime, self.pods.observe, moment, self.reporter.look)
        self.pods.ask = self.records.ask
        self.meter = Meter(
            house.runtime, house.usage, node=lambda: self.reporter.node, views=self._views
        )
        self._tasks = tasks
        self._images: tuple[float, tuple[ImageInfo, ...]] = (-IMAGES_EVERY, ())

    def _tools(self, facts: NodeFacts, tasks: asyncio.TaskGroup) -> Tools:
        server, house = self._server, self._house
        return Tools(
            client=server.client,
            runtime=house.runtime,
            network=house.network,
            volumes=house.volumes,
            images=ImageKeeper(house.runtime, tasks),
            events=self.events,
            publisher=server.publisher,
            disk=house.disk,
            node=facts,
            config=server.config,
            routes=house.routes,
            services=server.services,
        )

    def _views(self) -> list[View]:
        return [worker.view for worker in self.pods.workers.values()]

    def start(self) -> None:
        """Begin; everything ends with the task group."""
        self.pods.restore()
        self._server.pods.follow(self._about.name, self.pods.changed)
        self._server.nodes.follow(self._about.name, self.reporter.notice)
        for loop in (self.records.run, self.reporter.run, self.events.run, self._follow):
            self._tasks.create_task(loop())

    async def _follow(self) -> None:
        self.pods.synced(await self._server.pods.complete(self._about.name))

    async def _examine(self) -> NodeHealth:
        loop, trouble = asyncio.get_running_loop(), self.records.trouble
        if not trouble and loop.time() - self._images[0] >= IMAGES_EVERY:
            with suppress(RuntimeFailure):  # the next list of containers says the same
                self._images = (loop.time(), tuple(await self._house.runtime.list_images()))
        trouble = trouble or self._house.network.trouble
        return NodeHealth(trouble, self._house.pressure(), self._images[1])
