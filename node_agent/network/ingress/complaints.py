"""Tells the authors of ingresses what is wrong with them, in events: once, and not at the first glance.

Who applies an ingress together with its service and its Secret should not be told that they are not there: what is
wrong must have been so for a moment.
"""

from collections.abc import Sequence

from node_agent.network.ingress.model import Problem
from node_agent.pods.seams import Events

GRACE = 2.0  # seconds
AGAIN = 1800.0  # seconds after which what is still wrong is told again: events are forgotten


class Complaints:
    def __init__(self, events: Events) -> None:
        self._events = events
        # Since when it is so, and when it is to be told: loop time, by what it is.
        self._due: dict[tuple[str, str, str], float] = {}

    def hear(self, problems: Sequence[Problem], now: float) -> float | None:
        """All that is wrong now. The seconds after which this is worth to be called again; None: never."""
        found = {_key(problem): problem for problem in problems}
        self._due = {key: self._due.get(key, now + GRACE) for key in found}
        for key, problem in found.items():
            if self._due[key] <= now:
                self._events.event(problem.ingress, "Warning", problem.reason, problem.message)
                self._due[key] = now + AGAIN
        return min(self._due.values()) - now if self._due else None


def _key(problem: Problem) -> tuple[str, str, str]:
    return problem.ingress.metadata.uid, problem.reason, problem.message
