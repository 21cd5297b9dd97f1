"""The name server on a node's bridge: real links, real sockets, pods that are bare network namespaces."""

import asyncio
import socket
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from api.client import Client
from api.informer import Informers
from control_plane.store.open import open_store
from node_agent.network.dns import nameserver
from node_agent.network.dns.address import Address
from node_agent.network.dns.nameserver import NameServer, Place
from node_agent.network.pod_network import PodNetwork
from proto.v1.network_pb2 import Service
from tests import addresses
from tests.apiserver import serving

pytestmark = pytest.mark.root
WEB = "10.96.7.20"
PATIENCE = 60  # seconds for a whole scenario

# In a pod: one question to the name server (silent, if nobody listens), one to the gateway, where nobody listens
# either. The refusal of the second comes after one of the first would have come.
REFUSED = """
import socket, sys
first, second = socket.socket(type=socket.SOCK_DGRAM), socket.socket(type=socket.SOCK_DGRAM)
first.connect((sys.argv[1], 53)); second.connect((sys.argv[2], 53))
first.send(b"x"); second.send(b"x")
try:
    second.recv(1)
except ConnectionRefusedError:
    first.setblocking(False)
    try:
        first.recv(1)
    except BlockingIOError:
        print("silent")
    except ConnectionRefusedError:
        print("refused")
"""


