"""The ingress of one node: a thin loop from what the server tells to the HAProxy that serves it.

HAProxy runs only while there is an ingress of ours. When this agent ends it goes on serving what it knows, and the next
agent takes it up again.
"""

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass

from api.client import Client
from api.controller import pause
from api.errors import ApiError
from api.ingresses import PORTS
from node_agent.network.ingress.complaints import Complaints
from node_agent.network.ingress.console import ConsoleFailure
from node_agent.network.ingress.haproxy import HAProxy, NotServing
from node_agent.network.ingress.keeper import Keeper
from node_agent.network.ingress.model import Problem
from node_agent.network.ingress.render import Setting
from node_agent.network.ingress.wanted import Sources, Wanted
from node_agent.network.proxy.proxy import Current
from node_agent.pods.seams import Events
from proto.v1.cluster_pb2 import Node

log = logging.getLogger(__name__)

BREATH = 0.05  # seconds between two changes; the first after a quiet moment is made at once
LOOK = 600.0  # seconds after which everything is looked at even if nothing happens
STABLE = 120.0  # seconds without a failure after which one is the first again


@dataclass(frozen=True)
class About:
    """The node, and where its people are told."""

    node: str
    events: Events


@dataclass
class Failures:
    """To start HAProxy, to change it, to keep it alive: each time after a longer pause."""

    trouble: tuple[str, str] | None = None  # reason and message of what is wrong with the whole
    rest_until: float = 0.0  # loop time
    _count: int = 0
    _last: float = 0.0

    def add(self, now: float, trouble: tuple[str, str]) -> None:
        self._count = self._count + 1 if now - self._last < STABLE else 1
        self.trouble, self._last = trouble, now
        self.rest_until = now + pause(self._count)


class IngressProxy:
    """Runs while the agent does. `current` says up to which version of the EndpointSlices requests go by them."""

    def __init__(
        self, client: Client, sources: Sources, haproxy: HAProxy, setting: Setting, about: About
    ) -> None:
        self._client, self._sources, self._about = client, sources, about
        self._ports = f"{setting.http},{setting.https}"
        self._wake = asyncio.Event()
        self._wanted = Wanted(sources, self._wake.set)
        self._keeper = Keeper(haproxy, setting, self._died)
        self._complaints = Complaints(about.events)
        self._failures = Failures()
        self._announced: str | None = None  # on the Node; None: not known
        self.current = Current()

    async def run(self) -> None:
        """Until cancelled; HAProxy goes on."""
        try:
            await self._wanted.synced()
            while True:
                self._wake.clear()
                again_in = await self._round()
                await asyncio.sleep(BREATH)
                with suppress(TimeoutError):
                    async with asyncio.timeout(again_in):
                        await self._wake.wait()
        finally:
            self._keeper.release()

    async def _round(self) -> float:
        """One look at everything; the seconds until the next, if nothing happens."""
        now, version = asyncio.get_running_loop().time(), int(self._sources.slices.version or 0)
        await self._wanted.look(now)
        if await self._serve(now):
            self.current.reached(version)
        problems = [*self._wanted.problems, *self._of_all(self._failures.trouble)]
        again = [LOOK, self._complaints.hear(problems, now) or LOOK]
        if self._failures.trouble is not None:
            again.append(max(self._failures.rest_until - now, BREATH))
        if not await self._announce():
            again.append(pause(1))
        return min(again)

    async def _serve(self, now: float) -> bool:
        """Whether requests go as they should."""
        if now < self._failures.rest_until:
            return False
        try:
            if not self._wanted.ingresses:
                await self._keeper.stop()
                refused = ""
            else:
                refused = await self._keeper.apply(self._wanted.routing, self._wanted.pods)
        except (NotServing, ConsoleFailure, OSError) as error:
            self._failures.add(now, ("IngressNotServed", f"node {self._about.node}: {error}"))
            log.warning("ingress_not_served error=%r", str(error))
            return False
        self._failures.trouble = None
        if refused and not self._wanted.distrust(refused):
            told = f"HAProxy refuses what has changed, the rest goes on as before: {refused}"
            self._failures.trouble = ("ConfigurationRefused", told)
            log.error("ingress_refused error=%r", refused)
        return True

    def _died(self) -> None:
        now = asyncio.get_running_loop().time()
        self._failures.add(now, ("IngressNotServed", f"node {self._about.node}: HAProxy ended"))
        self._wake.set()

    def _of_all(self, trouble: tuple[str, str] | None) -> list[Problem]:
        return [Problem(each, *trouble) for each in self._wanted.ingresses] if trouble else []

    async def _announce(self) -> bool:
        """Say on the Node where this one serves, or that it does not. False: it is to be tried again."""
        ports = self._ports if self._keeper.runs else ""
        if ports == self._announced:
            return True
        try:
            await announce(self._client, self._about.node, ports)
        except ApiError as error:
            log.info("ingress_not_announced error=%r", error.message)
            return False
        self._announced = ports
        return True


async def announce(client: Client, node: str, ports: str) -> None:
    """Say on the Node on which ports it serves; empty: on none. Raises ApiError."""
    found = await client.get(Node, node)
    if found.metadata.annotations.get(PORTS, "") != ports:
        patch = {"metadata": {"annotations": {PORTS: ports or None}}}
        await client.patch(Node, node, "", patch, patch_type="merge")
