"""A node that leads services, for tests: a real API server, the real proxy, the real kernel, real packets.

All of it plays in a network namespace of its own; pods are namespaces that the real pod network wires, with a server in
each that answers with its name and the address it sees.
"""

import asyncio
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field

from api.client import Client
from api.informer import Informers
from control_plane.store.open import open_store
from node_agent.network.pod_network import PodNetwork
from node_agent.network.proxy.conntrack import forget
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.model import Place
from node_agent.network.proxy.nft import Nft, open_nft
from node_agent.network.proxy.proxy import PRODUCER, ServiceProxy
from proto.v1.network_pb2 import EndpointSlice, Service, ServicePort
from tests.apiserver import nothing_left, serving, until
from tests.namespaces import Places, command, inside, places

DEADLINE = 60.0  # seconds; generous, nothing here is a measurement
NOBODY = 1.0  # seconds after which a question that should not be answered was not answered
SERVER_PORT = 8080


@dataclass
class Backer:
    name: str
    address: str
    netns: str
    node: str  # the name of its node


@dataclass
class ServiceWorld:
    places: Places
    client: Client
    network: PodNetwork
    keeper: TableKeeper
    proxy: ServiceProxy
    place: Place
    informers: Informers
    stack: AsyncExitStack
    pods: dict[str, Backer] = field(default_factory=dict)

    async def pod(self, name: str, *, here: bool = True) -> Backer:
        """A pod with a server on it, of this node or of the other one."""
        number = len(self.pods) + 10
        if here:
            netns = f"hltest-{uuid.uuid4().hex[:8]}"
            command("ip", "netns", "add", netns)
            self.stack.callback(
                subprocess.run, ["ip", "netns", "delete", netns], check=False, capture_output=True
            )
            pod = Backer(name, f"10.99.1.{number}", f"/run/netns/{netns}", "n1")
            await self.network.attach(pod.netns, name, pod.address)
        else:
            pod = Backer(name, f"10.99.2.{number}", self.places.other, "n2")
        self.pods[name] = pod
        await _serve_tcp(pod, self.stack)
        await _serve_udp(pod, self.stack)
        return pod

    async def put(self, *objects: Service | EndpointSlice) -> None:
        """Create or replace them, and wait until the kernel has it."""
        for obj in objects:
            obj.metadata.namespace = "default"
            wanted = type(obj)()
            wanted.CopyFrom(obj)
            known = obj.metadata.resourceVersion
            obj.CopyFrom(await (self.client.update(obj) if known else self.client.create(obj)))
            if isinstance(obj, Service) and wanted.HasField("status"):
                obj.status.CopyFrom(wanted.status)
                obj.CopyFrom(await self.client.update(obj, subresource="status"))
        await self.settled()

    async def delete(self, obj: Service | EndpointSlice) -> None:
        await self.client.delete(type(obj), obj.metadata.name, "default")
        await self.settled()

    async def settled(self) -> None:
        """Until the kernel has what the server has. A slice of nothing is the last change that all must have seen."""
        marker = EndpointSlice(addressType="IPv4")
        marker.metadata.name, marker.metadata.namespace = (
            f"marker-{uuid.uuid4().hex[:8]}",
            "default",
        )
        marker.metadata.labels["kubernetes.io/service-name"] = "marker"
        written = int((await self.client.create(marker)).metadata.resourceVersion)
        services = self.informers.of(Service)
        async with asyncio.timeout(DEADLINE):
            await until(lambda: self.proxy.current.version >= written)
            while not await self._has_all(services.objects):  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    async def _has_all(self, seen: dict[str, Service]) -> bool:
        listing = await self.client.list(Service)
        theirs = {f"default/{s.metadata.name}": s.metadata.resourceVersion for s in listing.items}
        ours = {
            key: one.metadata.resourceVersion
            for key, one in seen.items()
            if key.startswith("default/")
        }
        return theirs == ours and self.proxy.idle

    async def ask(
        self, netns: str, address: str, port: int, *, udp: bool = False, source: int = 0
    ) -> tuple[str, str]:
        """Who answers, and which address it saw. Raises ConnectionError, TimeoutError."""
        with self.connection(netns, udp=udp, source=source) as sock:
            return await question(sock, address, port)

    def connection(self, netns: str, *, udp: bool = False, source: int = 0) -> socket.socket:
        kind = socket.SOCK_DGRAM if udp else socket.SOCK_STREAM
        sock = inside(netns, lambda: socket.socket(socket.AF_INET, kind))
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if source:
            sock.bind(("0.0.0.0", source))
        return sock

    async def answering(self, netns: str, address: str, port: int, *, times: int = 30) -> set[str]:
        """Everybody who answers, of so many questions."""
        return {(await self.ask(netns, address, port))[0] for _ in range(times)}


