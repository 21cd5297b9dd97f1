"""The ingress of one node: a thin loop from what the server tells to the HAProxy that serves it.

HAProxy runs only while there is an ingress of ours. When this agent ends it goes on serving what it knows, and the next
agent takes it up again.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from api.client import Client
from api.controller import pause
from api.errors import ApiError
from api.ingresses import PORTS
from node_agent.network.ingress.complaints import Complaints
from node_agent.network.ingress.console import ConsoleFailure
from node_agent.network.ingress.haproxy import NotServing
from node_agent.network.ingress.keeper import Keeper
from node_agent.network.ingress.model import Problem
from node_agent.network.ingress.wanted import Sources, Wanted
from node_agent.network.proxy.proxy import Current
from node_agent.pods.seams import Events
from proto.v1.cluster_pb2 import Node

log = logging.getLogger(__name__)

BREATH = 0.05  # seconds between two changes; the first after a quiet moment is made at once
LOOK = 600.0  # seconds after which certificates are looked at even if nothing happens: they may have expired


@dataclass(frozen=True)
class About:
    """The node, and what it serves on."""

    node: str
    ports: str  # "80,443"


class IngressProxy:
    """Runs while the agent does. `current` says up to which version of the EndpointSlices requests go by them."""

    def __init__(
        self, client: Client, sources: Sources, keeper: Keeper, events: Events, about: About
    ) -> None:
        self._client, self._sources, self._keeper, self._about = client, sources, keeper, about
        self._wake = asyncio.Event()
        self._wanted = Wanted(sources, self._wake.set)
        self._complaints = Complaints(events)
        self._failures = 0  # to start or change it, in a row
        self._announced: str | None = None  # on the Node; None: not known
        self.current = Current()

    def died(self) -> None:
        """HAProxy has ended by itself."""
        self._failures += 1
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled; HAProxy goes on."""
        try:
            await self._wanted.synced()
            self._wake.set()
            while True:
                again_in = await self._round()
                await asyncio.sleep(BREATH)
                with suppress(TimeoutError):
                    async with asyncio.timeout(again_in):
                        await self._wake.wait()
                if not self._wake.is_set() and again_in == LOOK:
                    self._wanted.stale()
                self._wake.clear()
        finally:
            self._keeper.release()

    async def _round(self) -> float:
        """One look at everything; the seconds until the next, if nothing happens."""
        version = int(self._sources.slices.version or 0)
        await self._wanted.look()
        trouble = await self._serve()
        if not trouble:
            self._failures = 0
            self.current.reached(version)
        again = [LOOK] if not trouble else [pause(self._failures)]
        problems = [*self._wanted.problems, *self._of_all(trouble)]
        again.append(self._complaints.hear(problems, asyncio.get_running_loop().time()) or LOOK)
        if not await self._announce():
            again.append(pause(1))
        return min(again)

    async def _serve(self) -> tuple[str, str]:
        """Reason and message of what is wrong with the whole; empty: nothing."""
        try:
            if not self._wanted.ingresses:
                await self._keeper.stop()
                return NOTHING
            refused = await self._keeper.apply(self._wanted.routing, self._wanted.pods)
        except (NotServing, ConsoleFailure, OSError) as error:
            self._failures += 1
            log.warning("ingress_not_served failures=%d error=%r", self._failures, str(error))
            return "IngressNotServed", f"node {self._about.node}: {error}"
        if refused:
            log.error("ingress_refused error=%r", refused)
        return NOTHING
