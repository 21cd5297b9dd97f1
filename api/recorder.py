"""Events: what happened to an object, told to whoever runs `describe` or `events`.

Events are for people and must never get in the way. Recording one is a function call that cannot fail and does not
wait; a task writes them behind the caller's back, and when the server is away they wait in a bounded queue. The
same thing happening again within ten minutes is counted in the same Event; something that never stops happening is
cut off per object (25 at once, then one every five minutes), as in Kubernetes, so that a crash loop cannot fill
the store.
"""

import asyncio
import hashlib
import logging
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from api import clock, kinds
from api.client import Client, Write
from api.errors import AlreadyExists, ApiError, NotFound, Timeout, TooManyRequests, Unavailable
from proto.v1.cluster_pb2 import Event, EventSource
from proto.v1.meta_pb2 import ObjectReference

log = logging.getLogger(__name__)

COUNTED_TOGETHER = timedelta(minutes=10)
BURST, REFILL = 25, timedelta(minutes=5)  # events about one object
REMEMBERED = 4096  # happenings and objects
WAITING = 1000  # events not written yet; more are dropped
BATCH = 100  # events written in one call
FLUSH = 2.0  # seconds that the last events get when the program ends
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 10.0  # seconds between attempts
AWAY = (Unavailable, Timeout, TooManyRequests)
# A reply was lost, and the event is there; or it was more than an hour old, and is not. The next round knows better.
CORRECTED = {("create", AlreadyExists), ("update", NotFound)}


def reference(obj: Any, field_path: str = "") -> ObjectReference:
    """A pointer to the object, or to a piece of it: `spec.containers{web}`."""
    if isinstance(obj, ObjectReference):
        return obj
    meta, kind = obj.metadata, kinds.of(obj)
    return ObjectReference(
        kind=kind.name,
        apiVersion=kind.api_version,
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        resourceVersion=meta.resourceVersion,
        fieldPath=field_path,
    )


@dataclass(slots=True)
class _Bucket:
    """How many more events an object may have."""

    left: float
    filled: datetime

    def take(self, now: datetime) -> bool:
        self.left = min(BURST, self.left + (now - self.filled) / REFILL)
        self.filled = now
        if self.left < 1:
            return False
        self.left -= 1
        return True


@dataclass(slots=True)
class _Happening:
    """An event as it stands, and whether the server knows it."""

    event: Event
    last: datetime
    written: bool = False


