"""Reports what the nodes of this process use, each once every 15 seconds.

Agents that share a process share this loop and its calls too: each node has its moment within the 15 seconds, so that a
thousand of them do not all measure at once. A report that gets lost is not repeated: the next one says more.
"""

import asyncio
import logging
from collections.abc import Sequence

from api.client import Client
from api.errors import ApiError
from node_agent.metrics.meter import Meter

log = logging.getLogger(__name__)

PERIOD = 15.0  # seconds between two looks at the same node, as Kubernetes' metrics server has it
SLOTS = 15  # moments at which nodes report, if there are that many


class MetricsReporter:
    def __init__(self, client: Client, meters: Sequence[Meter], *, period: float = PERIOD) -> None:
        self._client = client
        slots = max(1, min(SLOTS, len(meters)))
        self._slots = [meters[slot::slots] for slot in range(slots)]
        self._pause = period / slots

    async def run(self) -> None:
        """Until cancelled."""
        due = asyncio.get_running_loop().time()
        while True:
            for meters in self._slots:
                await self._report(meters)
                now = asyncio.get_running_loop().time()
                due = max(due + self._pause, now)
                await asyncio.sleep(due - now)

    async def _report(self, meters: Sequence[Meter]) -> None:
        measured = [await meter.measure() for meter in meters]
        reports = [each for each in measured if each is not None]
        if not reports:
            return
        try:
            await self._client.report_metrics(reports)
        except ApiError as error:
            log.info("metrics_not_reported nodes=%d error=%r", len(reports), error.message)
