"""An API server in memory, and a real HAProxy that serves its Ingresses on free ports of the loopback device."""

import asyncio
import json
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from api.client import Client, Selection
from api.errors import AlreadyExists, NotFound
from api.informer import Informer
from api.jsonform import from_json
from api.recorder import Recorder
from control_plane.apiserver.allocation.ranges import Ranges
from control_plane.store.open import open_store
from node_agent.configsource import ConfigSource
from node_agent.network.ingress.folder import Folder
from node_agent.network.ingress.haproxy import HAProxy
from node_agent.network.ingress.ingress import About, IngressProxy
from node_agent.network.ingress.render import Setting
from node_agent.network.ingress.wanted import Sources
from proto.v1.cluster_pb2 import Event, Node
from proto.v1.config_pb2 import Secret
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.network_pb2 import EndpointSlice, Ingress, IngressClass, Service
from tests.apiserver import nothing_left, serving, until
from tests.webpods import PORT, WebPod, pod_addresses, web_pod

PATIENCE = 120  # seconds for a whole scenario
NODE = "n1"


async def eventually(holds: Callable[[], Coroutine[Any, Any, bool]]) -> None:
    """Until it does; how long is the scenario's timeout to say."""
    while not await holds():  # noqa: ASYNC110 (nobody would set an event)
        await asyncio.sleep(0.02)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@dataclass
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def told(self) -> Any:
        """By a web pod."""
        return json.loads(self.body)

    @property
    def pod(self) -> str:
        return str(self.told["pod"]) if self.status == 200 else str(self.status)