def command(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


async def run(*words: str) -> str:
    return await asyncio.to_thread(command, *words)


@dataclass
class Cluster:
    """A node with one pod, which is a bare network namespace."""

    network: PodNetwork
    place: Place
    pod: str
    client: Client

    @property
    def address(self) -> Address:
        return Address(self.place.address, cluster=self.place.cluster, node=self.place.node)

    async def ask(self, name: str, type: str = "A") -> str:
        """From the pod."""
        program = (sys.executable, "-m", "tests.dns_objects", self.place.address, name, type)
        return (await run("ip", "netns", "exec", self.pod, *program)).strip()

    async def served(self, name: str = "web.default.svc.cluster.local") -> str:
        """What the pod hears, as soon as it hears anything."""
        while True:
            try:
                if found := await self.ask(name):
                    return found
            except subprocess.CalledProcessError:
                await asyncio.sleep(0.1)


@contextmanager
def namespace() -> Iterator[str]:
    name = f"hltest-dns-{uuid.uuid4().hex[:6]}"
    command("ip", "netns", "add", name)
    try:
        yield name
    finally:
        command("ip", "netns", "delete", name)


@asynccontextmanager
async def cluster(folder: Path, services: str, web: str) -> AsyncIterator[Cluster]:
    """With one service, whose address tells the cluster."""
    cidr, name = addresses.pod_range(), f"test-{uuid.uuid4().hex[:6]}"
    network = PodNetwork(cluster=name, node="n1", pod_cidr=cidr, cluster_cidr=addresses.WHOLE)
    dns = services.replace("0/24", "10")
    (folder / name).mkdir()
    place = Place(name, "n1", dns, "cluster.local", (), folder / name, folder / "resolv.conf")
    store = await open_store("memory://")
    try:
        async with serving(store, grpc=False) as api:
            with namespace() as pod:
                spec = {"clusterIP": web, "ports": [{"port": 80}]}
                await api.client.create(
                    Service(metadata={"name": "web", "namespace": "default"}, spec=spec)
                )
                made = Cluster(network, place, pod, api.client)
                try:
                    await network.ensure()
                    await network.attach(f"/run/netns/{pod}", "pod", cidr.replace("0/24", "2"))
                    yield made
                finally:
                    await network.down()
                    await made.address.remove()
                    assert made.address.table not in command("nft", "list", "tables")
    finally:
        await store.close()


@asynccontextmanager
async def answering(made: Cluster) -> AsyncIterator[None]:
    informers = Informers(made.client)
    async with asyncio.TaskGroup() as tasks:
        mine = [
            tasks.create_task(each)
            for each in (informers.run(), NameServer(made.place, informers).run())
        ]
        try:
            yield
        finally:
            for task in mine:
                task.cancel()


def test_clusters_that_share_a_machine_and_an_address(tmp_path: Path) -> None:
    """Each pod hears its own; the node itself hears the first that came, and goes on hearing somebody."""

    async def scenario() -> None:
        services = addresses.service_range()
        one, two = "10.96.7.21", "10.96.7.22"
        async with (
            asyncio.timeout(PATIENCE),
            cluster(tmp_path, services, one) as first,
            cluster(tmp_path, services, two) as second,
            answering(first),
        ):
            assert await first.served() == f"A {one}"
            async with answering(second):
                assert await second.served() == f"A {two}"
                assert await first.served() == f"A {one}"
                here = await run(
                    sys.executable, "-m", "tests.dns_objects", first.place.address, "web.default.svc.cluster.local", "A"
                )  # fmt: skip
                assert here.strip() == f"A {one}"
            await second.network.down()
            assert await first.served() == f"A {one}"

    asyncio.run(scenario())


def test_a_bridge_that_is_made_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody deletes it; the network heals it, and the name server is there again."""
    monkeypatch.setattr(nameserver, "LOOK", 0.1)

    async def scenario() -> None:
        services = addresses.service_range()
        async with (
            asyncio.timeout(PATIENCE),
            cluster(tmp_path, services, WEB) as made,
            answering(made),
        ):
            assert await made.served() == f"A {WEB}"
            await run("ip", "link", "delete", made.network.bridge)
            await made.network.ensure()
            await made.network.attach(f"/run/netns/{made.pod}", "pod", _first(made))
            assert await made.served() == f"A {WEB}"
            await run(
                "ip", "address", "delete", f"{made.place.address}/32", "dev", made.network.bridge
            )
            assert await made.served() == f"A {WEB}"

    asyncio.run(scenario())


def _first(made: Cluster) -> str:
    return made.network.gateway.removesuffix(".1") + ".2"


def test_while_nobody_listens_the_node_does_not_refuse(tmp_path: Path) -> None:
    """An agent that restarts: a resolver that hears nothing asks again, one that is refused gives up."""

    async def scenario() -> None:
        services = addresses.service_range()
        async with (
            asyncio.timeout(PATIENCE),
            cluster(tmp_path, services, WEB) as made,
        ):
            async with answering(made):
                await made.served()
            probe = (sys.executable, "-c", REFUSED, made.place.address, made.network.gateway)
            assert (await run("ip", "netns", "exec", made.pod, *probe)).strip() == "silent"
            async with answering(made):
                await made.served()

    asyncio.run(scenario())


def test_what_was_known_is_answered_while_no_server_tells(tmp_path: Path) -> None:
    """An agent that starts without a control plane."""

    class Silent(Informers):
        async def run(self) -> None:
            await asyncio.get_running_loop().create_future()

    async def scenario() -> None:
        services = addresses.service_range()
        async with asyncio.timeout(PATIENCE), cluster(tmp_path, services, WEB) as made:
            async with answering(made):
                await made.served()
                while not (made.place.folder / "names.pb").exists():  # noqa: ASYNC110 - a file has no event
                    await asyncio.sleep(0.05)
            async with asyncio.TaskGroup() as tasks:
                blind = tasks.create_task(NameServer(made.place, Silent(made.client)).run())
                assert await made.served() == f"A {WEB}"
                blind.cancel()

    asyncio.run(scenario())


def test_the_machine_has_the_address_or_not() -> None:
    assert Address("127.0.0.1", cluster="c", node="n").is_there()
    assert not Address("192.0.2.77", cluster="c", node="n").is_there()
    assert Address("192.0.2.77", cluster="c", node="n").index() == 0
    assert socket.if_nametoindex("lo") > 0
