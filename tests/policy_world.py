"""Pods with servers, in network namespaces, for policies: who really reaches whom, with real packets.

    node: a, b (namespace x), c, d (namespace y)     other node: e (namespace x), f (namespace y)     outside

What policies ask is answered by the controller's own rules, from the same pods; nothing else is between a policy and the
kernel than what is between them on a real node. `permitted` says the same from the documentation's words, in plain loops.
"""

import asyncio
import errno
import ipaddress
import socket
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from selectors import EVENT_READ, DefaultSelector
from typing import Any, cast

from api import policies, selectors
from api.policies import Direction
from control_plane.controllers.networkpolicy.peers import addresses, meant
from node_agent.network.pod_network import PodNetwork
from node_agent.network.policy.contents import contents
from node_agent.network.policy.firewall import subject
from node_agent.network.proxy.chains import base
from node_agent.network.proxy.conntrack import forget
from node_agent.network.proxy.contents import share
from node_agent.network.proxy.model import Backend, Frontend, Place
from node_agent.network.proxy.nft import Library
from node_agent.network.proxy.table import Table, anew, diff, merged
from proto.v1.network_pb2 import NetworkPolicy, PeerAddress
from proto.v1.pod_pb2 import Pod
from tests.manifests import created
from tests.namespaces import command, inside, places

TABLE = "helmling-test-cluster"
NODE, OTHER, OUTSIDE = "192.0.2.1", "192.0.2.3", "192.0.2.2"
SERVICE = "10.96.77.1"  # leads to a, port 80
NAME_SERVER = (
    "10.96.77.10"  # the node answers there itself; policies take it for a pod with these labels
)
DNS_LABELS = {"k8s-app": "kube-dns"}
NAMESPACES: dict[str, dict[str, str]] = {
    "x": {"team": "x"},
    "y": {"team": "y", "env": "prod"},
    "kube-system": {"system": "yes"},
}
PORTS = [("TCP", 80), ("TCP", 81), ("UDP", 80)]  # where everybody serves
PATIENCE = 20.0  # seconds; an answer or a refusal comes at once


@dataclass(frozen=True)
class Seat:
    """Who may ask and be asked."""

    name: str
    address: str
    netns: str
    pod: Pod | None = None
    here: bool = False  # on this node


def pod(name: str, namespace: str, address: str, http: int, **labels: str) -> Pod:
    ports = [{"name": "http", "containerPort": http}, {"name": "dns", "containerPort": 80, "protocol": "UDP"}]  # fmt: skip
    spec = {"nodeName": "n1", "containers": [{"name": "a", "image": "i:1", "ports": ports}]}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    made: Pod = created("Pod", {"metadata": metadata, "spec": spec})
    made.status.podIP, made.status.phase, made.metadata.uid = address, "Running", name
    return made


PODS = [
    pod("a", "x", "10.99.1.10", 80, app="a", tier="front"),
    pod("b", "x", "10.99.1.11", 81, app="b"),
    pod("c", "y", "10.99.1.12", 80, app="a"),
    pod("d", "y", "10.99.1.13", 81, app="b", tier="front"),
    pod("e", "x", "10.99.2.10", 81, app="a"),
    pod("f", "y", "10.99.2.11", 80, app="b", tier="front"),
]
LOCAL = PODS[:4]


def policy(spec: dict[str, Any], namespace: str = "x", name: str = "p") -> NetworkPolicy:
    metadata = {"name": name, "namespace": namespace}
    made: NetworkPolicy = created("NetworkPolicy", {"metadata": metadata, "spec": spec})
    return made


def wanted(all_policies: Iterable[NetworkPolicy]) -> Table:
    """What the node's kernel must know."""
    everything = list(all_policies)
    asked = {policies.key(said): meant(said) for one in everything for said in policies.asked(one)}

    def answers(key: str) -> Iterable[PeerAddress]:
        whom = asked[key]
        spaces = {name for name, labels in NAMESPACES.items() if whom.namespace(name, labels)}
        there = [pod for pod in PODS if pod.metadata.namespace in spaces]
        is_meant = "kube-system" in spaces and whom.pods.matches(DNS_LABELS)
        server = PeerAddress(ip=NAME_SERVER) if is_meant else None
        return addresses(whom, there, server).values()

    subjects = [subject(pod, pod.status.podIP) for pod in LOCAL]
    return contents(subjects, everything, answers, [NAME_SERVER])


