"""All nodes as one shape of pod sees them, best first, kept so while pods come and go.

The plain way to place a pod is to filter and score every node, and to do it again for the next pod. But five hundred
replicas ask the same question five hundred times, and between two answers one node has changed: the one just chosen.
So a ranking is made once per shape and then repaired. For every node it holds the refusals, or an entry in a heap.

The difficulty is scores that compare nodes: one pod more may change everybody's. The way out is that such a score
cannot tell nodes apart that have the same raw numbers and the same place (company.py). Those nodes form a group
with a heap of its own, ordered by what depends on one node alone. Filters and scores about company are worked out
once per group, freshly for each pod, exactly; there is one group in the simplest case and seldom more than a few.

Heaps are repaired lazily: a node that changed gets a new entry, and an old one is thrown away when it comes to the
top.
"""

from collections import Counter
from heapq import heapify, heappop, heappush, heapreplace
from typing import NamedTuple

from control_plane.scheduler import company as neighbours
from control_plane.scheduler import plugins
from control_plane.scheduler.company import Company, Site
from control_plane.scheduler.refusal import FITS, Refusals, Unschedulable, tally_of
from control_plane.scheduler.scores.image_locality import image_locality
from control_plane.scheduler.shape import Shape
from control_plane.scheduler.snapshot import NodeInfo, Snapshot

# Minus the absolute score, pods on the node, the node's order. The smallest is best: of equals the node with fewer
# pods, then the one known longer, so that the same cluster always gives the same answer.
Entry = tuple[int, int, int]
GroupKey = tuple[int | str | None, ...]  # raw numbers of NODE_SCORES, then the place


class Nature(NamedTuple):
    """What the node object alone decides: holds for a generation of the snapshot."""

    refusals: Refusals
    raw: tuple[int, ...]  # of NODE_SCORES
    image: int  # the score


class Group:
    """Nodes that only differ in their absolute scores."""

    __slots__ = ("heap", "key", "place", "raw", "size")

    def __init__(self, key: GroupKey) -> None:
        self.key = key
        self.raw, self.place = key[: len(plugins.NODE_SCORES)], key[len(plugins.NODE_SCORES) :]
        self.heap: list[Entry] = []  # with stale entries
        self.size = 0  # without


