"""A filter's "no", in words.

Whoever waits for a pod reads one sentence: "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were
unschedulable." The wording is Kubernetes' own, to the last letter, because people search for it. A refusal also
remembers which filter spoke: only events that can change that filter's mind are worth another try (queue.py).
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple


class Refusal(NamedTuple):
    filter: str  # Kubernetes' name of the filter: "NodeResourcesFit"
    words: str  # "Insufficient cpu"


# All that one filter has against a node: mostly one thing, but it can be short of cpu and of memory. Empty: it fits.
Refusals = tuple[Refusal, ...]
FITS: Refusals = ()


@dataclass(frozen=True, slots=True)
class Unschedulable:
    """Why no node would do."""

    nodes: int  # how many there are
    tally: Mapping[Refusal, int]  # how many nodes were refused for that reason
    only: str = ""  # the one node that the pod has asked for by name

    @property
    def filters(self) -> frozenset[str]:
        """Who refused. Empty if there is no node at all."""
        return frozenset(refusal.filter for refusal in self.tally)

    @property
    def message(self) -> str:
        if not self.nodes:
            return "no nodes available to schedule pods"
        said = Counter[str]()
        for refusal, count in self.tally.items():
            said[refusal.words] += count
        # Sorted as text, numbers included ("10 …" before "2 …"): so does Kubernetes.
        reasons = sorted(f"{count} {words}" for words, count in said.items())
        told = f"0/{self.nodes} nodes are available: {', '.join(reasons)}."
        # Which node has no room for a DaemonSet's pod was asked for in vain (kubernetes#93934).
        return f"{told} The pod can only be on node {self.only}." if self.only else told


def tally_of(refused: Iterable[tuple[Refusals, int]]) -> Counter[Refusal]:
    """Counts single reasons where each of so many nodes was refused for these."""
    tally = Counter[Refusal]()
    for refusals, nodes in refused:
        for refusal in refusals:
            tally[refusal] += nodes
    return tally