def permitted(all_policies: Iterable[NetworkPolicy], a: Seat, b: Seat, port: tuple[str, int]) -> bool:  # fmt: skip
    """Whether a connection from a to b may be made, as this node has to see to it."""
    everything = list(all_policies)
    if a.name == b.name or a.name == "node":
        return True
    out = not a.here or _permits(everything, "Egress", a, b, port)
    return out and (not b.here or _permits(everything, "Ingress", b, a, port))


def _permits(
    everything: list[NetworkPolicy], way: Direction, own: Seat, peer: Seat, port: tuple[str, int]
) -> bool:
    assert own.pod is not None
    receiver = own if way == "Ingress" else peer
    isolated = False
    for one in everything:
        if one.metadata.namespace != own.pod.metadata.namespace or way not in one.spec.policyTypes:
            continue
        if not selectors.labels_from(one.spec.podSelector).matches(own.pod.metadata.labels):
            continue
        isolated = True
        rules: list[Any] = list(one.spec.ingress if way == "Ingress" else one.spec.egress)
        for rule in rules:
            peers = getattr(rule, "from") if way == "Ingress" else rule.to
            # What a port is called is known of this pod, and of peers that are meant as pods.
            known = [
                way == "Ingress" or not p.HasField("ipBlock") for p in peers if _is(p, peer, one)
            ]
            known += [] if peers else [True]
            if any(_on(rule.ports, receiver, port, named=named) for named in known):
                return True
    return not isolated


def _is(said: Any, seat: Seat, one: NetworkPolicy) -> bool:
    if said.HasField("ipBlock"):
        address = ipaddress.ip_address(seat.address)
        without = [ipaddress.ip_network(text) for text in getattr(said.ipBlock, "except")]
        return address in ipaddress.ip_network(said.ipBlock.cidr) and not any(
            address in part for part in without
        )
    if seat.pod is None:
        return False
    place = seat.pod.metadata.namespace
    if said.HasField("namespaceSelector"):
        if not selectors.labels_from(said.namespaceSelector).matches(NAMESPACES[place]):
            return False
    elif place != one.metadata.namespace:
        return False
    return selectors.labels_from(said.podSelector).matches(seat.pod.metadata.labels)


def _on(ports: Any, receiver: Seat, port: tuple[str, int], *, named: bool) -> bool:
    if not ports:
        return True
    for each in ports:
        if each.protocol != port[0]:
            continue
        kind = each.port.WhichOneof("kind") if each.HasField("port") else None
        if kind is None:
            return True
        if kind == "number_value":
            if each.port.number_value <= port[1] <= (each.endPort or each.port.number_value):
                return True
        elif named and receiver.pod is not None:
            theirs = [p for c in receiver.pod.spec.containers for p in c.ports]
            if (each.port.string_value, *port) in [(p.name, p.protocol, p.containerPort) for p in theirs]:  # fmt: skip
                return True
    return False


