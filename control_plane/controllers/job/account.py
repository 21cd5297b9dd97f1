"""Which pods have ended and how, so that none is counted twice and none is forgotten (4e).

A counter in the Job's status and a pod are two objects, and a crash may come between any two writes. So a pod keeps a
finalizer until it has been counted, and is counted in two steps. First its uid is written into the status, among the
uncounted. Then the finalizer is taken off. Once the cache shows the pod without it (or not at all), the uid is turned
into a count, in one write of the status. A crash before any of these steps leaves enough behind to go on; and a status
that was computed from an old one is refused as a conflict, so no step is taken twice.

Successes of an Indexed Job need no such care: the set of its indexes cannot count one twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from control_plane.controllers.job import indexes
from control_plane.controllers.job.pods import (
    failures_before,
    has_failed,
    index_of,
    is_indexed,
    is_tracked,
)
from control_plane.controllers.job.policy import meaning
from proto.v1.batch_pb2 import Job, UncountedTerminatedPods
from proto.v1.pod_pb2 import Pod

AT_ONCE = 500  # uids in a status


@dataclass(frozen=True)
class Account:
    counted: tuple[int, int]  # succeeded, failed: what the status says from now on
    uncounted: UncountedTerminatedPods
    done: frozenset[int]  # indexes
    lost: frozenset[int]  # indexes that have failed for good
    release: Sequence[Pod]  # whose finalizer can go when all this has been written
    fatal: str = ""  # a failure that ends the Job, in words

    @property
    def succeeded(self) -> int:
        return self.counted[0] + len(self.uncounted.succeeded)

    @property
    def failed(self) -> int:
        return self.counted[1] + len(self.uncounted.failed)


class _Book:
    def __init__(self, job: Job, pods: Sequence[Pod]) -> None:
        self.job, self.indexed = job, is_indexed(job)
        tracked = {pod.metadata.uid for pod in pods if is_tracked(pod)}
        before = job.status.uncountedTerminatedPods
        self.succeeded = [uid for uid in before.succeeded if uid in tracked]
        self.failed = [uid for uid in before.failed if uid in tracked]
        self.counted = (
            job.status.succeeded + len(before.succeeded) - len(self.succeeded),
            job.status.failed + len(before.failed) - len(self.failed),
        )
        self.done = set(indexes.parse(job.status.completedIndexes))
        self.lost = set(indexes.parse(job.status.failedIndexes))
        self.release: list[Pod] = []
        self.fatal = ""

    def enter(self, pod: Pod) -> None:
        if pod.status.phase == "Succeeded" and pod.metadata.uid not in self.failed:
            self._success(pod)
        elif has_failed(self.job, pod):
            self._failure(pod)

    def _success(self, pod: Pod) -> None:
        index = index_of(pod)
        if not self.indexed:
            _add(self.succeeded, pod)
        elif index is not None and index < self.job.spec.completions and index not in self.lost:
            self.done.add(index)
        self.release.append(pod)

    def _failure(self, pod: Pod) -> None:
        self.release.append(pod)
        index = index_of(pod)
        if pod.metadata.uid in self.failed or (self.indexed and index is None):
            return
        what = meaning(self.job, pod)
        if what.action == "Ignore":
            return
        _add(self.failed, pod)
        if what.action == "FailJob":
            self.fatal = self.fatal or what.message
        elif index is not None and self._index_is_lost(pod, what.action):
            self.lost.add(index)

    def _index_is_lost(self, pod: Pod, action: str) -> bool:
        if not self.job.spec.HasField("backoffLimitPerIndex"):
            return False
        return action == "FailIndex" or failures_before(pod) >= self.job.spec.backoffLimitPerIndex


def _add(uids: list[str], pod: Pod) -> None:
    if pod.metadata.uid not in uids:
        uids.append(pod.metadata.uid)


def account(job: Job, pods: Sequence[Pod]) -> Account:
    book = _Book(job, pods)
    for pod in pods:
        if len(book.succeeded) + len(book.failed) >= AT_ONCE:
            break  # the others' turn comes when these have been counted
        if is_tracked(pod):
            book.enter(pod)
    succeeded, failed = book.counted
    done = frozenset(i for i in book.done if i < job.spec.completions) if book.indexed else ()
    return Account(
        (len(done) if book.indexed else succeeded, failed),
        UncountedTerminatedPods(succeeded=book.succeeded, failed=book.failed),
        frozenset(done),
        frozenset(book.lost) - frozenset(done),
        book.release,
        book.fatal,
    )


def releasable(job: Job, pods: Sequence[Pod], sums: Account) -> list[Pod]:
    """While the Job goes on. With a limit per index the last failed pod of an index is the only one that knows how
    often the index has failed: it is held until the next one, which is told, is there."""
    if not job.spec.HasField("backoffLimitPerIndex"):
        return list(sums.release)
    settled = sums.done | sums.lost

    def held(pod: Pod) -> bool:
        index, before = index_of(pod), failures_before(pod)
        if index is None or index in settled or pod.status.phase == "Succeeded":
            return False
        later = before + (meaning(job, pod).action != "Ignore")
        others = [p for p in pods if index_of(p) == index and p.metadata.uid != pod.metadata.uid]
        return later > 0 and not any(failures_before(p) >= later for p in others)

    return [pod for pod in sums.release if not held(pod)]
