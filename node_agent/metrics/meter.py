"""A look at everything that runs on one node."""

import logging
from collections.abc import Callable, Iterable

from api import clock
from node_agent.metrics.rates import Look, PodReading, Reading, report
from node_agent.pods.view import View
from node_agent.runtime.errors import NotFound, RuntimeFailure
from node_agent.runtime.interface import Containers
from node_agent.runtime.model import Usage
from proto.v1.cluster_pb2 import Node
from proto.v1.policy_pb2 import MetricsReport

log = logging.getLogger(__name__)


class Meter:
    """Remembers the last look, which the next one is compared with."""

    def __init__(
        self,
        runtime: Containers,
        machine: Callable[[], Usage] | None,
        *,
        node: Callable[[], Node],
        views: Callable[[], Iterable[View]],
    ) -> None:
        self._runtime, self._machine = runtime, machine
        self._node, self._views = node, views
        self._last: Look | None = None

    async def measure(self) -> MetricsReport | None:
        """What was used since the last time; None the first time, and when nothing can be read."""
        try:
            look = await self._look()
        except (RuntimeFailure, OSError) as error:
            log.warning("metrics_not_read node=%s error=%r", self._node().metadata.name, str(error))
            self._last = None
            return None
        before, self._last = self._last, look
        return report(self._node(), before, look) if before is not None else None

    async def _look(self) -> Look:
        at = clock.now()
        machine = self._machine() if self._machine is not None else None
        pods = {view.uid: await self._pod(view) for view in list(self._views())}
        return Look(at, machine, {uid: each for uid, each in pods.items() if each.containers})

    async def _pod(self, view: View) -> PodReading:
        found: dict[str, Reading] = {}
        for run in list(view.running()):
            try:
                usage = await self._runtime.stats(run.id)
            except NotFound:
                continue  # it has just ended
            found[run.name] = Reading(run.id, usage, run.started_at)
        return PodReading(view.pod, found)