class Recorder:
    """Writes events in the name of one component. Call `event` from anywhere in the loop; `run` does the writing."""

    def __init__(self, client: Client, component: str, host: str = "") -> None:
        self._client = client
        self._component, self._host = component, host
        self._seen: OrderedDict[tuple[str, ...], _Happening] = OrderedDict()  # oldest use first
        self._buckets: OrderedDict[tuple[str, ...], _Bucket] = OrderedDict()
        self._waiting: OrderedDict[str, _Happening] = OrderedDict()  # "namespace/name" -> to write
        self._lost = 0  # since the log last said so
        self._more = asyncio.Event()

    def event(
        self,
        obj: Any,
        type: Literal["Normal", "Warning"],
        reason: str,
        message: str,
        *,
        related: Any = None,
        action: str = "",
        field_path: str = "",
    ) -> None:
        """Note that something happened to `obj` (an object, or an ObjectReference)."""
        try:
            about, now = reference(obj, field_path), clock.now()
            if not self._bucket((about.kind, about.namespace, about.name, about.uid), now).take(
                now
            ):
                return
            draft = Event(involvedObject=about, type=type, reason=reason, message=message[:1024])
            draft.action = action
            if related is not None:
                draft.related.CopyFrom(reference(related))
            self._note(draft, now)
        except Exception:
            log.exception("event_lost reason=%s message=%r", reason, message)

    def _note(self, draft: Event, now: datetime) -> None:
        same = (
            *_words(draft.involvedObject),
            draft.type,
            draft.reason,
            draft.message,
            draft.action,
        )
        happening = self._seen.get(same)
        if happening is None or now - happening.last > COUNTED_TOGETHER:
            happening = self._seen[same] = _Happening(self._first(draft, same, now), now)
        else:
            happening.last = now
            happening.event.count += 1
            happening.event.lastTimestamp.CopyFrom(clock.timestamp(now))
        self._seen.move_to_end(same)
        _forget_oldest(self._seen)
        self._enqueue(happening)

    def _bucket(self, about: tuple[str, ...], now: datetime) -> _Bucket:
        bucket = self._buckets.setdefault(about, _Bucket(BURST, now))
        self._buckets.move_to_end(about)
        _forget_oldest(self._buckets)
        return bucket

    def _first(self, event: Event, same: tuple[str, ...], now: datetime) -> Event:
        """The name is a hash of what happened and when: writing it twice is refused, not doubled."""
        about = event.involvedObject
        digest = hashlib.sha1("\0".join((*same, now.isoformat())).encode(), usedforsecurity=False)
        event.metadata.name = f"{about.name[:236].rstrip('-.')}.{digest.hexdigest()[:16]}"
        event.metadata.namespace = about.namespace or "default"
        event.source.CopyFrom(EventSource(component=self._component, host=self._host))
        event.reportingComponent, event.reportingInstance = self._component, self._host
        event.firstTimestamp.CopyFrom(clock.timestamp(now))
        event.lastTimestamp.CopyFrom(clock.timestamp(now))
        event.count = 1
        return event

    def _enqueue(self, happening: _Happening) -> None:
        key = kinds.object_key(happening.event)
        if key not in self._waiting and len(self._waiting) >= WAITING:
            self._lost += 1
            return
        self._waiting[key] = happening
        self._more.set()

    async def run(self) -> None:
        """Write events until cancelled; then write what is left, as far as that is quick."""
        try:
            while True:
                await self._more.wait()
                await self._write_all()
        finally:
            try:
                async with asyncio.timeout(FLUSH):
                    await self._write_all()
            except TimeoutError:
                log.warning("events_lost count=%d", len(self._waiting))

    async def flush(self) -> None:
        """Write what is waiting now. For tests, and for programs that do not `run`."""
        await self._write_all()

    async def _write_all(self) -> None:
        failures = 0
        while self._waiting:
            some = list(self._waiting.items())[:BATCH]
            if await self._write(some):
                failures = 0
                continue
            failures += 1
            await asyncio.sleep(min(FIRST_PAUSE * 2.0**failures, LONGEST_PAUSE))
        self._more.clear()
        if self._lost:
            log.warning("events_lost count=%d because=%r", self._lost, "too many were waiting")
            self._lost = 0

    async def _write(self, some: Sequence[tuple[str, _Happening]]) -> bool:
        """One call for all of them. False: the server cannot take them now."""
        drafts = [_draft(happening) for _, happening in some]
        try:
            outcomes = await self._client.batch(drafts)
        except AWAY:
            return False
        for (key, happening), draft, outcome in zip(some, drafts, outcomes, strict=True):
            self._learn(key, happening, draft, outcome)
        return not any(isinstance(outcome, AWAY) for outcome in outcomes)

    def _learn(self, key: str, happening: _Happening, draft: Write[Event], outcome: Any) -> None:
        if isinstance(outcome, AWAY):
            return  # it goes on waiting
        if (draft.verb, type(outcome)) in CORRECTED:
            happening.written = not happening.written
            return
        if isinstance(outcome, ApiError):  # its namespace is going, …: nobody will miss it
            log.info("event_refused key=%s error=%r", key, outcome.message)
        happening.written = True
        if happening.event.count == draft.object.count:
            self._waiting.pop(key, None)


def _draft(happening: _Happening) -> Write[Event]:
    event = Event()
    event.CopyFrom(happening.event)  # it may be counted up while this one is on its way
    return Write("update" if happening.written else "create", event)


def _words(about: ObjectReference) -> tuple[str, ...]:
    return about.kind, about.namespace, about.name, about.uid, about.fieldPath


def _forget_oldest(memory: OrderedDict[tuple[str, ...], Any]) -> None:
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
