"""Statuses on their way to the server: the latest of each pod, many in one call.

Whatever piles up while a call is under way goes out with the next one. A write carries the version that it is based
on; when somebody else changed the pod meanwhile, theirs is read, our part is put over it, and it is sent again. While
no server answers the latest status of each pod waits here.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from api.client import Client, Write
from api.controller import pause
from api.errors import ApiError, Conflict, NotFound
from node_agent.pods.conditions import OURS
from proto.v1.pod_pb2 import Pod, PodStatus

log = logging.getLogger(__name__)
MOST_AT_ONCE = 500  # writes in one call


@dataclass
class _Latest:
    pod: Pod  # metadata and spec as last seen, with our status
    failures: int = 0


class StatusPublisher:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._waiting: dict[str, _Latest] = {}  # by pod uid
        self._sending: set[str] = set()  # uids that are on their way
        self._versions: dict[str, str] = {}  # by uid: the resourceVersion of our last write
        self._more = asyncio.Event()
        self._sent = asyncio.Condition()

    def put(self, pod: Pod, status: PodStatus) -> None:
        """Report this, instead of whatever still waits for the pod."""
        latest = Pod()
        latest.CopyFrom(pod)
        latest.status.CopyFrom(status)
        self._waiting[pod.metadata.uid] = _Latest(latest)
        self._more.set()

    def is_latest(self, pod: Pod) -> bool:
        """Nothing about the pod is on its way, and `pod` is not older than what we wrote last."""
        uid = pod.metadata.uid
        busy = uid in self._waiting or uid in self._sending
        return not busy and not _newer(self._versions.get(uid, ""), pod.metadata.resourceVersion)

    async def settled(self, uid: str) -> None:
        """Until nothing about the pod is waiting."""
        async with self._sent:
            await self._sent.wait_for(lambda: uid not in self._waiting and uid not in self._sending)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._waiting.pop(uid, None)
        self._versions.pop(uid, None)

    async def run(self) -> None:
        """Send until cancelled."""
        failures = 0
        while True:
            await self._more.wait()
            batch = dict(list(self._waiting.items())[:MOST_AT_ONCE])
            for uid in batch:
                del self._waiting[uid]
            if not self._waiting:
                self._more.clear()
            failures = 0 if await self._send(batch) else failures + 1
            if failures:
                await asyncio.sleep(min(pause(failures), 5.0))

    async def _send(self, batch: dict[str, _Latest]) -> bool:
        """Whether the server answered."""
        self._sending = set(batch)
        try:
            outcomes = await self._client.batch([self._write(each.pod) for each in batch.values()])
            await self._settle(batch, outcomes)
        except ApiError as error:
            log.info("status_not_sent pods=%d error=%r", len(batch), error.message)
            for uid, each in batch.items():
                self._put_back(uid, each)
            return False
        finally:
            self._sending = set()
            async with self._sent:
                self._sent.notify_all()
        return True

    def _write(self, pod: Pod) -> Write[Pod]:
        known = self._versions.get(pod.metadata.uid, "")
        if _newer(known, pod.metadata.resourceVersion):
            pod.metadata.resourceVersion = known
        return Write("update", pod, "status")

    async def _settle(self, batch: dict[str, _Latest], outcomes: Sequence[Any]) -> None:
        for (uid, each), outcome in zip(batch.items(), outcomes, strict=True):
            if isinstance(outcome, Conflict):
                await self._over_theirs(uid, each)
            elif isinstance(outcome, NotFound):
                self.forget(uid)
            elif isinstance(outcome, ApiError):
                await self._refused(uid, each, outcome)
            else:
                self._versions[uid] = outcome.metadata.resourceVersion

    async def _over_theirs(self, uid: str, each: _Latest) -> None:
        meta = each.pod.metadata
        try:
            theirs = await self._client.get(Pod, meta.name, meta.namespace)
        except NotFound:
            return self.forget(uid)
        if theirs.metadata.uid != uid:
            return self.forget(uid)
        self._versions[uid] = theirs.metadata.resourceVersion
        theirs_only = [c for c in theirs.status.conditions if c.type not in OURS]
        ours = [c for c in each.pod.status.conditions if c.type in OURS]
        del each.pod.status.conditions[:]
        each.pod.status.conditions.extend([*theirs_only, *ours])
        each.pod.metadata.CopyFrom(theirs.metadata)
        self._put_back(uid, each)
        return None

    async def _refused(self, uid: str, each: _Latest, error: ApiError) -> None:
        """Something is wrong with the status itself, or with the server: a few more tries, then no more."""
        each.failures += 1
        log.warning("status_refused pod=%s error=%r", each.pod.metadata.name, error.message)
        if each.failures <= 3:
            self._put_back(uid, each)
            await asyncio.sleep(pause(each.failures))

    def _put_back(self, uid: str, each: _Latest) -> None:
        self._waiting.setdefault(uid, each)
        self._more.set()


def _newer(version: str, than: str) -> bool:
    """Versions are numbers that grow with every write."""
    return bool(version) and (not than or int(version) > int(than))
