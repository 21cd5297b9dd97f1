"""The pod says which nodes it accepts, by their labels or by name (S#52).

nodeSelector: all these labels. nodeAffinity: one of the terms, and of that term all expressions and fields. Both must
hold. A term without conditions matches nothing.

Terms that go by name leave so few nodes that it would be a waste to look at the others, and misleading to tell why they
would not do either. So that is a filter of its own, asked first; Kubernetes does the same, before all filters.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol

from api.selectors import Requirement
from control_plane.scheduler.refusal import FITS, Refusal, Refusals
from control_plane.scheduler.shape import Wants
from proto.v1.pod_pb2 import NodeSelectorRequirement, NodeSelectorTerm

NAME = "NodeAffinity"
MISMATCH = Refusal(NAME, "node(s) didn't match Pod's node affinity/selector")
NOT_NAMED = Refusal(NAME, f"node(s) didn't satisfy plugin(s) [{NAME}]")


class Labelled(Protocol):
    """As much of a node as is looked at here."""

    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


def is_named(wants: Wants, node: Labelled) -> Refusals:
    if wants.names is not None and node.name not in wants.names:
        return (NOT_NAMED,)
    return FITS


def matches_affinity(wants: Wants, node: Labelled) -> Refusals:
    labels = node.labels
    for key, value in wants.node_labels.items():
        if labels.get(key) != value:
            return (MISMATCH,)
    if wants.restricted and not any(term_matches(term, node) for term in wants.allowed):
        return (MISMATCH,)
    return FITS


def term_matches(term: NodeSelectorTerm, node: Labelled) -> bool:
    if not term.matchExpressions and not term.matchFields:
        return False
    return all(_holds(each, node.labels) for each in term.matchExpressions) and all(
        _holds(each, {"metadata.name": node.name}) for each in term.matchFields
    )


def _holds(message: NodeSelectorRequirement, labels: object) -> bool:
    condition = _compiled(message.key, message.operator, tuple(message.values))
    return condition is not None and condition.holds(labels)  # type: ignore[arg-type]


@lru_cache(maxsize=1024)
def _compiled(key: str, operator: str, values: tuple[str, ...]) -> Requirement | None:
    """None: it can never hold, because what it compares with is no number."""
    condition = Requirement(key, operator, values)
    try:
        condition.holds  # noqa: B018  (compiles it)
    except (ValueError, IndexError):
        return None
    return condition
