"""Snapshot in, node out: where should this pod run?

The answer is that of evaluating every filter and every score on every node, which is what the tests compare with.
To give it tens of thousands of times a second, a ranking is kept for each shape of pod that was asked about lately.
A pod that asks for one node by name, as a DaemonSet's do, needs no ranking: each is the only one of its shape, and
there is nothing to compare.
"""

from collections import OrderedDict

from control_plane.scheduler import company, plugins
from control_plane.scheduler.filters.node_affinity import NOT_NAMED
from control_plane.scheduler.ranking import Ranking
from control_plane.scheduler.refusal import Refusals, Unschedulable, tally_of
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
        if shape.wants.names is not None and len(shape.wants.names) == 1:
            [name] = shape.wants.names
            return self._only(shape, name)
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

    def _only(self, shape: Shape, name: str) -> NodeInfo | Unschedulable:
        """That node, or why it will not do."""
        nodes, node = len(self._snapshot.nodes), self._snapshot.node(name)
        if node is None:
            return Unschedulable(nodes, tally_of([((NOT_NAMED,), nodes)]), only=name)
        refusals = self._refusals(shape, node)
        if not refusals:
            return node
        others = [((NOT_NAMED,), nodes - 1)] if nodes > 1 else []
        return Unschedulable(nodes, tally_of([(refusals, 1), *others]), only=name)

    def _refusals(self, shape: Shape, node: NodeInfo) -> Refusals:
        wants = shape.wants
        refusals = plugins.node_refusals(wants, node) or plugins.room_refusals(wants, node)
        if refusals or not company.objects(shape, self._snapshot):
            return refusals
        others = company.Company(shape, self._snapshot)
        return plugins.company_refusals(others, others.levels_at(others.place_of(node)))

    def _telling_labels(self, shape: Shape) -> frozenset[tuple[str, str]]:
        """Labels that somebody looks at. Without the others all pods of a StatefulSet are the same."""
        telling = shape.wishes.mentions | self._snapshot.mentioned
        if not telling:
            return _NO_LABELS
        return frozenset([pair for pair in shape.labels.items() if pair[0] in telling])

    def forget(self) -> None:
        """Give the memory back: nothing waits."""
        self._rankings.clear()
