"""A pod that failed on a node is replaced; one that fails there again and again is left alone for a while first.

The usual cause is a node that refuses the pod at once (a port that is taken, say). Without a pause, controller and node
would make and refuse pods as fast as they can. 1 s, 2 s, 4 s, … 15 min; forgotten when nothing has happened for twice
the longest pause, or when the DaemonSet is another one by then.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

FIRST, LONGEST = timedelta(seconds=1), timedelta(minutes=15)


@dataclass(frozen=True)
class Pause:
    since: datetime
    length: timedelta

    @property
    def end(self) -> datetime:
        return self.since + self.length


@dataclass
class Backoff:
    """Of one DaemonSet."""

    generation: int = 0  # of the DaemonSet that the pauses are about
    pauses: dict[str, Pause] = field(default_factory=dict)  # by node

    def look(self, generation: int, now: datetime) -> None:
        """Forget what does not count any more."""
        if generation != self.generation:
            self.generation, self.pauses = generation, {}
        old = [node for node, pause in self.pauses.items() if now - pause.since > 2 * LONGEST]
        for node in old:
            del self.pauses[node]

    def held(self, now: datetime) -> dict[str, datetime]:
        """The nodes where a failed pod is left alone still, and until when."""
        return {node: pause.end for node, pause in self.pauses.items() if pause.end > now}

    def failed(self, nodes: Iterable[str], now: datetime) -> None:
        """Pods have been replaced there."""
        for node in nodes:
            known = self.pauses.get(node)
            length = min(2 * known.length, LONGEST) if known else FIRST
            self.pauses[node] = Pause(now, length)