async def question(sock: socket.socket, address: str, port: int) -> tuple[str, str]:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(DEADLINE):
        await loop.sock_connect(sock, (address, port))
        await loop.sock_sendall(sock, b"who?")
        name, seen = (await loop.sock_recv(sock, 100)).decode().split()
    return name, seen


async def unanswered(do: Coroutine[object, object, tuple[str, str]]) -> bool:
    """Whether nobody says anything for a while, not even no."""
    try:
        async with asyncio.timeout(NOBODY):
            await do
    except TimeoutError:
        return True
    return False


async def _serve_tcp(pod: Backer, stack: AsyncExitStack) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while await reader.read(100):
                writer.write(f"{pod.name} {writer.get_extra_info('peername')[0]}".encode())
                await writer.drain()
        writer.close()

    sock = inside(pod.netns, lambda: socket.create_server((pod.address, SERVER_PORT), backlog=200))
    server = await asyncio.start_server(answer, sock=sock)
    stack.callback(server.close)


async def _serve_udp(pod: Backer, stack: AsyncExitStack) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(f"{pod.name} {addr[0]}".encode(), addr)

    sock = inside(pod.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    sock.bind((pod.address, SERVER_PORT))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, sock=sock)
    stack.callback(transport.close)


def service(name: str, address: str, *protocols: str, type: str = "ClusterIP") -> Service:
    made = Service()
    made.metadata.name = name
    made.spec.clusterIP, made.spec.type = address, type
    for protocol in protocols or ("TCP",):
        port = ServicePort(name=protocol.lower(), protocol=protocol, port=80)
        made.spec.ports.append(port)
    return made


def endpoint_slice(of: str, *pods: Backer, unready: tuple[str, ...] = ()) -> EndpointSlice:
    """All of the pods, ready or not, behind both protocols."""
    made = EndpointSlice(addressType="IPv4")
    made.metadata.name = f"{of}-1"
    made.metadata.labels["kubernetes.io/service-name"] = of
    for protocol in ("TCP", "UDP"):
        made.ports.add(name=protocol.lower(), protocol=protocol, port=SERVER_PORT)
    for pod in pods:
        endpoint = made.endpoints.add(addresses=[pod.address], nodeName=pod.node)
        endpoint.conditions.ready = pod.name not in unready
        endpoint.targetRef.kind, endpoint.targetRef.name = "Pod", pod.name
        endpoint.targetRef.uid = f"uid-{pod.name}"
    return made


Opened = Callable[[str], Nft]


@asynccontextmanager
async def service_world(there: Places, opened: Opened = open_nft) -> AsyncIterator[ServiceWorld]:
    """Inside of the node's namespace; see `in_service_world`."""
    network = PodNetwork(
        cluster="test", node="n1", pod_cidr="10.99.1.0/24", cluster_cidr="10.99.0.0/16"
    )
    await network.ensure()
    place = Place("n1", network.bridge, "10.99.1.0/24", "10.99.0.0/16")
    keeper = TableKeeper("helmling-test-cluster", (PRODUCER,), opened)
    store = await open_store("memory://")
    async with serving(store, grpc=False) as server, AsyncExitStack() as stack:
        stack.callback(keeper.close)
        stack.push_async_callback(store.close)
        async with asyncio.TaskGroup() as tasks:
            informers = Informers(server.client)
            services, slices = informers.of(Service), informers.of(EndpointSlice)
            proxy = ServiceProxy(services, slices, place, keeper, forget)
            running = [tasks.create_task(one.run()) for one in (informers, keeper, proxy)]
            yield ServiceWorld(
                *(there, server.client, network, keeper, proxy, place, informers, stack)
            )
            for task in running:
                task.cancel()


Scenario = Callable[[ServiceWorld], Coroutine[None, None, None]]


def in_service_world(scenario: Scenario, opened: Opened = open_nft) -> None:
    """Play it; nothing is left of it."""

    async def whole(there: Places) -> None:
        async with asyncio.timeout(120), service_world(there, opened) as world:
            await scenario(world)
        await nothing_left()

    with places() as there:
        inside(there.node, lambda: asyncio.run(whole(there)))
