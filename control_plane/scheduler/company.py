"""Who is where: for one shape, the pods that matter to it, counted per domain.

Affinity and spreading ask the same question in different words: how many pods of a certain sort are in this node's
zone (on this node, in this rack)? A Tally answers it for one sort and one label. A pod that comes or goes changes
one number in each; nothing is ever counted again. What the numbers mean is told in filters/pod_affinity.py,
filters/spread.py and their namesakes in scores/.

Nodes of one domain share its number, so they share the verdict. `place_of` says where a node is: a tuple that is
equal for nodes which no filter or score about company can tell apart. Mostly that is the label's value (a few zones
with many nodes each). Host names would make every node a group of its own, so for them it is the count instead: a
thousand nodes of which some have one such pod and the others none are two groups.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from control_plane.scheduler.filters.node_affinity import matches_affinity
from control_plane.scheduler.filters.taints import tolerates_taints
from control_plane.scheduler.shape import Shape
from control_plane.scheduler.snapshot import Change, NodeInfo, Snapshot
from control_plane.scheduler.tally import SpreadTally, Tally, Weigh
from control_plane.scheduler.terms import HOSTNAME, Spread, Term

# The count of each tally where a node is; None: the node lacks the label.
Levels = Sequence[int | None]
# Where a node is: for each tally the label's value, or (host names) the count; None: the node lacks the label.
Place = tuple[str | int | None, ...]

# A pod that must be near others draws these towards itself, too: as much as a preference of this weight.
REQUIRED_AS_PREFERENCE = 1


class Site(NamedTuple):
    """Nodes at one place."""

    place: Place
    levels: Levels
    nodes: int


class Company:
    """The tallies of one shape. The lists named for their meaning hold positions in `tallies`, and so in Levels."""

    def __init__(self, shape: Shape, snapshot: Snapshot) -> None:
        self.shape = shape
        self.stale = False  # a pod came that counts by a label nobody counted by: build anew
        self.tallies: list[Tally] = []
        self._namespaces = snapshot.namespaces
        self._influences: dict[Shape, tuple[tuple[Tally, int], ...]] = {}
        carriers = [other for other in snapshot.shapes if other.has_terms]
        # Pods that all required terms want near, and whether the pod would do for itself.
        self.near = [self._tally(key, self._wanted_near) for key in _keys(shape.wishes.near)]
        self.near_itself = bool(self._wanted_near(shape))
        # Pods that the shape must not meet; pods that must not meet the shape; and who likes to meet how much.
        self.apart = [self._tally(key, self._unwanted(key)) for key in _keys(shape.wishes.apart)]
        keys = _merged(key for other in carriers for key, _ in self._repulsions(other))
        self.repelled = [self._tally(key, self._repulsion(key)) for key in keys]
        others = [key for other in carriers for key, _ in self._attractions(other)]
        keys = _merged((*_keys(shape.wishes.drawn), *others))
        self.drawn = [self._tally(key, self._attraction(key)) for key in keys]
        self.hard = [(spread, self._hard(spread)) for spread in shape.wishes.hard]
        self.soft = [(spread, self._soft(spread)) for spread in shape.wishes.soft]
        # Whether any filter about company has something to say.
        self.picky = bool(self.near or self.apart or self.repelled or self.hard)
        self._twins = _same_host(snapshot.nodes) if any(t.by_count for t in self.tallies) else {}
        self._count(snapshot.nodes)

    def place_of(self, node: NodeInfo) -> Place:
        labels = node.labels
        return tuple(
            [
                tally.counts.get(labels[tally.key], 0)
                if tally.by_count and tally.key in labels
                else labels.get(tally.key)
                for tally in self.tallies
            ]
        )

    def levels_at(self, place: Place) -> Levels:
        return [
            where if where is None or tally.by_count else tally.counts.get(where, 0)  # type: ignore[misc, arg-type]
            for tally, where in zip(self.tallies, place, strict=True)
        ]

    def change(self, change: Change) -> Iterable[NodeInfo]:
        """Count the pod that came or went. Returns the nodes whose place may be another now, besides the pod's own."""
        node, other, sign = change
        twins: Iterable[NodeInfo] = ()
        for tally, weight in self._influence(other):
            domain = node.labels.get(tally.key)
            if domain is not None and node.order in tally.nodes:
                tally.add(domain, weight * sign)
                if tally.by_count and domain in self._twins:
                    twins = self._twins[domain]
        return twins

    def _count(self, nodes: Sequence[NodeInfo]) -> None:
        for spreads in (self.hard, self.soft):
            self._choose_nodes(spreads, nodes)
        for node in nodes:
            for other, pods in node.shapes.items():
                self.change(Change(node, other, pods))
        self.stale = False

    def _choose_nodes(
        self, spreads: Sequence[tuple[Spread, int]], nodes: Sequence[NodeInfo]
    ) -> None:
        """Which nodes a spread counts: those the pod could be on, and that have all the labels it spreads by."""
        keys = {spread.key for spread, _ in spreads if not self.shape.spread_by_default}
        for spread, position in spreads:
            tally = self.tallies[position]
            counted = [n for n in nodes if keys <= n.labels.keys() and self._counts(spread, n)]
            tally.nodes = {node.order for node in counted}
            if isinstance(tally, SpreadTally):
                for node in counted:
                    tally.open(node.labels[spread.key])

    def _counts(self, spread: Spread, node: NodeInfo) -> bool:
        wants = self.shape.wants
        return not (
            (spread.by_affinity and matches_affinity(wants, node))
            or (spread.by_taints and tolerates_taints(wants, node))
        )

    def _tally(self, key: str, weigh: Weigh) -> int:
        self.tallies.append(Tally(key, weigh))
        return len(self.tallies) - 1

    def _hard(self, spread: Spread) -> int:
        self.tallies.append(SpreadTally(spread.key, self._alike(spread)))
        return len(self.tallies) - 1

    def _soft(self, spread: Spread) -> int:
        return self._tally(spread.key, self._alike(spread))

    def _alike(self, spread: Spread) -> Weigh:
        return lambda other: counts_for(spread, self.shape, other)

    def _influence(self, other: Shape) -> tuple[tuple[Tally, int], ...]:
        """What one pod of the other shape adds to which tallies."""
        known = self._influences.get(other)
        if known is None:
            weights = ((tally, tally.weigh(other)) for tally in self.tallies)
            known = self._influences[other] = tuple(pair for pair in weights if pair[1])
            if other.has_terms and not self._has_keys_of(other):
                self.stale = True
        return known

    def _has_keys_of(self, other: Shape) -> bool:
        repelled = {self.tallies[position].key for position in self.repelled}
        drawn = {self.tallies[position].key for position in self.drawn}
        return all(key in repelled for key, _ in self._repulsions(other)) and all(
            key in drawn for key, _ in self._attractions(other)
        )

    def _wanted_near(self, other: Shape) -> int:
        return all(self._match(term, other) for term in self.shape.wishes.near)

    def _unwanted(self, key: str) -> Weigh:
        terms = [term for term in self.shape.wishes.apart if term.key == key]
        return lambda other: sum(self._match(term, other) for term in terms)

    def _repulsion(self, key: str) -> Weigh:
        return lambda other: sum(weight for k, weight in self._repulsions(other) if k == key)

    def _attraction(self, key: str) -> Weigh:
        own = [term for term in self.shape.wishes.drawn if term.key == key]
        return lambda other: (
            sum(term.weight for term in own if self._match(term, other))
            + sum(weight for k, weight in self._attractions(other) if k == key)
        )

    def _repulsions(self, other: Shape) -> list[tuple[str, int]]:
        """The other's required anti-affinity that means this shape: symmetry, or it would be pointless."""
        return [(term.key, 1) for term in other.wishes.apart if self._match(term, self.shape)]

    def _attractions(self, other: Shape) -> list[tuple[str, int]]:
        """The other's likes and dislikes that mean this shape."""
        required = [
            (t.key, REQUIRED_AS_PREFERENCE) for t in other.wishes.near if self._match(t, self.shape)
        ]
        return required + [
            (t.key, t.weight) for t in other.wishes.drawn if self._match(t, self.shape)
        ]

    def _match(self, term: Term, pod: Shape) -> bool:
        return term.matches(pod.namespace, pod.labels, self._namespaces)


