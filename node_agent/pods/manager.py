"""All pods of the node: one worker for each, made when a pod comes and ended when nothing is left of it.

Pods come from the server or, while none answers, from the disk. What the runtime has and nobody wants is given a
worker too, which ends it: there is only one way for a pod to end.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from api import clock
from node_agent.pods.admission import refusal
from node_agent.pods.hands import Hands, Tools
from node_agent.pods.records import Moment
from node_agent.pods.sandboxspec import host_ports
from node_agent.pods.status import Place
from node_agent.pods.worker import PodWorker
from node_agent.runtime.model import PodRecord
from node_agent.spawning import spawn
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

log = logging.getLogger(__name__)


class PodManager:
    """Owner of the workers. All methods but `run` are told and do not wait."""

    def __init__(
        self,
        tools: Tools,
        *,
        node: Callable[[], Node],
        place: Place,
        moment: Moment,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self.ask: Callable[[], None] = lambda: None  # look at the runtime again; set by the wiring
        self._tools, self._hands = tools, Hands(tools)
        self._node, self._place, self._tasks = node, place, tasks
        self._moment = moment
        self._workers: dict[str, PodWorker] = {}  # by pod uid
        self._records: dict[str, PodRecord] = {}  # by pod uid, of the last list
        self._began = -1  # the moment at which that list was begun
        self._complete = False  # the server has told us all pods at least once

    @property
    def workers(self) -> dict[str, PodWorker]:
        return self._workers

    def restore(self) -> None:
        """Go on with the pods that were here before the agent was restarted."""
        for pod in self._tools.disk.load():
            self._take_on(pod)

    def changed(self, old: Pod | None, new: Pod | None) -> None:
        """An informer's handler."""
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._vanished(old.metadata.uid)
        if new is None:
            return
        self._tools.disk.save(new)
        worker = self._workers.get(new.metadata.uid)
        if worker is not None:
            worker.update(new)
        else:
            self._take_on(new)

    def synced(self, uids: set[str]) -> None:
        """The server has told us all pods; others of ours have vanished meanwhile."""
        self._complete = True
        for uid in self._workers.keys() - uids:
            self._vanished(uid)
        self._sweep()

    def observe(self, records: Sequence[PodRecord], began: int) -> None:
        """A listener of `Records`."""
        first = self._began < 0
        self._records, self._began = {r.pod_uid: r for r in records}, began
        if first:
            addresses = _addresses(records)
            here = [self._workers[uid].pod for uid in addresses if uid in self._workers]
            ports = [p for pod in here for p in host_ports(pod, addresses[pod.metadata.uid])]
            self._tools.network.adopt(addresses, ports)
        for uid, worker in self._workers.items():
            worker.observe(self._records.get(uid, PodRecord(uid)), began)
        self._sweep()

    def _take_on(self, pod: Pod) -> None:
        uid = pod.metadata.uid
        worker = PodWorker(
            pod,
            self._tools,
            self._hands,
            ask=self.ask,
            moment=self._moment,
            place=self._place,
        )
        if uid not in self._records and not pod.status.HasField("startTime"):
            refused = refusal(pod, self._active(), self._node())
            if refused is not None:
                self._tools.events.event(pod, "Warning", refused.reason, refused.message)
                worker.refuse(refused.reason, refused.message)
        worker.update(pod)
        self._workers[uid] = worker
        if self._began >= 0:
            worker.observe(self._records.get(uid, PodRecord(uid)), self._began)
        spawn(self._tasks, self._work(worker))

    def _active(self) -> list[Pod]:
        """The pods that use the node's resources."""
        return [
            w.pod
            for w in self._workers.values()
            if w.pod.status.phase not in ("Succeeded", "Failed")
            and (w.memory.ending is None or not w.memory.ending.phase)
        ]

    async def _work(self, worker: PodWorker) -> None:
        uid = worker.pod.metadata.uid
        try:
            await worker.run()
        finally:
            self._workers.pop(uid, None)
            self._records.pop(uid, None)

    def _vanished(self, uid: str) -> None:
        if uid in self._workers:
            self._workers[uid].vanish()

    def _sweep(self) -> None:
        """End and remove what is here and belongs to no pod of ours, once we know all pods."""
        if not self._complete or self._began < 0:
            return
        for uid in self._records.keys() - self._workers.keys():
            log.info("orphan_found pod_uid=%s", uid)
            self._take_on(_ghost(self._records[uid]))
            self._vanished(uid)
        for uid in self._tools.disk.uids() - self._workers.keys():
            self._take_on(_ghost(PodRecord(uid)))
            self._vanished(uid)


def _ghost(record: PodRecord) -> Pod:
    """All that is known of a pod whose object is gone."""
    pod = Pod()
    pod.metadata.uid = record.pod_uid
    pod.status.startTime.CopyFrom(clock.timestamp())  # it was admitted once
    for sandbox in record.sandboxes:
        pod.metadata.name, pod.metadata.namespace = sandbox.pod_name, sandbox.pod_namespace
    return pod


def _addresses(records: Sequence[PodRecord]) -> dict[str, str]:
    """Of living sandboxes with an address of their own."""
    return {
        sandbox.pod_uid: sandbox.ip
        for record in records
        for sandbox in record.sandboxes
        if sandbox.ip and sandbox.state == "ready" and not sandbox.namespaces.host_network
    }
