"""Why this node, why not that one: the whole reasoning about a pod, node by node.

The slow way, on purpose: every filter and score is asked afresh, nothing is remembered, so the explanation can also
be held against the fast way (choose.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from control_plane.scheduler import plugins
from control_plane.scheduler.company import Company, Site
from control_plane.scheduler.ranking import image_holders
from control_plane.scheduler.refusal import FITS, Refusals
from control_plane.scheduler.scores.image_locality import image_locality
from control_plane.scheduler.shape import Shape, Shapes
from control_plane.scheduler.snapshot import NodeInfo, Snapshot
from proto.v1.pod_pb2 import Pod


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said about one node."""

    node: str
    refusals: Refusals  # empty: the pod fits
    scores: Mapping[str, int]  # name -> points, with their weight; empty if it was refused

    @property
    def reason(self) -> str:
        """Empty: the pod fits."""
        return ", ".join(refusal.words for refusal in self.refusals)

    @property
    def score(self) -> int:
        return sum(self.scores.values())


def explain(shape: Shape, snapshot: Snapshot) -> list[Verdict]:
    """A verdict on every node, the best first, those that refuse last."""
    company = Company(shape, snapshot)
    fitting, verdicts = [], []
    for node in snapshot.nodes:
        refusals = _refusals(shape, company, node)
        if refusals:
            verdicts.append(Verdict(node.name, refusals, {}))
        else:
            fitting.append(node)
    scores = _scores(shape, company, snapshot, fitting)
    verdicts += [Verdict(n.name, FITS, scores[n.name]) for n in fitting]
    return sorted(verdicts, key=lambda each: (bool(each.refusals), -each.score, each.node))


def reasons(pod: Pod, snapshot: Snapshot) -> list[tuple[str, str]]:
    """(node, why the pod cannot be there); an empty reason: it could. For a snapshot of lists see cluster.py."""
    return [(verdict.node, verdict.reason) for verdict in explain(Shapes().of(pod), snapshot)]


def _refusals(shape: Shape, company: Company, node: NodeInfo) -> Refusals:
    return (
        plugins.node_refusals(shape.wants, node)
        or plugins.room_refusals(shape.wants, node)
        or plugins.company_refusals(company, company.levels_at(company.place_of(node)))
    )


def _scores(
    shape: Shape, company: Company, snapshot: Snapshot, nodes: Sequence[NodeInfo]
) -> dict[str, dict[str, int]]:
    wants, scores = shape.wants, {node.name: dict[str, int]() for node in nodes}

    def put(name: str, weight: int, points: Sequence[int]) -> None:
        for node, score in zip(nodes, points, strict=True):
            scores[node.name][name] = weight * score

    for name, function in plugins.ROOM_SCORES:
        put(name, 1, [function(wants, node) for node in nodes])
    holders, everywhere = image_holders(shape, snapshot.nodes), len(snapshot.nodes)
    put("ImageLocality", 1, [image_locality(wants, n, holders, everywhere) for n in nodes])
    for name, weight, function, compare in plugins.NODE_SCORES:
        put(name, weight, compare([function(wants, node) for node in nodes]))
    places = [company.place_of(node) for node in nodes]
    sites = [Site(place, company.levels_at(place), 1) for place in places]
    for name, weight, judge in plugins.COMPANY_SCORES:
        put(name, weight, judge(company, sites))
    return scores
