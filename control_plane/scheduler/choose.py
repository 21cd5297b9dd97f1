"""Snapshot in, node out: where should this pod run?

The answer is that of evaluating every filter and every score on every node, which is what the tests compare with.
To give it tens of thousands of times a second, a ranking is kept for each shape of pod that was asked about lately.
"""

from collections import OrderedDict

from control_plane.scheduler.ranking import Ranking
from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.shape import Shape
from control_plane.scheduler.snapshot import NodeInfo, Snapshot

REMEMBERED = 32  # rankings; one holds about 200 bytes per node


_NO_LABELS: frozenset[tuple[str, str]] = frozenset()


class Chooser:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._rankings: OrderedDict[object, Ranking] = OrderedDict()  # last use last

    def choose(self, shape: Shape) -> NodeInfo | Unschedulable:
        """The best node, or why there is none. Placing the pod there is the caller's to do (Snapshot.place)."""
        key = (shape.kin, self._telling_labels(shape))
        ranking = self._rankings.get(key)
        if ranking is not None and not ranking.stale:
            ranking.repair()
        if ranking is None or ranking.stale:
            ranking = self._rankings[key] = Ranking(shape, self._snapshot)
            if len(self._rankings) > REMEMBERED:
                self._rankings.popitem(last=False)
        self._rankings.move_to_end(key)
        return ranking.best()

    def _telling_labels(self, shape: Shape) -> frozenset[tuple[str, str]]:
        """Labels that somebody looks at. Without the others all pods of a StatefulSet are the same."""
        telling = shape.wishes.mentions | self._snapshot.mentioned
        if not telling:
            return _NO_LABELS
        return frozenset([pair for pair in shape.labels.items() if pair[0] in telling])

    def forget(self) -> None:
        """Give the memory back: nothing waits."""
        self._rankings.clear()
