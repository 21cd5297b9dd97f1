"""Keeps the routes to the other nodes' pods: told of every change of a Node, and of every change of the kernel's
routes.

When the agent goes, the routes stay, as the pods do. Until the server has told of all nodes once, nothing is
removed.
"""

import asyncio
import logging

from api.informer import Informer
from node_agent.network.commands import NetworkFailure
from node_agent.network.kernelnews import About, listening, news
from node_agent.network.routes import peers, ways
from node_agent.network.routetable import RouteTable
from node_agent.options import Overlay
from node_agent.podrange import RangeKeeper
from proto.v1.cluster_pb2 import Node

log = logging.getLogger(__name__)

CHECK = 30.0  # seconds between looks that nobody asked for
SETTLE = 0.25  # seconds in which further changes are waited for
PAUSE = 2.0  # seconds after a failure


class Routing:
    """`run` must be running."""

    def __init__(
        self,
        nodes: Informer[Node],
        me: str,
        ranges: RangeKeeper,
        table: RouteTable,
        overlay: Overlay,
    ) -> None:
        self._nodes, self._me, self._ranges = nodes, me, ranges
        self._table, self._overlay = table, overlay
        self._look = asyncio.Event()
        self._lost: tuple[str, ...] = ()  # out of reach, as told last
        ranges.on_change(self._look.set)
        nodes.add_handler(self._on_node)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        if old is None or new is None or _matters(old) != _matters(new):
            self._look.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._ranges.known()
        await self._nodes.wait_synced()
        async with listening(About.ROUTES, self._look.set):
            while True:
                self._look.clear()
                try:
                    await self.ensure()
                except NetworkFailure as error:
                    log.warning("routes_not_made error=%r", str(error))
                    await asyncio.sleep(PAUSE)
                    continue
                await news(self._look, CHECK, SETTLE)

    async def ensure(self) -> None:
        """Once."""
        own = await self._ranges.known()
        others = peers(self._nodes.objects.values(), self._me, own)
        wanted = ways(others, await self._table.here(), self._overlay)
        for deed in await self._table.ensure(wanted, own):
            log.info("routes_mended did=%r", deed)
        if wanted.out_of_reach != self._lost:
            self._lost = wanted.out_of_reach
            for node in self._lost:
                log.warning(
                    "no_route node=%s because='it is on another segment, and --overlay=none'", node
                )


def _matters(node: Node) -> tuple[str, list[tuple[str, str]]]:
    addresses = [(each.type, each.address) for each in node.status.addresses]
    return node.spec.podCIDR, addresses
