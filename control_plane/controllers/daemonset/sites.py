"""Nodes and pods brought together: what stands where, and what should.

Two things are taken as done although the cache does not show them yet (see ledger.py): a pod that was made, and a pod
that was told to end.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from control_plane.controllers.daemonset.nodes import NEITHER, Verdict
from control_plane.controllers.daemonset.template import node_of
from control_plane.controllers.pods import is_ending, is_over
from proto.v1.pod_pb2 import Pod


@dataclass(frozen=True)
class Site:
    node: str
    verdict: Verdict = NEITHER
    exists: bool = True  # the node
    pods: Sequence[
        Pod
    ] = ()  # those that are there and those that are to be, the longest there first
    going: frozenset[str] = frozenset()  # uids of pods that were told to end and do not show it yet
    coming: bool = False  # a pod was made for it that does not show yet

    @cached_property
    def staying(self) -> list[Pod]:
        """Those that nobody has told to end, though they may have ended by themselves."""
        return [p for p in self.pods if not is_ending(p) and p.metadata.uid not in self.going]


NONE: frozenset[str] = frozenset()


def sites_of(
    verdicts: Mapping[str, Verdict],
    pods: Iterable[Pod],
    *,
    coming: Collection[str] = NONE,
    going: frozenset[str] = NONE,
) -> list[Site]:
    """`verdicts`: of all nodes there are. `coming`: nodes; `going`: pods' uids. Sorted by node.

    Pods that say nothing about a node are left out, and those that are over and only wait for their finalizers.
    """
    there: dict[str, list[Pod]] = {}
    for pod in pods:
        node = node_of(pod)
        if node and not (is_over(pod) and is_ending(pod)):
            there.setdefault(node, []).append(pod)
    return [
        Site(
            node=node,
            verdict=verdicts.get(node, NEITHER),
            exists=node in verdicts,
            pods=sorted(there.get(node, ()), key=_seniority),
            going=going,
            coming=node in coming,
        )
        for node in sorted(verdicts.keys() | there.keys())
    ]


def _seniority(pod: Pod) -> tuple[Any, ...]:
    """One that is on the node comes before one that waits for it."""
    made = pod.metadata.creationTimestamp
    return pod.spec.nodeName == "", made.seconds, made.nanos, pod.metadata.name
