"""One step of a StatefulSet: first the pods that should be there, then those too many, then those of an old template.

With OrderedReady the first pod that is not as it should be ends the step: what comes after it waits. With Parallel
nobody waits for anybody, except during an update.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from control_plane.controllers.pods import is_ending, is_over
from control_plane.controllers.statefulset.identity import (
    is_labelled,
    is_made,
    labelled,
    new_pod,
    ordinal_of,
    ordinals,
    revision_of,
)
from control_plane.controllers.statefulset.status import complete_update, counted, is_unavailable
from control_plane.controllers.statefulset.update import outdated
from proto.v1.apps_pb2 import PodTemplateSpec, StatefulSet, StatefulSetStatus
from proto.v1.pod_pb2 import Pod


@dataclass(frozen=True)
class Versions:
    """The two revisions that a set can be between, by name; they are the same when no update is going on."""

    current: str
    update: str
    template: PodTemplateSpec  # of the current one; that of the other is in the set


@dataclass(frozen=True)
class Plan:
    status: StatefulSetStatus
    create: list[Pod] = field(default_factory=list)
    relabel: list[Pod] = field(default_factory=list)  # changed copies
    delete: list[Pod] = field(default_factory=list)


def plan(sts: StatefulSet, pods: Sequence[Pod], versions: Versions, now: datetime) -> Plan:
    """`pods`: the set's, whatever their state."""
    todo = Plan(counted(sts, pods, versions.current, versions.update, now))
    if not sts.metadata.HasField("deletionTimestamp"):
        _Step(sts, pods, versions, now, todo).take()
    complete_update(sts, todo.status)
    return todo


@dataclass
class _Step:
    sts: StatefulSet
    pods: Sequence[Pod]
    versions: Versions
    now: datetime
    todo: Plan

    def __post_init__(self) -> None:
        by_ordinal = {n: pod for pod in self.pods if (n := ordinal_of(self.sts, pod)) is not None}
        wanted = ordinals(self.sts)
        # One for each ordinal, lowest first: the pod that has it, or the draft of one.
        self.replicas = [by_ordinal.get(n) or self._draft(n) for n in wanted]
        # Highest ordinal first.
        self.condemned = [
            by_ordinal[n] for n in sorted(by_ordinal, reverse=True) if n not in wanted
        ]
        self.ordered = self.sts.spec.podManagementPolicy != "Parallel"

    def take(self) -> None:
        if self._keep() and self._shrink():
            self._renew()

    def _keep(self) -> bool:
        """Make what is missing, end what is over. False: the rest has to wait."""
        if self.ordered:
            return all(map(self._settle, self.replicas))  # ends with the first that is not
        for pod in self.replicas:
            self._settle(pod)
        return True

    def _settle(self, pod: Pod) -> bool:
        """Whether it is as it should be, now or after what is to be done."""
        if not is_made(pod):
            self.todo.create.append(pod)
            return False
        if is_over(pod):  # however it ended: its successor comes when it is gone
            if not is_ending(pod):
                self.todo.delete.append(pod)
            return False
        if self.ordered and self._is_down(pod):
            return False
        if not is_labelled(pod):
            self.todo.relabel.append(labelled(pod))
        return True

    def _shrink(self) -> bool:
        """End those that are too many. In order, none goes while another is unavailable, unless it is that one.

        Nobody waits for one that is too many and has failed: it will never be available (Kubernetes waits, for ever).
        """
        over = {pod.metadata.name for pod in self.condemned if is_over(pod)}
        waited_for = (pod for pod in self._lowest_first() if pod.metadata.name not in over)
        first_down = next(filter(self._is_down, waited_for), None)
        for pod in self.condemned:
            if is_ending(pod):
                if self.ordered:
                    return False
                continue
            if self.ordered and first_down not in (None, pod) and self._is_down(pod):
                return False
            self.todo.delete.append(pod)
            if self.ordered:
                return False
        return True

    def _lowest_first(self) -> Iterator[Pod]:
        yield from self.replicas
        yield from reversed(self.condemned)

    def _renew(self) -> None:
        doomed = outdated(self.sts, self.replicas, self.versions.update, self._is_down)
        going = {pod.metadata.uid for pod in self.todo.delete}
        self.todo.delete.extend(pod for pod in doomed if pod.metadata.uid not in going)
        leaving = sum(revision_of(pod) == self.versions.current for pod in doomed)
        self.todo.status.currentReplicas -= leaving

    def _is_down(self, pod: Pod) -> bool:
        return is_unavailable(self.sts, pod, self.now)

    def _draft(self, ordinal: int) -> Pod:
        """Of the current template below the partition; without one, as many as were left when it was counted last."""
        strategy, versions = self.sts.spec.updateStrategy, self.versions
        kept = 0
        if strategy.HasField("rollingUpdate"):
            kept = strategy.rollingUpdate.partition
        elif strategy.type == "RollingUpdate":
            kept = self.sts.status.currentReplicas
        if ordinal < self.sts.spec.ordinals.start + kept:
            return new_pod(self.sts, ordinal, versions.template, versions.current)
        return new_pod(self.sts, ordinal, self.sts.spec.template, versions.update)
