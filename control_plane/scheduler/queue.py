"""The pods that wait for a node, and which of them is next.

    active         to be tried now: higher priority first, then older first
    woken          something happened that may help, but the last try was a moment ago: after its back-off, or as soon
                   as nothing else is to do
    failed         the decision was fine but the binding failed: after its back-off, never earlier
    unschedulable  no node would do: waits for an event that may help (events.py), at most five minutes

The back-off is 1 s after the first try, doubled with each further one up to 10 s: pods that fail again and again must
not keep others from their turn. All of it is a function of the times passed in: no clock, no tasks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Literal

from control_plane.scheduler.events import COMPANY, Event, may_help
from control_plane.scheduler.shape import Shape, Wants
from control_plane.scheduler.terms import NamespaceLabels

FIRST_BACKOFF, LONGEST_BACKOFF = 1.0, 10.0  # seconds
LONGEST_WAIT = 300.0  # seconds after which a pod is tried again without a reason

State = Literal["active", "woken", "failed", "unschedulable", "trying"]


@dataclass(slots=True, eq=False)
class Waiting:
    """A pod that waits."""

    key: str  # "namespace/name"
    uid: str
    shape: Shape
    priority: int = 0
    created: float = 0.0  # seconds since the epoch
    tries: int = 0
    tried: float = 0.0  # when it was tried last, on the queue's clock
    refused_by: frozenset[str] = frozenset()  # the filters, at the last try
    told: str = ""  # the last message that people were told
    state: State = "active"
    number: int = 0  # in order of arrival
    ticket: int = 0  # of its place in a heap; another number: that place is no longer its own

    @property
    def backoff_ends(self) -> float:
        return self.tried + min(FIRST_BACKOFF * 2.0 ** (self.tries - 1), LONGEST_BACKOFF)


# What an event has to know about a pod, and the filters that refused it.
_Sort = tuple[Shape | Wants, frozenset[str]]


def _sort(pod: Waiting) -> _Sort:
    """Unless company was the reason, it does not matter who the pod is to others."""
    about_company = not COMPANY.isdisjoint(pod.refused_by)
    return (pod.shape if about_company else pod.shape.wants, pod.refused_by)


class _Heap:
    """Pods by time or rank. One that was moved elsewhere stays in until it comes up, and is skipped then."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._items: list[tuple[tuple[float, ...], int, Waiting]] = []

    def push(self, rank: tuple[float, ...], pod: Waiting, ticket: int) -> None:
        pod.ticket, pod.state = ticket, self._state
        heappush(self._items, (rank, ticket, pod))

    def first(self) -> tuple[tuple[float, ...], Waiting] | None:
        while self._items:
            rank, ticket, pod = self._items[0]
            if pod.ticket == ticket:
                return rank, pod
            heappop(self._items)
        return None

    def pop(self) -> Waiting | None:
        first = self.first()
        if first is None:
            return None
        heappop(self._items)
        first[1].ticket = 0
        return first[1]

    def due(self, now: float) -> Iterator[Waiting]:
        """Takes out those whose time has come."""
        while (first := self.first()) is not None and first[0][0] <= now:
            heappop(self._items)
            first[1].ticket = 0
            yield first[1]


class Queue:
    def __init__(self) -> None:
        self.pods: dict[str, Waiting] = {}  # all of them, also the one being tried
        self._active, self._woken = _Heap("active"), _Heap("woken")
        self._failed, self._unschedulable = _Heap("failed"), _Heap("unschedulable")
        # The unschedulable ones, alike together: what helps one may help all of them.
        self._alike: dict[_Sort, dict[str, Waiting]] = {}
        self._tickets = 0

    def __len__(self) -> int:
        return len(self.pods)

    def put(self, pod: Waiting, now: float) -> None:
        """A pod to place; or one that waits already, as it is now. A change of what it wants is a reason to try it."""
        old = self.pods.get(pod.key)
        if old is None or old.uid != pod.uid:
            self.remove(pod.key)
            self._tickets += 1
            pod.number = self._tickets
            self.pods[pod.key] = pod
            self._activate(pod)
        elif (old.shape, old.priority) != (pod.shape, pod.priority):
            self._separate(old)
            old.shape, old.priority = pod.shape, pod.priority
            if old.state == "unschedulable":
                self._wake(old, now)
            elif old.state == "active":
                self._activate(old)

    def remove(self, key: str) -> None:
        pod = self.pods.pop(key, None)
        if pod is not None:
            self._separate(pod)
            pod.ticket = 0

    def pop(self, now: float) -> Waiting | None:
        """The pod to try next. It stays in `pods` until it is removed or comes back by `refused` or `failed`."""
        self._tick(now)
        pod = self._active.pop() or self._woken.pop()
        if pod is not None:
            pod.state, pod.tries, pod.tried = "trying", pod.tries + 1, now
        return pod

    def refused(self, pod: Waiting, filters: frozenset[str]) -> None:
        """No node would do, said these filters."""
        if self.pods.get(pod.key) is pod:
            pod.refused_by = filters
            self._alike.setdefault(_sort(pod), {})[pod.key] = pod
            self._unschedulable.push((pod.tried + LONGEST_WAIT,), pod, self._ticket())

    def failed(self, pod: Waiting) -> None:
        """It had a node, but could not be bound to it. It comes back, unless another pod has taken its name."""
        if self.pods.setdefault(pod.key, pod) is pod:
            self._failed.push((pod.backoff_ends,), pod, self._ticket())

    def on(self, event: Event, namespaces: NamespaceLabels, now: float) -> None:
        """Wake those whom the event may help."""
        for pods in list(self._alike.values()):
            one = next(iter(pods.values()))
            if may_help(one.shape, one.refused_by, event, namespaces):
                for pod in list(pods.values()):
                    self._separate(pod)
                    self._wake(pod, now)

    def next_time(self) -> float | None:
        """When to look again, if nothing happens until then."""
        heaps = (self._woken, self._failed, self._unschedulable)
        times = [first[0][0] for heap in heaps if (first := heap.first()) is not None]
        return min(times, default=None)

    @property
    def busy(self) -> bool:
        """There is a pod to try right now."""
        return self._active.first() is not None or self._woken.first() is not None

    def _tick(self, now: float) -> None:
        for pod in self._unschedulable.due(now):
            self._separate(pod)
            self._wake(pod, now)
        for heap in (self._woken, self._failed):
            for pod in heap.due(now):
                self._activate(pod)

    def _wake(self, pod: Waiting, now: float) -> None:
        if pod.backoff_ends > now:
            self._woken.push((pod.backoff_ends,), pod, self._ticket())
        else:
            self._activate(pod)

    def _activate(self, pod: Waiting) -> None:
        self._active.push((-pod.priority, pod.created, pod.number), pod, self._ticket())

    def _separate(self, pod: Waiting) -> None:
        """It no longer waits among those like it."""
        sort = _sort(pod)
        pods = self._alike.get(sort)
        if pods is not None and pods.pop(pod.key, None) is not None and not pods:
            del self._alike[sort]

    def _ticket(self) -> int:
        self._tickets += 1
        return self._tickets
