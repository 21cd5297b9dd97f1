"""From what the informers say to snapshot and queue: every pod is placed, or waits, or is none of our business.

Handlers look at an object as it is now and bring snapshot and queue in line with it; told the same twice, or only
the last of many changes, they end up the same. The one thing known here that the informers do not know (yet) is
which pods have been placed by us: such a pod still looks unbound for a moment and must not be queued again.
"""

import asyncio
from collections.abc import Callable, Iterable

from api import kinds
from control_plane.scheduler import events
from control_plane.scheduler.events import Event
from control_plane.scheduler.queue import Queue, Waiting
from control_plane.scheduler.shape import Shapes
from control_plane.scheduler.snapshot import Snapshot
from proto.v1.cluster_pb2 import Namespace, Node
from proto.v1.pod_pb2 import Pod

NAME = "default-scheduler"
OVER = ("Succeeded", "Failed")


class Cluster:
    """Snapshot and queue. `changed` is called whenever a pod may have become worth a try."""

    def __init__(self, changed: Callable[[], None], gated: Callable[[Pod], None]) -> None:
        self.snapshot, self.queue, self.shapes = Snapshot(), Queue(), Shapes()
        self._changed, self._gated = changed, gated

    def on_node(self, old: Node | None, new: Node | None) -> None:
        if new is None:
            assert old is not None
            self.snapshot.remove_node(old.metadata.name)
            self._happened(events.node_removed())
            return
        name = new.metadata.name
        known = self.snapshot.node(name) is not None
        aspects = self.snapshot.set_node(new)
        node = self.snapshot.node(name)
        if aspects and node is not None:
            event = events.node_changed(node, aspects) if known else events.node_added(node)
            self._happened(event)

    def on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        meta = (new or old or Namespace()).metadata
        labels = dict(new.metadata.labels) if new is not None else None
        if self.snapshot.set_namespace(meta.name, labels):
            self._happened(events.namespace_changed())

    def on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and (new is None or new.metadata.uid != old.metadata.uid):
            self._gone(kinds.object_key(old), old.metadata.uid)
        if new is not None and not (old is not None and _same(old, new)):
            self.see(new)

    def see(self, pod: Pod) -> None:
        """The pod as it is now."""
        key, uid = kinds.object_key(pod), pod.metadata.uid
        if pod.status.phase in OVER:
            self._gone(key, uid)
        elif pod.spec.nodeName:
            self.queue.remove(key)
            self._bound(key, pod)
        elif pod.spec.schedulerName not in ("", NAME) or pod.metadata.HasField("deletionTimestamp"):
            self.queue.remove(key)
        elif pod.spec.schedulingGates:
            self.queue.remove(key)
            self._gated(pod)
        elif not self._is_placed(key, uid):
            self._waits(key, pod)

    def place(self, pod: Waiting, node: str) -> None:
        """The decision: from now on the pod counts there."""
        self.queue.remove(pod.key)
        self.snapshot.place(pod.key, pod.uid, pod.shape, node)
        self._happened(events.pod_placed(pod.shape))

    def take_back(self, pod: Waiting) -> None:
        """It could not be bound. If it is still there unbound, `see` or `again` will queue it."""
        if self._is_placed(pod.key, pod.uid):
            self._leave(pod.key)

    def again(self, pod: Waiting) -> None:
        """It could not be bound, but exists: after its back-off it is tried once more."""
        self.take_back(pod)
        self.queue.failed(pod)
        self._changed()

    def _waits(self, key: str, pod: Pod) -> None:
        waiting = Waiting(
            key,
            pod.metadata.uid,
            self.shapes.of(pod),
            pod.spec.priority,
            created=float(pod.metadata.creationTimestamp.seconds),
            told=_told(pod),
        )
        self.queue.put(waiting, _now())
        self._changed()

    def _bound(self, key: str, pod: Pod) -> None:
        shape, node = self.shapes.of(pod), pod.spec.nodeName
        before = self.snapshot.pods.get(key)
        if before == (pod.metadata.uid, shape, node):
            return  # as we placed it
        if before is not None and before.node != node:
            self._leave(key)
            before = None
        self.snapshot.place(key, pod.metadata.uid, shape, node)
        self._happened(
            events.pod_placed(shape) if before is None else events.pod_changed(before.shape, shape)
        )

    def _gone(self, key: str, uid: str) -> None:
        waiting = self.queue.pods.get(key)
        if waiting is not None and waiting.uid == uid:
            self.queue.remove(key)
        if self._is_placed(key, uid):
            self._leave(key)

    def _leave(self, key: str) -> None:
        placed = self.snapshot.remove(key)
        if placed is not None:
            self._happened(events.pod_left(self.snapshot.node(placed.node), placed.shape))

    def _is_placed(self, key: str, uid: str) -> bool:
        placed = self.snapshot.pods.get(key)
        return placed is not None and placed.uid == uid

    def _happened(self, event: Event) -> None:
        self.queue.on(event, self.snapshot.namespaces, _now())
        self._changed()


def snapshot_of(
    nodes: Iterable[Node], pods: Iterable[Pod] = (), namespaces: Iterable[Namespace] = ()
) -> Snapshot:
    """The cluster as it is in these lists, for those who ask once (explain.py)."""
    snapshot, shapes = Snapshot(), Shapes()
    for namespace in namespaces:
        snapshot.set_namespace(namespace.metadata.name, dict(namespace.metadata.labels))
    for node in nodes:
        snapshot.set_node(node)
    for pod in pods:
        if pod.spec.nodeName and pod.status.phase not in OVER:
            key, uid = kinds.object_key(pod), pod.metadata.uid
            snapshot.place(key, uid, shapes.of(pod), pod.spec.nodeName)
    return snapshot


def _now() -> float:
    return asyncio.get_running_loop().time()


def _same(old: Pod, new: Pod) -> bool:
    """Nothing that matters here has changed: it was a status, mostly."""
    a, b = old.metadata, new.metadata
    return (
        a.generation == b.generation
        and bool(b.generation)
        and a.HasField("deletionTimestamp") == b.HasField("deletionTimestamp")
        and (old.status.phase in OVER) == (new.status.phase in OVER)
        and a.labels == b.labels
        and a.ownerReferences == b.ownerReferences
        and old.spec.nodeName == new.spec.nodeName
    )


def _told(pod: Pod) -> str:
    """What people have been told already, perhaps by the scheduler before this one."""
    return next(
        (
            c.message
            for c in pod.status.conditions
            if c.type == "PodScheduled" and c.status == "False"
        ),
        "",
    )