class Ranking:
    def __init__(self, shape: Shape, snapshot: Snapshot) -> None:
        self._shape, self._snapshot = shape, snapshot
        self._nodes, self._generation = snapshot.nodes, snapshot.generation
        self._seen = len(snapshot.changes)  # up to which change this is repaired
        concerned = neighbours.concerns(shape, snapshot)
        self._company = Company(shape, snapshot) if concerned else None
        self._alone_no_more = False  # a pod with terms came when there was no company to care for
        self._natures = _natures(shape, self._nodes)
        self._groups: dict[GroupKey, Group] = {}
        # By the node's order. A node is in a group and has an entry, or it is in none and has refusals.
        self._group: list[Group | None] = [None] * len(self._nodes)
        self._entry: list[Entry | None] = [None] * len(self._nodes)
        self._refusals: list[Refusals] = [FITS] * len(self._nodes)
        self._refused: Counter[Refusals] = Counter()  # how many nodes have these refusals
        for node in self._nodes:
            self._look(node)

    @property
    def stale(self) -> bool:
        """Beyond repair."""
        return (
            self._generation != self._snapshot.generation
            or self._alone_no_more
            or (self._company is not None and self._company.stale)
        )

    def best(self) -> NodeInfo | Unschedulable:
        """The node to take. Call `repair` before."""
        if self._company is None and len(self._groups) == 1:
            for group in self._groups.values():
                return self._nodes[self._top(group)[2]]
        groups, sites, refused = self._feasible()
        if not groups:
            tally = tally_of((*self._refused.items(), *refused.items()))
            return Unschedulable(len(self._nodes), tally)
        scores = self._compare(groups, sites) if len(groups) > 1 else [0]
        choices = []
        for group, score in zip(groups, scores, strict=True):
            absolute, pods, order = self._top(group)
            choices.append((absolute - score, pods, order))
        return self._nodes[min(choices)[2]]

    def repair(self) -> None:
        """Look again at the nodes whose pods have changed."""
        changes = self._snapshot.changes
        if self._seen == len(changes):
            return
        company, dirty = self._company, {}
        for change in changes[self._seen :]:
            dirty[change.node.order] = change.node
            if company is None:
                self._alone_no_more |= change.shape.has_terms
            else:
                for twin in company.change(change):
                    dirty[twin.order] = twin
        self._seen = len(changes)
        for node in dirty.values():
            self._look(node)

    def _look(self, node: NodeInfo) -> None:
        """Judge the node afresh and put it where it belongs."""
        order = node.order
        nature = self._natures[order]
        refusals = nature.refusals or plugins.room_refusals(self._shape.wants, node)
        if refusals:
            self._move(order, None, refusals)
            return
        key: GroupKey = nature.raw
        if self._company is not None:
            key = (*key, *self._company.place_of(node))
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key)
        if group is not self._group[order]:
            self._move(order, group, FITS)
        wants, score = self._shape.wants, nature.image
        for _, function in plugins.ROOM_SCORES:
            score += function(wants, node)
        self._push(group, (-score, node.pods, order))

    def _move(self, order: int, group: Group | None, refusals: Refusals) -> None:
        old, before = self._group[order], self._refusals[order]
        if old is not None:
            old.size -= 1
            if not old.size:
                del self._groups[old.key]
        elif before:
            self._refused[before] -= 1
            if not self._refused[before]:
                del self._refused[before]  # or the message would say "0 Too many pods"
        if group is not None:
            group.size += 1
        else:
            self._refused[refusals] += 1
            self._entry[order] = None
        self._group[order], self._refusals[order] = group, refusals

    def _push(self, group: Group, entry: Entry) -> None:
        heap = group.heap
        self._entry[entry[2]] = entry
        if heap and heap[0][2] == entry[2]:  # the node just chosen: its old entry is on top
            heapreplace(heap, entry)
            return
        heappush(heap, entry)
        if len(heap) > 2 * group.size + 64:
            heap[:] = {e[2]: e for e in heap if e is self._entry[e[2]]}.values()
            heapify(heap)

    def _top(self, group: Group) -> Entry:
        heap, entries = group.heap, self._entry
        while heap[0] is not entries[heap[0][2]]:
            heappop(heap)
        return heap[0]

    def _feasible(self) -> tuple[list[Group], list[Site], Counter[Refusals]]:
        """Groups that the company filters leave, where they are, and how many nodes were refused for what."""
        company, refused = self._company, Counter[Refusals]()
        if company is None:
            groups = list(self._groups.values())
            return groups, [Site((), (), group.size) for group in groups], refused
        groups, sites = [], []
        for group in self._groups.values():
            levels = company.levels_at(group.place)
            refusals = plugins.company_refusals(company, levels) if company.picky else FITS
            if refusals:
                refused[refusals] += group.size
            else:
                groups.append(group)
                sites.append(Site(group.place, levels, group.size))
        return groups, sites, refused

    def _compare(self, groups: list[Group], sites: list[Site]) -> list[int]:
        """The sum of the relative scores of each group."""
        total = [0] * len(groups)
        if any(group.raw != groups[0].raw for group in groups):  # else they say the same of all
            for i, (_, weight, _, compare) in enumerate(plugins.NODE_SCORES):
                _add(total, weight, compare([group.raw[i] for group in groups]))  # type: ignore[misc]
        if self._company is not None:
            for _, weight, judge in plugins.COMPANY_SCORES:
                _add(total, weight, judge(self._company, sites))
        return total


def _add(total: list[int], weight: int, scores: list[int]) -> None:
    for i, score in enumerate(scores):
        total[i] += weight * score


def _natures(shape: Shape, nodes: list[NodeInfo]) -> list[Nature]:
    holders = image_holders(shape, nodes)
    found = []
    for node in nodes:
        refusals = plugins.node_refusals(shape.wants, node)
        if refusals:
            found.append(Nature(refusals, (), 0))
            continue
        raw = tuple(function(shape.wants, node) for _, _, function, _ in plugins.NODE_SCORES)
        image = image_locality(shape.wants, node, holders, len(nodes)) if holders else 0
        found.append(Nature(FITS, raw, image))
    return found


def image_holders(shape: Shape, nodes: list[NodeInfo]) -> Counter[str]:
    """How many nodes have which of the pod's images."""
    images = frozenset(shape.wants.images)
    return Counter(image for node in nodes for image in images & node.aspects.images.keys())
