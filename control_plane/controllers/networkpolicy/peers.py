"""Who is meant by a peer of a policy: pods, as addresses with the names of their ports. Pure.

A pod is meant from the moment it has an address until its containers have ended for good: one that is being deleted
still finishes its work. Pods on the network of their node are not meant by any selector: what they send is the node's.

The name server is no pod here, as each node answers under its address itself. Policies that allow DNS are written for
the pods that it consists of elsewhere, so it counts as one: in the namespace, and with the labels, of its Service.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from api import selectors, services
from api.selectors import Labels, LabelSelector
from control_plane.controllers import pods
from proto.v1.network_pb2 import PeerAddress, PeerPort, PeerSelector, Service
from proto.v1.pod_pb2 import Pod


@dataclass(frozen=True)
class Meant:
    """A PeerSelector, compiled."""

    said: PeerSelector
    namespaces: LabelSelector | None  # None: the one that is named
    pods: LabelSelector

    def namespace(self, name: str, labels: Labels) -> bool:
        """Whether those of this namespace may be meant."""
        if self.namespaces is None:
            return name == self.said.namespace
        return self.namespaces.matches(labels)

    def pod(self, pod: Pod) -> bool:
        """Whether it is meant if its namespace is."""
        return has_address(pod) and self.pods.matches(pod.metadata.labels)


def meant(said: PeerSelector) -> Meant:
    namespaces = None if said.namespace else selectors.labels_from(said.namespaceSelector)
    return Meant(said, namespaces, selectors.labels_from(said.podSelector))


def has_address(pod: Pod) -> bool:
    """Of its own."""
    return bool(pod.status.podIP) and not pod.spec.hostNetwork and not pods.is_over(pod)


def address(pod: Pod) -> PeerAddress:
    named = (
        (port, port.protocol or "TCP")
        for each in pods.lasting_containers(pod)
        for port in each.ports
    )
    ports = {
        (port.name, protocol, port.containerPort): PeerPort(
            name=port.name, protocol=protocol, port=port.containerPort
        )
        for port, protocol in named
        if port.name
    }
    return PeerAddress(ip=pod.status.podIP, ports=ports.values())


def name_server(service: Service | None) -> PeerAddress | None:
    """As if it were a pod. `service`: kube-system/kube-dns."""
    if service is None or not services.virtual_address(service.spec):
        return None
    ports = [
        PeerPort(name=port.name, protocol=port.protocol or "TCP", port=port.port)
        for port in service.spec.ports
        if port.name
    ]
    return PeerAddress(ip=services.virtual_address(service.spec), ports=ports)


def addresses(
    whom: Meant, candidates: Iterable[Pod], server: PeerAddress | None
) -> dict[str, PeerAddress]:
    """By address. `candidates`: pods of the namespaces that are meant. `server`: if it is meant."""
    found = {pod.status.podIP: address(pod) for pod in candidates if whom.pod(pod)}
    if server is not None:
        found[server.ip] = server
    return found


def concerns(old: Pod, new: Pod) -> bool:
    """Whether the change may show in any slice; most reports of a node do not."""
    return _face(old) != _face(new)


def _face(pod: Pod) -> tuple[object, ...]:
    return pod.metadata.uid, pod.status.podIP, pods.is_over(pod), dict(pod.metadata.labels)
