"""Tells the server how far this node's kernel is, at every change and every few seconds: see departure.py."""

import asyncio
import logging
from collections.abc import AsyncIterator

from api.client import Client
from api.controller import pause
from api.errors import ApiError
from node_agent.network.proxy.proxy import Current
from proto.v1.service_pb2 import RulesReport

log = logging.getLogger(__name__)

BEAT = 5.0  # seconds; the server believes for more than twice as long that a silent node lives
LONGEST_PAUSE = 2.0  # seconds until a report is begun anew


class RulesReporter:
    def __init__(self, client: Client, node: str, current: Current) -> None:
        self._client, self._node, self._current = client, node, current

    async def run(self) -> None:
        """Until cancelled."""
        failures = 0
        while True:
            await self._current.known()
            before = self._current.version
            try:
                await self._client.report_rules(self._reports())
            except ApiError as error:
                log.info("rules_not_reported error=%r", error.message)
            failures = failures + 1 if self._current.version == before else 1
            await asyncio.sleep(min(pause(failures), LONGEST_PAUSE))

    async def _reports(self) -> AsyncIterator[RulesReport]:
        while True:
            yield RulesReport(node=self._node, version=self._current.version)
            try:
                async with asyncio.timeout(BEAT):
                    await self._current.changed()
            except TimeoutError:
                continue
