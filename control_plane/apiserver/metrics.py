"""What pods and nodes use: reported by agents, kept in memory, read as the kinds PodMetrics and NodeMetrics.

A measurement is worth nothing a minute later, so none is ever written to the store: a cluster of a few thousand pods
would write hundreds of times a second what nobody reads back. A server that restarts knows nothing until the agents
report again, which takes them 15 seconds. docs/adr/0009-metrics.md has the choice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api import clock, kinds
from api.errors import BadRequest, Forbidden
from api.identities import NODE_PREFIX
from api.kinds import Kind
from control_plane.apiserver.identity import CALLER, MASTERS
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from proto.v1.policy_pb2 import MetricsReport

FRESH = timedelta(minutes=1)  # what is older is as good as missing


@dataclass(frozen=True, slots=True)
class _Report:
    arrived: datetime  # by our clock, whatever the node's says
    items: Mapping[str, Stored]  # by key


class Metrics:
    """Owner of the latest report of each node."""

    def __init__(self, strategies: Mapping[Kind, Strategy]) -> None:
        self._strategies = strategies
        self._reports: dict[str, _Report] = {}  # by node, the latest last

    def take(self, reports: Iterable[MetricsReport]) -> None:
        """Each replaces what the node has reported before. Raises BadRequest, Forbidden."""
        now = clock.now()
        for report in reports:
            _check(report)
            self._reports.pop(report.node, None)
            items = {stored.key: stored for stored in self._items(report)}
            self._reports[report.node] = _Report(now, items)
        for node in [node for node, each in self._reports.items() if now - each.arrived > FRESH]:
            del self._reports[node]

    def _items(self, report: MetricsReport) -> Iterable[Stored]:
        if report.HasField("machine"):
            yield self._stored(report.machine)
        for pod in report.pods:
            yield self._stored(pod)

    def _stored(self, obj: Any) -> Stored:
        kind = kinds.of(obj)
        meta = obj.metadata
        obj.apiVersion, obj.kind = kind.api_version, kind.name
        key = kinds.key(kind, meta.namespace, meta.name)
        return Stored(self._strategies[kind], key, obj.SerializeToString(), 0)

    def get(self, key: str) -> Stored | None:
        return self._fresh().get(key)

    def list(self, chosen: Chosen) -> list[Stored]:
        """In key order."""
        found = (stored for _, stored in sorted(self._fresh().items()))
        return [stored for stored in found if chosen.takes(stored)]

    def _fresh(self) -> dict[str, Stored]:
        """A pod that has moved is in the reports of two nodes: the later one counts."""
        oldest, found = clock.now() - FRESH, dict[str, Stored]()
        for report in self._reports.values():
            if report.arrived >= oldest:
                found.update(report.items)
        return found


def _check(report: MetricsReport) -> None:
    """A node speaks for itself and its pods, and for nobody else."""
    if not report.node:
        raise BadRequest("a report of metrics must name its node")
    if report.HasField("machine") and report.machine.metadata.name != report.node:
        raise BadRequest(
            f"node {report.node} has reported the use of node {report.machine.metadata.name!r}"
        )
    caller = CALLER.get()
    if caller.name != NODE_PREFIX + report.node and MASTERS not in caller.groups:
        raise Forbidden(f'"{caller.name}" cannot report the metrics of node {report.node}')
