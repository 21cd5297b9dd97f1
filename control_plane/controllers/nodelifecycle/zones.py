"""How many nodes fail together, and how fast their pods may be driven out then (4f). Pure but for its own memory.

zone    Normal               0.1 nodes per second
        most nodes fail      0.01 per second if the zone is large, else none
        all nodes fail       0.1 per second: if other zones live, it is the zone that is dead
all zones dead               nobody is driven out, and those who were marked are unmarked: it is us
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from control_plane.controllers.nodelifecycle.times import Times
from proto.v1.cluster_pb2 import Node

REGION, ZONE = "topology.kubernetes.io/region", "topology.kubernetes.io/zone"
EXCLUDED = "node.kubernetes.io/exclude-disruption"  # a label: this node's state says nothing about its zone
State = Literal["Initial", "Normal", "PartialDisruption", "FullDisruption"]
FEW = 2  # so many failures are never "most"


def zone_of(node: Node) -> str:
    """Zones of the same name in two regions are two zones; all nodes without labels are in one."""
    labels = node.metadata.labels
    return f"{labels.get(REGION, '')}/{labels.get(ZONE, '')}"


def counts(node: Node) -> bool:
    return EXCLUDED not in node.metadata.labels


def state_of(ready: Sequence[bool], times: Times) -> State:
    """Of a zone, from whether each of its nodes is ready."""
    failing = ready.count(False)
    if failing and failing == len(ready):
        return "FullDisruption"
    if failing > FEW and failing / len(ready) >= times.unhealthy_zone:
        return "PartialDisruption"
    return "Normal"


def rate_of(state: State, size: int, times: Times) -> float:
    """Nodes per second."""
    if state != "PartialDisruption":
        return times.eviction_rate
    return times.secondary_eviction_rate if size > times.large_zone else 0.0


@dataclass
class Pace:
    """One node at once, and then as many as the rate allows."""

    rate: float
    free_at: datetime | None = None  # when the next may be taken; None: now

    def wait(self, now: datetime) -> float | None:
        """Seconds until the next may be taken. None: not until the rate changes."""
        if not self.rate:
            return None
        return max((self.free_at - now).total_seconds(), 0.0) if self.free_at else 0.0

    def take(self, now: datetime) -> None:
        self.free_at = now + timedelta(seconds=1 / self.rate)

    def change(self, rate: float, now: datetime) -> None:
        """What is left to wait shrinks or grows with the rate."""
        left = self.wait(now)
        if left and rate:
            self.free_at = now + timedelta(seconds=left * self.rate / rate)
        self.rate = rate


@dataclass
class Zones:
    times: Times
    states: dict[str, State] = field(default_factory=dict)
    paces: dict[str, Pace] = field(default_factory=dict)
    halted: bool = False  # all zones are dead

    def pace(self, zone: str) -> Pace:
        return self.paces.setdefault(zone, Pace(self.times.eviction_rate))

    def judge(self, nodes: Mapping[str, Sequence[bool]], now: datetime) -> bool:
        """Take note of who is ready, by zone. True: some node is back after all were dead."""
        fresh = {zone: state_of(ready, self.times) for zone, ready in nodes.items()}
        for gone in self.states.keys() - fresh.keys():
            del self.states[gone]
            self.paces.pop(gone, None)
        was_halted, self.halted = self.halted, self._all_dead(fresh)
        for zone, state in fresh.items():
            if state != self.states.get(zone):
                self.pace(zone).change(rate_of(state, len(nodes[zone]), self.times), now)
        self.states.update(fresh)
        return was_halted and not self.halted

    @staticmethod
    def _all_dead(states: Mapping[str, State]) -> bool:
        return bool(states) and all(state == "FullDisruption" for state in states.values())
