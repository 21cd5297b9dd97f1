"""The hands of the EndpointSlice controller: who is concerned, read, `plan`, write.

With a thousand services a change of one pod must cost no more than with ten. So services are found by one of the labels
that they select by, and pods by any of theirs; nothing is ever compared with everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from api import controller, kinds, services
from api.client import Client
from api.errors import AlreadyExists, ApiError, Conflict, Unavailable
from api.informer import Informers
from api.recorder import Recorder
from api.workqueue import WorkQueue
from control_plane.controllers.endpointslice.endpoints import concerns, members
from control_plane.controllers.endpointslice.plan import is_ours, plan
from control_plane.controllers.slices import BATCH, Writes
from proto.v1.cluster_pb2 import Node
from proto.v1.network_pb2 import EndpointSlice, Service
from proto.v1.pod_pb2 import Pod

ZONE = "topology.kubernetes.io/zone"
LABELS, SELECTED, OWNER = "labels", "selected", "service"  # indices


def _label(namespace: str, key: str, value: str) -> str:
    return f"{namespace}/{key}={value}"


def _labels(pod: Pod) -> Iterable[str]:
    return [_label(pod.metadata.namespace, *pair) for pair in pod.metadata.labels.items()]


def _selected(service: Service) -> Iterable[str]:
    """One label is enough to find it: whoever is selected has them all."""
    first = sorted(service.spec.selector.items())[:1]
    return [_label(service.metadata.namespace, *pair) for pair in first]


def _service_of(slice: EndpointSlice) -> str:
    meta = slice.metadata
    return f"{meta.namespace}/{meta.labels.get(services.SERVICE_NAME, '')}"


def _selects(service: Service, pod: Pod) -> bool:
    labels = pod.metadata.labels
    return all(labels.get(key) == value for key, value in service.spec.selector.items())


@dataclass
class Slices:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)

    def __post_init__(self) -> None:
        self._writes: Writes[EndpointSlice] = Writes(self.client, self.queue)
        self._services, self._pods = self.informers.of(Service), self.informers.of(Pod)
        self._slices, self._nodes = self.informers.of(EndpointSlice), self.informers.of(Node)
        self._services.add_index(SELECTED, _selected)
        self._pods.add_index(LABELS, _labels)
        self._slices.add_index(OWNER, lambda slice: (_service_of(slice),))
        self._zones: dict[str, str] = {}  # by node; those that have one

    async def wait_synced(self) -> None:
        for informer in (self._services, self._pods, self._slices, self._nodes):
            await informer.wait_synced()

    def listen(self) -> None:
        for node in self._nodes.objects.values():
            self._note_zone(node.metadata.name, node)
        self._nodes.add_handler(self._on_node)
        self._services.add_handler(self._on_service)
        self._pods.add_handler(self._on_pod)
        self._slices.add_handler(self._on_slice)

    def _on_service(self, old: Service | None, new: Service | None) -> None:
        if new is None and old is not None:
            self._writes.forget(kinds.object_key(old))  # its slices are the garbage collector's
        elif new is not None:
            self.queue.add(kinds.object_key(new))

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and not concerns(old, new):
            return
        for pod in filter(None, (old, new)):
            for label in _labels(pod):
                for service in self._services.by_index(SELECTED, label):
                    if _selects(service, pod):
                        self._writes.look_soon(kinds.object_key(service))

    def _on_slice(self, old: EndpointSlice | None, new: EndpointSlice | None) -> None:
        for slice in filter(None, (old, new)):
            self._writes.look_soon(_service_of(slice))

    def _on_node(self, old: Node | None, new: Node | None) -> None:
        for node in filter(None, (new or old,)):
            if self._note_zone(node.metadata.name, new):
                for key in self._services.objects:
                    self.queue.add(key)

    def _note_zone(self, name: str, node: Node | None) -> bool:
        """Whether it is another than before. (A node that goes keeps it: its pods go, too.)"""
        zone = node.metadata.labels.get(ZONE, "") if node is not None else self._zones.get(name, "")
        changed = self._zones.get(name, "") != zone
        if changed:
            self._zones[name] = zone
        return changed

    async def reconcile(self, key: str) -> float | None:
        service = self._services.objects.get(key)
        if service is None or service.metadata.HasField("deletionTimestamp"):
            return None
        if not self._writes.are_seen(key, self._slices.version):
            return BATCH  # what we have written is on its way to us
        ours = [each for each in self._slices.by_index(OWNER, key) if is_ours(each)]
        wanted = members(service, self._chosen(service), self._zones)
        namespace = service.metadata.namespace
        todo = plan(
            service, wanted, ours, lambda name: f"{namespace}/{name}" in self._slices.objects
        )
        try:
            await self._writes.act(key, todo)
        except (Conflict, AlreadyExists, Unavailable):
            raise
        except ApiError as error:
            told = f"Error updating Endpoint Slices for Service {key}: {error.message}"
            self.recorder.event(service, "Warning", "FailedToUpdateEndpointSlices", told)
            raise
        return None

    def _chosen(self, service: Service) -> list[Pod]:
        """Looked for under the rarest of the labels."""
        namespace = service.metadata.namespace
        candidates = [
            self._pods.by_index(LABELS, _label(namespace, *pair))
            for pair in service.spec.selector.items()
        ]
        if not candidates:
            return []
        return [pod for pod in min(candidates, key=len) if _selects(service, pod)]


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled."""
    slices = Slices(client, informers, recorder)
    await slices.wait_synced()
    slices.listen()
    await controller.run(slices.queue, slices.reconcile, name="endpointslice")
