"""The hands of the NetworkPolicy controller: whom do policies mean, read, `plan`, write.

What is kept is not policies but questions: "the pods with these labels, in namespaces with those". All policies that
ask the same share one answer, under its key (api/policies.py). A pod that comes or goes is compared with the questions
about its namespace and those about many, and each that concerns it rewrites one slice.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from api import controller, kinds, policies, services
from api.client import Client
from api.informer import Informers, by_namespace
from api.workqueue import WorkQueue
from control_plane.controllers.networkpolicy.peers import (
    Meant,
    addresses,
    concerns,
    meant,
    name_server,
)
from control_plane.controllers.networkpolicy.plan import plan
from control_plane.controllers.slices import BATCH, Plan, Writes
from proto.v1.cluster_pb2 import Namespace
from proto.v1.network_pb2 import NetworkPolicy, PeerAddress, PeerSlice, Service
from proto.v1.pod_pb2 import Pod

ASKED, ANSWERED, NAMESPACE = "asked", "answered", "namespace"  # indices
DNS_NAMESPACE, DNS = services.KUBE_DNS[0], "/".join(services.KUBE_DNS)
NO_LABELS: Mapping[str, str] = {}


def _asked(policy: NetworkPolicy) -> Iterable[str]:
    return {policies.key(each) for each in policies.asked(policy)}


def _answered(slice: PeerSlice) -> str:
    return slice.metadata.labels.get(policies.PEERS, "")


@dataclass
class Answers:
    client: Client
    informers: Informers
    queue: WorkQueue = field(default_factory=WorkQueue)
    # What some policy asks, by key; and the keys by the namespace that is named, "" for those that select namespaces.
    questions: dict[str, Meant] = field(default_factory=dict)
    places: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))

    def __post_init__(self) -> None:
        self._writes: Writes[PeerSlice] = Writes(self.client, self.queue)
        self._policies, self._pods = self.informers.of(NetworkPolicy), self.informers.of(Pod)
        self._slices, self._services = self.informers.of(PeerSlice), self.informers.of(Service)
        self._namespaces = self.informers.of(Namespace)
        self._policies.add_index(ASKED, _asked)
        self._pods.add_index(NAMESPACE, by_namespace)
        self._slices.add_index(ANSWERED, lambda slice: (_answered(slice),))

    async def wait_synced(self) -> None:
        for informer in (
            self._policies,
            self._pods,
            self._slices,
            self._services,
            self._namespaces,
        ):
            await informer.wait_synced()

    def listen(self) -> None:
        self._policies.add_handler(self._on_policy)
        self._slices.add_handler(self._on_slice)
        self._namespaces.add_handler(self._on_namespace)
        self._pods.add_handler(self._on_pod)
        self._services.add_handler(self._on_service)

    def _on_policy(self, old: NetworkPolicy | None, new: NetworkPolicy | None) -> None:
        for policy in filter(None, (old, new)):
            for said in policies.asked(policy):
                key = policies.key(said)
                if self._policies.by_index(ASKED, key):
                    self.questions.setdefault(key, meant(said))
                    self.places[said.namespace].add(key)
                else:
                    self.questions.pop(key, None)
                    self.places[said.namespace].discard(key)
                self.queue.add(key)

    def _on_slice(self, old: PeerSlice | None, new: PeerSlice | None) -> None:
        for slice in filter(None, (old, new)):
            self._writes.look_soon(_answered(slice))

    def _on_namespace(self, old: Namespace | None, new: Namespace | None) -> None:
        if old is not None and new is not None and old.metadata.labels == new.metadata.labels:
            return
        for key in self.places[""]:
            self._writes.look_soon(key)

    def _on_pod(self, old: Pod | None, new: Pod | None) -> None:
        if old is not None and new is not None and not concerns(old, new):
            return
        for pod in filter(None, (old, new)):
            namespace = pod.metadata.namespace
            for key in (*self.places.get(namespace, ()), *self.places.get("", ())):
                whom = self.questions[key]
                if whom.pod(pod) and whom.namespace(namespace, self._labels(namespace)):
                    self._writes.look_soon(key)

    def _on_service(self, old: Service | None, new: Service | None) -> None:
        if any(kinds.object_key(each) == DNS for each in (old, new) if each is not None):
            for key in (*self.places.get(DNS_NAMESPACE, ()), *self.places.get("", ())):
                self._writes.look_soon(key)

    def _labels(self, namespace: str) -> Mapping[str, str]:
        found = self._namespaces.objects.get(namespace)
        return found.metadata.labels if found is not None else NO_LABELS

    async def reconcile(self, key: str) -> float | None:
        if not self._writes.are_seen(key, self._slices.version):
            return BATCH  # what we have written is on its way to us
        slices = self._slices.by_index(ANSWERED, key)
        whom = self.questions.get(key)
        if whom is None:
            self._writes.forget(key)
            todo = Plan(delete=list(slices))
        else:
            todo = plan(whom.said, self._found(whom), slices, self._slices.objects.__contains__)
        await self._writes.act(key, todo)
        return None

    def _found(self, whom: Meant) -> dict[str, PeerAddress]:
        chosen = [
            namespace
            for namespace in ((whom.said.namespace,) if whom.said.namespace else self._names())
            if whom.namespace(namespace, self._labels(namespace))
        ]
        candidates = (pod for one in chosen for pod in self._pods.by_index(NAMESPACE, one))
        return addresses(whom, candidates, self._name_server(whom, chosen))

    def _names(self) -> list[str]:
        return list(self._namespaces.objects)

    def _name_server(self, whom: Meant, chosen: Iterable[str]) -> PeerAddress | None:
        service = self._services.objects.get(DNS)
        if service is None or DNS_NAMESPACE not in chosen:
            return None
        return name_server(service) if whom.pods.matches(service.metadata.labels) else None


async def run(client: Client, informers: Informers) -> None:
    """Until cancelled."""
    answers = Answers(client, informers)
    await answers.wait_synced()
    answers.listen()
    await controller.run(answers.queue, answers.reconcile, name="networkpolicy")