@dataclass
class World:
    client: Client
    haproxy: HAProxy
    setting: Setting
    addresses: list[str]  # that pods may have
    stack: AsyncExitStack
    proxy: IngressProxy | None = None
    pods: dict[str, WebPod] = field(default_factory=dict)

    # What there is

    async def apply(self, kind: type[Any], obj: dict[str, Any]) -> Any:
        """Created, or put in the place of what has the name."""
        made, wrong = from_json(kind, obj)
        assert not wrong, wrong
        if "namespace" not in obj["metadata"] and kind is not IngressClass:
            made.metadata.namespace = "default"
        try:
            return await self.client.create(made)
        except AlreadyExists:
            pass
        old = await self.client.get(kind, made.metadata.name, made.metadata.namespace)
        made.metadata.resourceVersion = old.metadata.resourceVersion
        return await self.client.update(made)

    async def pod(self, name: str) -> WebPod:
        """One more that runs."""
        address = self.addresses[len(self.pods)]
        self.pods[name] = await self.stack.enter_async_context(web_pod(name, address))
        return self.pods[name]

    async def service(
        self, name: str, *pods: str, leaving: Sequence[str] = (), address: str = "None"
    ) -> None:
        """A service on port 80, and these pods behind it; those in `leaving` end soon."""
        port = {"name": "http", "port": 80, "targetPort": PORT}
        try:
            await self.client.get(Service, name, "default")
        except NotFound:
            spec = {"ports": [port], "clusterIP": address}
            await self.apply(Service, {"metadata": {"name": name}, "spec": spec})
        for each in (*pods, *leaving):
            if each not in self.pods:
                await self.pod(each)
        endpoints = [self._endpoint(each, ends=False) for each in pods]
        endpoints += [self._endpoint(each, ends=True) for each in leaving]
        await self.apply(
            EndpointSlice,
            {
                "metadata": {"name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": endpoints,
                "ports": [{"name": "http", "port": PORT}],
            },
        )

    def _endpoint(self, pod: str, *, ends: bool) -> dict[str, Any]:
        conditions = {"ready": not ends, "serving": True, "terminating": ends}
        return {"addresses": [self.pods[pod].address], "conditions": conditions}

    async def ingress(self, name: str, *paths: str, **more: Any) -> Ingress:
        """`paths`: "shop.test/a Prefix web", or "shop.test/a Prefix web:8080". `more`: fields of the spec, and annotations."""
        annotations = more.pop("annotations", {})
        spec = {"rules": [_rule(path) for path in paths], **more}
        made: Ingress = await self.apply(
            Ingress, {"metadata": {"name": name, "annotations": annotations}, "spec": spec}
        )
        return made

    async def secret(self, name: str, certificate: bytes, key: bytes) -> None:
        made = Secret(metadata=ObjectMeta(name=name, namespace="default"), type="kubernetes.io/tls")
        made.data["tls.crt"], made.data["tls.key"] = certificate, key
        try:
            await self.client.create(made)
        except AlreadyExists:
            await self.client.update(made)

    async def events(self) -> list[tuple[str, str, str]]:
        """Name of the ingress, reason, message."""
        found = (await self.client.list(Event, Selection(namespace="default"))).items
        return [(each.involvedObject.name, each.reason, each.message) for each in found]

    # What clients see

    async def get(self, url: str, **how: Any) -> Reply:
        """ "shop.test/a"; see `Connection`."""
        async with self.connected(url.partition("/")[0], **how) as connection:
            return await connection.ask("/" + url.partition("/")[2])

    @asynccontextmanager
    async def connected(
        self, host: str, *, tls: ssl.SSLContext | None = None, sni: str = ""
    ) -> AsyncIterator["Connection"]:
        port = self.setting.https if tls else self.setting.http
        more = {"ssl": tls, "server_hostname": sni or host} if tls else {}
        reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
        try:
            yield Connection(host, reader, writer)
        finally:
            await closed(writer)

    async def until(self, url: str, pod: str, **how: Any) -> Reply:
        """The first reply of this pod, or with this status."""
        while True:
            try:
                reply = await self.get(url, **how)
            except (OSError, EOFError):
                reply = None
            if reply is not None and reply.pod == pod:
                return reply
            await asyncio.sleep(0.02)

    async def until_event(self, reason: str, ingress: str = "") -> str:
        """Its message."""
        while True:
            for name, why, message in await self.events():
                if why == reason and ingress in ("", name):
                    return message
            await asyncio.sleep(0.05)

    async def until_current(self) -> None:
        """What the store says of pods has become true."""
        slices = (await self.client.list(EndpointSlice)).items
        latest = max(int(each.metadata.resourceVersion) for each in slices)
        await until(lambda: self.proxy is not None and self.proxy.current.version >= latest)

    async def worker(self) -> int:
        return (await self.haproxy.worker()).pid

    # The agent

    @asynccontextmanager
    async def agent(self) -> AsyncIterator[None]:
        """For as long as the block runs; HAProxy goes on after it."""
        client, config = self.client, ConfigSource(self.client)
        informers: list[Informer[Any]] = [
            Informer(client, kind) for kind in (Ingress, IngressClass, Service, EndpointSlice)
        ]
        recorder = Recorder(client, "helmling-ingress", NODE)
        sources = Sources(*informers, config)
        about = About(NODE, recorder)
        self.proxy = IngressProxy(client, sources, self.haproxy, self.setting, about)
        async with asyncio.TaskGroup() as tasks:
            loops = (config.run, recorder.run, *(each.run for each in informers), self.proxy.run)
            running = [tasks.create_task(loop()) for loop in loops]
            try:
                yield
            finally:
                for task in running:
                    task.cancel()


class Connection:
    """Keeps alive, as browsers do."""

    def __init__(
        self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.host, self.reader, self.writer = host, reader, writer

    async def ask(self, path: str, method: str = "GET", body: bytes = b"", **headers: str) -> Reply:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        self.writer.write("\r\n".join((*lines, "", "")).encode() + body)
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode()
        first, *rest = head.rstrip().split("\r\n")
        found = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        content = await self.reader.readexactly(int(found.get("content-length", 0)))
        return Reply(int(first.split(" ")[1]), found, content)


async def exchange(port: int, host: str, path: str, tls: ssl.SSLContext | None = None) -> Reply:
    """One request over a connection of its own."""
    more = {"ssl": tls, "server_hostname": host} if tls else {}
    reader, writer = await asyncio.open_connection("127.0.0.1", port, **more)
    try:
        return await Connection(host, reader, writer).ask(path)
    finally:
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):  # the other side was faster
        await writer.wait_closed()


def _rule(text: str) -> dict[str, Any]:
    where, kind, backend = text.split(" ")
    host, slash, path = where.partition("/")
    service, _, port = backend.partition(":")
    wanted = {"name": port} if port and not port.isdigit() else {"number": int(port or 80)}
    one = {
        "path": slash + path,
        "pathType": kind,
        "backend": {"service": {"name": service, "port": wanted}},
    }
    return {"host": host, "http": {"paths": [one]}} if host else {"http": {"paths": [one]}}


def run(tmp_path: Path, scenario: Callable[[World], Coroutine[Any, Any, None]]) -> None:
    """The agent is the scenario's to start. Nothing is left: no process, no mount, no task."""

    async def whole() -> None:
        store, (http, https) = await open_store("memory://"), free_ports(2)
        folder = Folder(tmp_path / "ingress")
        haproxy = HAProxy(folder, tmp_path / "ingress.log", tmp_path / "ingress.json")
        setting = Setting(
            http=http, https=https, address="127.0.0.1", user="haproxy", jail=folder.jail
        )
        try:
            with pod_addresses(8) as given:
                # Of the same range, so that a test may have a service whose address is there.
                ranges = Ranges(services=IPv4Network(f"{given[0]}/24", strict=False))
                async with (
                    serving(store, grpc=False, ranges=ranges) as server,
                    AsyncExitStack() as stack,
                ):
                    await server.client.create(Node(metadata=ObjectMeta(name=NODE)))
                    async with asyncio.timeout(PATIENCE):
                        await scenario(World(server.client, haproxy, setting, given, stack))
        finally:
            process = haproxy.process()
            await haproxy.stop()
            folder.remove()
            await store.close()
        assert process is None or not process.alive()
        assert not folder.root.exists()
        await nothing_left()

    asyncio.run(whole())


# Certificates


def certificate(*names: str, days: int = 1, key: Any = None) -> tuple[bytes, bytes]:
    """Signed by itself, for these hosts; it and its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    form = (serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())
    pem = serialization.Encoding.PEM
    return signed.public_bytes(pem), key.private_bytes(pem, *form)


def trusting(pem: bytes) -> ssl.SSLContext:
    """A client that believes this certificate and no other."""
    return ssl.create_default_context(cadata=pem.decode())


def credulous() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


HAS_HAPROXY = shutil.which("haproxy", path="/usr/sbin:/usr/local/sbin:/usr/bin:/sbin") is not None