def concerns(shape: Shape, snapshot: Snapshot) -> bool:
    """Whether the shape has anything to do with other pods."""
    return bool(snapshot.terms or shape.has_terms or shape.wishes.hard or shape.wishes.soft)


def objects(shape: Shape, snapshot: Snapshot) -> bool:
    """Whether any filter about company may have something to say, without counting anybody."""
    wishes = shape.wishes
    if wishes.near or wishes.apart or wishes.hard:
        return True
    if not snapshot.terms:
        return False
    return any(
        term.matches(shape.namespace, shape.labels, snapshot.namespaces)
        for other in snapshot.shapes
        for term in other.wishes.apart
    )


def counts_for(spread: Spread, shape: Shape, other: Shape) -> bool:
    """Whether a spread of `shape` counts the other pod. Pods that are going do not count."""
    if other.terminating or other.namespace != shape.namespace:
        return False
    if spread.owner:
        return other.owner == spread.owner
    # As in Kubernetes an empty selector counts nobody here, unlike everywhere else.
    return not spread.selector.everything and spread.selector.matches(other.labels)


def _keys(terms: Iterable[Term]) -> list[str]:
    return _merged(term.key for term in terms)


def _merged(keys: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(keys))


def _same_host(nodes: Iterable[NodeInfo]) -> dict[str, list[NodeInfo]]:
    """Nodes that go by the same host name, which should not happen but is only a label."""
    hosts: dict[str, list[NodeInfo]] = {}
    for node in nodes:
        if HOSTNAME in node.labels:
            hosts.setdefault(node.labels[HOSTNAME], []).append(node)
    return {name: found for name, found in hosts.items() if len(found) > 1}
