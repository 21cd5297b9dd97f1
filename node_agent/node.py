"""Keeps the Node object of this machine: registers it, and reports how it is.

Looked at every ten seconds, and at once when the runtime comes or goes; written when something changed, or after
five minutes (that it lives, its lease says: see `heartbeat`).
https://kubernetes.io/docs/concepts/architecture/nodes/
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from api import clock
from api.client import Client
from api.controller import pause
from api.errors import AlreadyExists, ApiError, Conflict, NotFound
from node_agent.nodestatus import (
    NodeDescription,
    NodeHealth,
    corrected,
    new_node,
    node_status,
    same_but_for_time,
)
from node_agent.pods.seams import Events
from proto.v1.cluster_pb2 import Node

log = logging.getLogger(__name__)

LOOK = 10.0  # seconds
REPORT_ANYWAY = 300.0  # seconds
LONGEST_PAUSE = 5.0  # seconds between attempts to reach the server

Examine = Callable[[], Awaitable[NodeHealth]]


class NodeReporter:
    """Owner of this machine's Node object, as far as an agent owns it."""

    def __init__(
        self, client: Client, about: NodeDescription, examine: Examine, events: Events
    ) -> None:
        self._client, self._about = client, about
        self._examine, self._events = examine, events
        self._look = asyncio.Event()
        self._reported_at = -REPORT_ANYWAY  # loop time
        self.node = new_node(about)  # as last seen; before registration: as it will be
        empty = node_status(about, NodeHealth("starting"), self.node.status, clock.now())
        self.node.status.CopyFrom(empty)

    def look(self) -> None:
        """Something may have changed: do not wait for the next time."""
        self._look.set()

    def notice(self, node: Node | None) -> None:
        """The server shows this of our node. If it is news, somebody else wrote it: say again how we are.

        None: somebody has deleted it. As long as we live there is a node, so it is registered again at once.
        """
        if node is None:
            self._reported_at = -REPORT_ANYWAY
            return self.look()
        ours, theirs = self.node.metadata, node.metadata
        if theirs.uid == ours.uid and int(theirs.resourceVersion) > int(ours.resourceVersion):
            self.node = Node()
            self.node.CopyFrom(node)
            self.look()
        return None

    async def run(self) -> None:
        """Register and report until cancelled."""
        await self._persist(self._register)
        self._events.event(self.node, "Normal", "Starting", "Starting the node's agent.")
        while True:
            await self._persist(self._report)
            try:
                async with asyncio.timeout(LOOK):
                    await self._look.wait()
            except TimeoutError:
                pass
            self._look.clear()

    async def _persist(self, step: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                return await step()
            except ApiError as error:
                failures += 1
                level = logging.INFO if failures > 1 else logging.WARNING
                log.log(level, "node_not_reported step=%s error=%r", step.__name__, error.message)
                await asyncio.sleep(min(pause(failures), LONGEST_PAUSE))

    async def _register(self) -> None:
        try:
            fresh = new_node(self._about, self.node.spec.podCIDR)
            known = await self._client.create(fresh)
        except AlreadyExists:
            known = await self._client.get(Node, self._about.name)
            better = corrected(known, self._about)
            if better is not None:
                known = await self._client.update(better)
        self.node = known

    async def _report(self) -> None:
        health = await self._examine()
        now, loop = clock.now(), asyncio.get_running_loop()
        status = node_status(self._about, health, self.node.status, now)
        due = loop.time() - self._reported_at >= REPORT_ANYWAY
        if not due and same_but_for_time(status, self.node.status):
            return
        was_ready = _is_ready(self.node)
        wanted = Node()
        wanted.CopyFrom(self.node)
        wanted.status.CopyFrom(status)
        try:
            self.node = await self._client.update(wanted, subresource="status")
        except Conflict:
            self.node = await self._client.get(Node, self._about.name)
            raise
        except NotFound:  # somebody deleted it
            await self._register()
            raise
        self._reported_at = loop.time()
        self._tell(was_ready)

    def _tell(self, was_ready: bool) -> None:
        ready = _is_ready(self.node)
        if ready != was_ready:
            word = "NodeReady" if ready else "NodeNotReady"
            name = self._about.name
            self._events.event(self.node, "Normal", word, f"Node {name} status is now: {word}")


def _is_ready(node: Node) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
