"""How many pods a Job's next step makes, and which it ends. `plan` is a function of what is seen and remembered.

After failures it waits: 10 seconds, 20, 40, … up to ten minutes since the last one; a success ends the row. The row is
read off the pods that are kept, so a controller that was restarted waits as long as the one before it would have.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from control_plane.controllers.job.account import Account
from control_plane.controllers.job.pods import (
    ended_at,
    failures_before,
    has_failed,
    index_of,
    is_indexed,
    is_leaving,
    is_tracked,
)
from control_plane.controllers.job.policy import meaning
from control_plane.controllers.pods import is_active, is_ending, removal_order
from proto.v1.batch_pb2 import Job
from proto.v1.pod_pb2 import Pod

BURST = 500  # pods made or ended in one go
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
NOBODY: Mapping[str, int] = {}


@dataclass(frozen=True)
class Plan:
    create: Sequence[int | None] = ()  # for each new pod its index
    end: Sequence[Pod] = ()
    wait: timedelta | None = None  # time alone lets the next pods be made


def plan(
    job: Job, pods: Sequence[Pod], sums: Account, coming: Sequence[int | None], now: datetime
) -> Plan:
    """`pods`: without those that are being deleted unseen; `coming`: indexes of pods that the cache does not show."""
    active = [pod for pod in pods if is_active(pod)]
    if job.spec.suspend:
        return Plan(end=_first(active, len(active), now))
    surplus, active = _surplus(job, active, sums, now)
    missing = wanted(job, sums, len(active) + len(coming)) - len(active) - len(coming)
    if missing < 0:
        surplus = [*surplus, *_first(active, -missing, now)]
    if surplus:
        return Plan(end=surplus[:BURST])
    if job.spec.podReplacementPolicy == "Failed":
        missing -= sum(map(is_leaving, pods))
    return _growth(job, pods, sums, [*map(index_of, active), *coming], (min(missing, BURST), now))


def wanted(job: Job, sums: Account, have: int) -> int:
    """How many pods should run."""
    if not job.spec.HasField("completions"):
        return min(have, job.spec.parallelism) if sums.succeeded else job.spec.parallelism
    rest = job.spec.completions - sums.succeeded - len(sums.lost)
    return max(0, min(job.spec.parallelism, rest))


def _first(active: list[Pod], count: int, now: datetime) -> list[Pod]:
    return sorted(active, key=lambda pod: removal_order(pod, NOBODY, now))[:count]


def _surplus(
    job: Job, active: list[Pod], sums: Account, now: datetime
) -> tuple[list[Pod], list[Pod]]:
    """Of an Indexed Job: pods with an index that is settled, out of range, or another's; and all the rest."""
    if not is_indexed(job):
        return [], active
    settled = sums.done | sums.lost
    taken: set[int] = set()
    surplus, keep = [], []
    for pod in reversed(_first(active, len(active), now)):
        index = index_of(pod)
        if index is None or index in settled | taken or index >= job.spec.completions:
            surplus.append(pod)
        else:
            taken.add(index)
            keep.append(pod)
    return surplus, keep


def _growth(
    job: Job,
    pods: Sequence[Pod],
    sums: Account,
    taken: Sequence[int | None],
    demand: tuple[int, datetime],
) -> Plan:
    count, now = demand
    if count <= 0:
        return Plan()
    per_index = job.spec.HasField("backoffLimitPerIndex")
    pause = timedelta(0) if per_index else pause_after(job, pods, now)
    if pause > timedelta(0):
        return Plan(wait=pause)
    if not is_indexed(job):
        return Plan([None] * count)
    settled = sums.done | sums.lost | set(taken)
    open_indexes = [i for i in range(job.spec.completions) if i not in settled]
    if not per_index:
        return Plan(open_indexes[:count])
    pauses = {i: pause_after(job, [p for p in pods if index_of(p) == i], now) for i in open_indexes}
    ready = [i for i in open_indexes if pauses[i] <= timedelta(0)]
    waits = [pause for pause in pauses.values() if pause > timedelta(0)]
    return Plan(ready[:count], wait=min(waits, default=None) if len(ready) < count else None)


def pause_after(job: Job, pods: Sequence[Pod], now: datetime) -> timedelta:
    """How long still to wait after the failures since the last success."""
    successes = [ended_at(pod) for pod in pods if pod.status.phase == "Succeeded"]
    since = max(successes, default=None)
    ends = [ended_at(pod) for pod in pods if _counts(job, pod)]
    row = [end for end in ends if since is None or end > since]
    if not row:
        return timedelta(0)
    pause = min(FIRST_PAUSE * (1 << min(len(row) - 1, 10)), LONGEST_PAUSE)
    return max(max(row) + pause - now, timedelta(0))


def _counts(job: Job, pod: Pod) -> bool:
    """Pods that we have ended ourselves, for want of work, are no failures: they lost their finalizer before."""
    if not has_failed(job, pod) or (is_ending(pod) and not is_tracked(pod)):
        return False
    return meaning(job, pod).action != "Ignore"


def failures_by_index(job: Job, pods: Sequence[Pod]) -> Counter[int]:
    """The failures that the next pod of an index has behind it."""
    found: Counter[int] = Counter()
    for pod in pods:
        index = index_of(pod)
        if index is not None and has_failed(job, pod):
            more = meaning(job, pod).action != "Ignore"
            found[index] = max(found[index], failures_before(pod) + more)
    return found
