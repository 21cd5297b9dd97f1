"""The hands of the taint manager: wait until a pod's patience is over, then delete it."""

from dataclasses import dataclass, field
from datetime import datetime

from api import clock, conditions, controller, kinds
from api.client import Client, Delete
from api.errors import NotFound
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers.pods import NODE, index_nodes, is_ending
from control_plane.controllers.tainteviction.plan import driving_out, leaves_at, target
from proto.v1.cluster_pb2 import Node, Taint
from proto.v1.pod_pb2 import Pod

REASON = "TaintManagerEviction"


@dataclass
class Evictions:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)  # pods
    announced: set[str] = field(
        default_factory=set
    )  # uids of pods that will have to leave, as things are
    # When we first saw taints that do not say since when they are there, by node.
    first_seen: dict[str, dict[str, datetime]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._nodes, self._pods = self.informers.of(Node), self.informers.of(Pod)
        index_nodes(self._pods)

    def listen(self) -> None:
        self._nodes.add_handler(self._on_node)
        self._pods.add_handler(self._on_pod)

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        name = (new or old or Node()).metadata.name
        taints = driving_out(new) if new is not None else []
        known = self.first_seen.get(name, {})
        now = clock.now()
        seen = {_words(taint): known.get(_words(taint), now) for taint in taints}
        if seen:
            self.first_seen[name] = seen
        else:
            self.first_seen.pop(name, None)
        if taints != (driving_out(old) if old is not None else []):
            for pod in self._pods.by_index(NODE, name):
                self.queue.add(kinds.object_key(pod))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if new is None and old is not None:
            self.announced.discard(old.metadata.uid)
        elif new is not None and new.spec.nodeName in self.first_seen:
            self.queue.add(kinds.object_key(new))

    async def reconcile(self, key: str) -> float | None:
        pod = self._pods.objects.get(key)
        if pod is None or is_ending(pod):
            return None
        due, now = self._leaves_at(pod), clock.now()
        if due is None:
            if pod.metadata.uid in self.announced:
                self.announced.discard(pod.metadata.uid)
                self.recorder.event(pod, "Normal", REASON, f"Cancelling deletion of Pod {key}")
            return None
        self.announced.add(pod.metadata.uid)
        if due > now:
            return (due - now).total_seconds()
        self.recorder.event(pod, "Normal", REASON, f"Marking for deletion Pod {key}")
        await self._evict(pod, now)
        return None

    def _leaves_at(self, pod: Pod) -> datetime | None:
        name = pod.spec.nodeName
        node = self._nodes.objects.get(name)
        if node is None:
            return None
        seen = self.first_seen.get(name, {})
        return leaves_at(pod, driving_out(node), lambda taint: seen[_words(taint)])

    async def _evict(self, pod: Pod, now: datetime) -> None:
        """It says why it goes before it goes, so that a Job need not count it as a failure of its own."""
        copy = Pod()
        copy.CopyFrom(pod)
        meta = pod.metadata
        try:
            if conditions.put(copy.status.conditions, target(now)):
                await self.client.update(copy, subresource="status")
            await self.client.delete(Pod, meta.name, meta.namespace, Delete(uid=meta.uid))
        except NotFound:
            return  # that is what was wanted


def _words(taint: Taint) -> str:
    return f"{taint.key}={taint.value}"


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    evictions = Evictions(client, informers, recorder)
    await informers.wait_synced(Node, Pod)
    evictions.listen()
    await controller.run(evictions.queue, evictions.reconcile, name="taint-eviction")