@dataclass
class PolicyWorld:
    node: str
    seats: dict[str, Seat] = field(default_factory=dict)
    table: Table = field(default_factory=Table)

    def apply(self, *all_policies: NetworkPolicy) -> str:
        """As a node does: the difference to what is there, in one transaction. Returns the commands."""
        new = merged((self._services(), wanted(all_policies)))
        commands = diff(TABLE, self.table, new) if self.table.sets else anew(TABLE, new)
        if commands:
            inside(self.node, lambda: Library().run(commands))
        # Over UDP a client that comes from the same port again would go on with a connection of before.
        inside(self.node, lambda: forget(lambda flow: True))
        self.table = new
        return commands

    def _services(self) -> Table:
        place = Place("n1", "hl-test", "10.99.1.0/24", "10.99.0.0/16")
        behind = frozenset((Backend(PODS[0].status.podIP, 80, here=True),))
        front = Frontend(SERVICE, "tcp", 80, behind)
        return merged((base(place), share([front], place).table))

    def reaches(self, a: str, b: str, protocol: str = "TCP", port: int = 80) -> bool:
        """Whether b, a seat or an address, answers; otherwise the kernel says that it is not allowed."""
        to = self.seats[b].address if b in self.seats else b
        kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
        seat = self.seats[a]
        with inside(seat.netns, lambda: socket.socket(socket.AF_INET, kind)) as sock:
            sock.settimeout(PATIENCE)
            if a != "node":
                sock.bind((seat.address, 0))
            try:
                sock.connect((to, port))
                sock.send(b"who?")
                sock.recv(100)
            except OSError as error:
                if error.errno == errno.EHOSTUNREACH:
                    return False
                raise
            return True


def _socket(seat: Seat, protocol: str, port: int) -> socket.socket:
    def made() -> socket.socket:
        if protocol == "TCP":
            return socket.create_server((seat.address, port), backlog=100)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind((seat.address, port))
        return sock

    return inside(seat.netns, made)


@contextmanager
def _servers(seats: Iterable[Seat]) -> Iterator[None]:
    """All of them, in one thread, which ends when nobody writes to `end` any more."""
    end, ours = socket.socketpair()
    thread = threading.Thread(target=_serve, args=[ours, [_socket(s, *p) for s in seats for p in PORTS]])  # fmt: skip
    thread.start()
    try:
        yield
    finally:
        end.close()
        thread.join()


def _serve(end: socket.socket, listening: list[socket.socket]) -> None:
    with DefaultSelector() as selector, ExitStack() as stack:
        for sock in (end, *listening):
            selector.register(stack.enter_context(sock), EVENT_READ)
        while True:
            for key, _ in selector.select():
                sock = cast(socket.socket, key.fileobj)
                if sock is end:
                    return
                if sock.type == socket.SOCK_DGRAM:
                    sock.sendto(b"me", sock.recvfrom(100)[1])
                elif sock in listening:
                    selector.register(stack.enter_context(sock.accept()[0]), EVENT_READ)
                elif _answer(sock):
                    selector.unregister(sock)
                    sock.close()


def _answer(sock: socket.socket) -> bool:
    """Whether the client is gone."""
    try:
        if sock.recv(100):
            sock.send(b"me")
            return False
    except ConnectionError:
        pass
    return True


@contextmanager
def policy_world() -> Iterator[PolicyWorld]:
    with places() as there, ExitStack() as stack:
        world = PolicyWorld(there.node)
        seats = [Seat("outside", OUTSIDE, there.outside), Seat("node", NODE, there.node)]
        for one in PODS:
            here, name = one in LOCAL, one.metadata.name
            netns = there.other
            if here:
                made = f"hltest-{uuid.uuid4().hex[:8]}"
                command("ip", "netns", "add", made)
                stack.callback(command, "ip", "netns", "delete", made)
                netns = f"/run/netns/{made}"
            seats.append(Seat(name, one.status.podIP, netns, one, here))
        world.seats = {seat.name: seat for seat in seats}
        inside(there.node, lambda: asyncio.run(_wire(world)))
        stack.enter_context(_servers([*seats, Seat("names", NAME_SERVER, there.node)]))
        yield world


async def _wire(world: PolicyWorld) -> None:
    network = PodNetwork(
        cluster="test", node="n1", pod_cidr="10.99.1.0/24", cluster_cidr="10.99.0.0/16"
    )
    await network.ensure()
    for seat in world.seats.values():
        if seat.here:
            await network.attach(seat.netns, seat.name, seat.address)
    command("ip", "address", "add", f"{NAME_SERVER}/32", "dev", "lo")
    # The kernel says no as often as it has to; by default some seconds apart to the same asker.
    command("sysctl", "-qw", "net.ipv4.icmp_ratemask=0")
