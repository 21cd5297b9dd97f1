"""What a controller has done and its cache does not show yet (S#113).

A controller reads from a cache that lags. If it counted only what the cache shows, it would create three pods, look
again before they appear, and create three more. Kubernetes waits until it has seen as many creations as it made
("expectations"); here the controller remembers which. Three things follow.

It need not wait: what the cache shows and what the ledger adds make a complete view, so the next decision can be made
at once. It does not fear a lost reply: it chose the pod's name itself (five random letters, as the server would have
done), so it asks for that very name again, and if the first request did arrive, the second is refused. And an entry
that the cache will never show, because a pod came and went while the connection was down, is given up after five
minutes, as in Kubernetes; until then one pod may be missing, but never is one too many.

A ledger lives in memory only. After a restart the cache is filled from the server, which then shows all that the dead
process has done.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from api.informer import Handler
from control_plane.controllers import owners
from control_plane.controllers.pods import is_ending
from proto.v1.pod_pb2 import Pod

TTL = timedelta(minutes=5)


@dataclass
class Ledger:
    """Of one owner. A pod that is created is known by its name, one that is deleted by its uid."""

    creating: dict[str, datetime] = field(default_factory=dict)  # name -> when it is given up
    deleting: dict[str, datetime] = field(default_factory=dict)  # uid -> when it is given up
    unsure: set[str] = field(default_factory=set)  # of those above: no answer came

    def __bool__(self) -> bool:
        return bool(self.creating or self.deleting)

    def begin_creating(self, names: Iterable[str], now: datetime) -> None:
        """Before the request: the cache may show a pod before the reply is here."""
        self._begin(self.creating, names, now)

    def begin_deleting(self, uids: Iterable[str], now: datetime) -> None:
        self._begin(self.deleting, uids, now)

    def _begin(self, entries: dict[str, datetime], keys: Iterable[str], now: datetime) -> None:
        for key in keys:
            entries[key] = now + TTL
            self.unsure.discard(key)

    def lost(self, key: str) -> None:
        """No answer: it may have happened."""
        if key in self.creating or key in self.deleting:
            self.unsure.add(key)

    def confirm(self, key: str) -> None:
        """It did happen; the cache will show it."""
        self.unsure.discard(key)

    def forget(self, key: str) -> None:
        """It has certainly not happened."""
        self.creating.pop(key, None)
        self.deleting.pop(key, None)
        self.unsure.discard(key)

    def shown(self, name: str, uid: str, *, ending: bool) -> None:
        """The cache shows this pod, or shows that it is gone."""
        self.creating.pop(name, None)
        if ending:
            self.deleting.pop(uid, None)
        self.unsure &= self.creating.keys() | self.deleting.keys()

    def look(self, pods: Iterable[Pod]) -> None:
        """The cache shows these pods."""
        for pod in pods if self else ():
            self.shown(pod.metadata.name, pod.metadata.uid, ending=is_ending(pod))

    def expire(self, now: datetime) -> None:
        for key, due in [*self.creating.items(), *self.deleting.items()]:
            if due <= now:
                self.forget(key)

    def next_expiry(self) -> datetime | None:
        return min([*self.creating.values(), *self.deleting.values()], default=None)


def tell_ledgers(ledger_of: Callable[[str], Ledger | None]) -> Handler[Pod]:
    """A handler of pods that tells their managers' ledgers what the cache shows. `ledger_of` finds one by the uid."""

    def handle(old: Pod | None, new: Pod | None) -> None:
        for pod in (old, new):
            manager = owners.manager_of(pod) if pod is not None else None
            ledger = ledger_of(manager.uid) if manager is not None else None
            if pod is not None and ledger:
                ending = new is None or is_ending(pod)
                ledger.shown(pod.metadata.name, pod.metadata.uid, ending=ending)

    return handle
