"""Snapshot in, node out: where should this pod run?

The answer is that of evaluating every filter and every score on every node, which is what the tests compare with. To give
it tens of thousands of times a second, a ranking is kept for each shape of pod that was asked about lately.
"""

from collections import OrderedDict

from control_plane.scheduler.ranking import Ranking
from control_plane.scheduler.refusal import Unschedulable
from control_plane.scheduler.shape import Shape
from control_plane.scheduler.snapshot import NodeInfo, Snapshot

REMEMBERED = 32  # rankings; one holds about 200 bytes per node


class Chooser:
    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._rankings: OrderedDict[object, Ranking] = OrderedDict()  # last use last

    def choose(self, shape: Shape) -> NodeInfo | Unschedulable:
        """The best node, or why there is none. Placing the pod there is the caller's to do (Snapshot.place)."""
        # Labels tell pods apart only if somebody looks at them: the pods of a StatefulSet are one kin.
        key = shape if shape.needs_labels or self._snapshot.terms else shape.kin
        ranking = self._rankings.get(key)
        if ranking is not None and not ranking.stale:
            ranking.repair()
        if ranking is None or ranking.stale:
            ranking = self._rankings[key] = Ranking(shape, self._snapshot)
            if len(self._rankings) > REMEMBERED:
                self._rankings.popitem(last=False)
        self._rankings.move_to_end(key)
        return ranking.best()

    def forget(self) -> None:
        """Give the memory back: nothing waits."""
        self._rankings.clear()
