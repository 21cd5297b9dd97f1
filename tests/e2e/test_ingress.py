"""Ingresses through a real HAProxy to real web servers: who asks for what gets to whom (S#90)."""

import asyncio
import os
import signal
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from node_agent.network.ingress import haproxy as program
from node_agent.network.ingress.certificates import OWN_NAME
from node_agent.network.ingress.node import switched_off
from node_agent.options import AgentOptions
from node_agent.processes import terminate
from proto.v1.cluster_pb2 import Node
from proto.v1.config_pb2 import Secret
from proto.v1.network_pb2 import Ingress, Service
from tests.apiserver import until
from tests.ingress_world import (
    NODE,
    Connection,
    World,
    certificate,
    credulous,
    eventually,
    run,
    trusting,
)
from tests.webpods import web_pod

pytestmark = pytest.mark.root


def test_hosts_and_paths_lead_to_services(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for name in ("web", "api", "any", "wild"):
            await world.service(name, name)
        await world.ingress("one", "shop.test/ Prefix web", "shop.test/api Prefix api:http")
        await world.ingress("two", "*.shop.test/ Prefix wild", "/any Exact any")
        async with world.agent():
            await world.until("shop.test/", "web")
            answers = {
                "shop.test/": "web",
                "shop.test/api": "api",
                "shop.test/api/": "api",
                "shop.test/api/v1?x=/y": "api",
                "shop.test/apis": "web",
                "SHOP.test:80/api": "api",
                "shop.test./api": "api",
                "a.shop.test/": "wild",
                "a.b.shop.test/": "404",
                "other.test/any": "any",
                "other.test/any/": "404",
                "a.shop.test/any": "wild",
            }
            found = {url: (await world.get(url)).pod for url in answers}
            assert found == answers
            reply = await world.get("other.test/")
            assert reply.body == b"404: no ingress has a rule for this host and path.\n"

    run(tmp_path, scenario)


def test_services_that_are_missing_or_have_nobody_behind_them_cost_only_their_own_paths(
    tmp_path: Path,
) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.service("empty")
        outside = {"type": "ExternalName", "externalName": "elsewhere.test"}
        await world.apply(Service, {"metadata": {"name": "outside"}, "spec": outside})
        await world.ingress(
            "one",
            "a.test/ Prefix web",
            "a.test/empty Prefix empty",
            "a.test/gone Prefix gone",
            "a.test/port Prefix web:nowhere",
            "a.test/outside Prefix outside",
            "a.test/bad\tpath ImplementationSpecific web",
        )
        async with world.agent():
            await world.until("a.test/", "web")
            for path in ("empty", "gone", "port", "outside"):
                assert (await world.get(f"a.test/{path}/x")).status == 503
            await world.until_event("PathNotServed", "one")
            for service in ("gone", "web", "outside"):
                await until_event_says(world, "one", f'the service "{service}"')
            told = " ".join(message for _, reason, message in await world.events())
            assert 'the service "gone" does not exist' in told
            assert 'the service "web" has no TCP port nowhere; it has 80 (http)' in told
            assert 'the service "outside" is of the type ExternalName' in told
            before = await world.worker()
            await world.service("empty", "late")
            await world.until("a.test/empty", "late")
            assert await world.worker() == before
            await world.service("gone", "back")
            await world.until("a.test/gone", "back")

    run(tmp_path, scenario)


def test_default_backends(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        for name in ("web", "own", "all"):
            await world.service(name, name)
        own = {"service": {"name": "own", "port": {"number": 80}}}
        everything = {"service": {"name": "all", "port": {"number": 80}}}
        await world.ingress("one", "a.test/web Prefix web", defaultBackend=own)
        async with world.agent():
            await world.until("a.test/web", "web")
            assert (await world.get("a.test/x")).pod == "own"
            assert (await world.get("b.test/x")).pod == "404"
            await world.ingress("two", rules=[], defaultBackend=everything)
            await world.until("b.test/x", "all")
            assert (await world.get("a.test/x")).pod == "own"

    run(tmp_path, scenario)


def shown(pem: bytes) -> str:
    """A serial number, to tell certificates apart."""
    return str(x509.load_pem_x509_certificate(pem).serial_number)


async def shows(world: World, host: str, sni: str = "") -> str:
    async with world.connected(host, tls=credulous(), sni=sni) as connection:
        transport = connection.writer.get_extra_info("ssl_object")
        found = x509.load_der_x509_certificate(transport.getpeercert(binary_form=True))
        return str(found.serial_number)


async def until_shown(world: World, host: str, pem: bytes) -> None:
    while True:
        try:
            if await shows(world, host) == shown(pem):
                return
        except OSError:  # not there yet
            pass
        await asyncio.sleep(0.02)


def test_each_name_gets_its_certificate(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        one, wild, other = (certificate(name) for name in ("a.test", "*.b.test", "c.test"))
        for name, pair in (("one", one), ("wild", wild), ("other", other)):
            await world.secret(name, *pair)
        tls = [
            {"hosts": ["a.test"], "secretName": "one"},
            {"hosts": ["*.b.test"], "secretName": "wild"},
        ]
        await world.ingress(
            "in", "a.test/ Prefix web", "*.b.test/ Prefix web", "c.test/ Prefix web", tls=tls
        )
        async with world.agent():
            await until_shown(world, "a.test", one[0])
            assert (await world.get("a.test/x", tls=trusting(one[0]))).pod == "web"
            assert (await world.get("x.b.test/x", tls=trusting(wild[0]))).pod == "web"
            with pytest.raises(ssl.SSLError):
                await world.get("x.b.test/x", tls=trusting(one[0]))
            own = await shows(world, "c.test")
            assert own not in (shown(one[0]), shown(wild[0]))
            assert await shows(world, "x.x.b.test") == own
            # Without hosts, a certificate is for the names that it holds.
            await world.ingress("in2", "c.test/ Prefix web", tls=[{"secretName": "other"}])
            await until_shown(world, "c.test", other[0])
            # A new certificate in the Secret is taken up.
            renewed = certificate("a.test")
            await world.secret("one", *renewed)
            await until_shown(world, "a.test", renewed[0])

    run(tmp_path, scenario)


def test_http_is_sent_to_https_where_there_is_a_certificate(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        pair = certificate("a.test", "b.test")
        await world.secret("one", *pair)
        tls = [{"hosts": ["a.test", "b.test"], "secretName": "one"}]
        off = {"nginx.ingress.kubernetes.io/ssl-redirect": "false"}
        await world.ingress("sent", "a.test/ Prefix web", "c.test/ Prefix web", tls=tls)
        await world.ingress("not", "b.test/ Prefix web", tls=tls, annotations=off)
        async with world.agent():
            await world.until("c.test/", "web")
            reply = await world.get("a.test/x?y=z")
            assert reply.status == 308
            assert reply.headers["location"] == f"https://a.test:{world.setting.https}/x?y=z"
            assert (await world.get("b.test/x")).pod == "web"
            assert (await world.get("b.test/x", tls=trusting(pair[0]))).pod == "web"
            assert "strict-transport-security" not in reply.headers

    run(tmp_path, scenario)


def test_pods_learn_who_asked_and_how(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        pair = certificate("a.test")
        await world.secret("one", *pair)
        await world.ingress("in", "a.test/ Prefix web", tls=[{"secretName": "one"}])
        async with world.agent():
            await until_shown(world, "a.test", pair[0])
            async with world.connected("a.test", tls=trusting(pair[0])) as connection:
                reply = await connection.ask(
                    "/", X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="gopher"
                )
            headers = reply.told["headers"]
            told = {
                name: headers[f"x-forwarded-{name}"] for name in ("for", "proto", "port", "host")
            }
            port = str(world.setting.https)
            assert told == {"for": "127.0.0.1", "proto": "https", "port": port, "host": "a.test"}

    run(tmp_path, scenario)


def test_http2_at_the_front_and_connections_that_are_upgraded(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "web")
            context = credulous()
            context.set_alpn_protocols(["h2", "http/1.1"])
            async with world.connected("a.test", tls=context) as connection:
                chosen = connection.writer.get_extra_info("ssl_object").selected_alpn_protocol()
                assert chosen == "h2"
            async with world.connected("a.test") as connection:
                upgrade = {
                    "Connection": "Upgrade",
                    "Upgrade": "websocket",
                    "Sec_WebSocket_Version": "13",
                }
                reply = await connection.ask(
                    "/ws", **upgrade, Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ=="
                )
                assert reply.status == 101
                connection.writer.write(b"hello")
                assert await connection.reader.readexactly(5) == b"HELLO"
                # A new configuration does not end it.
                await world.ingress("more", "b.test/ Prefix web")
                await world.until("b.test/", "web")
                connection.writer.write(b"again")
                assert await connection.reader.readexactly(5) == b"AGAIN"

    run(tmp_path, scenario)


def test_a_bad_secret_costs_nobody_else_anything(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        good, other = certificate("a.test"), certificate("b.test")
        await world.secret("good", *good)
        await world.secret("bad", other[0], good[1])  # somebody else's key
        await world.ingress(
            "fine", "a.test/ Prefix web", tls=[{"hosts": ["a.test"], "secretName": "good"}]
        )
        await world.ingress(
            "ill", "b.test/ Prefix web", tls=[{"hosts": ["b.test"], "secretName": "bad"}]
        )
        await world.ingress(
            "none", "c.test/ Prefix web", tls=[{"hosts": ["c.test"], "secretName": "gone"}]
        )
        async with world.agent():
            await until_shown(world, "a.test", good[0])
            assert (await world.get("b.test/", tls=credulous())).pod == "web"
            told = await world.until_event("CertificateNotUsable", "ill")
            assert told.startswith('the Secret "bad": tls.key is not the key of the certificate')
            told = await world.until_event("SecretNotFound", "none")
            assert told.startswith('the Secret "gone": it does not exist')
            # It is mended: taken up at once.
            await world.secret("bad", *other)
            await until_shown(world, "b.test", other[0])
            # It breaks again: what was good is kept.
            await world.secret("bad", b"nonsense", other[1])
            await until_event_says(world, "ill", "the certificate before is kept")
            assert await shows(world, "b.test") == shown(other[0])
            assert await shows(world, "a.test") == shown(good[0])
            # An old one is shown, and said to be old.
            old = certificate("b.test", days=-1)
            await world.secret("bad", *old)
            await until_shown(world, "b.test", old[0])
            assert "expired" in await world.until_event("CertificateExpired", "ill")

    run(tmp_path, scenario)


async def until_event_says(world: World, name: str, words: str) -> None:
    async def said() -> bool:
        return any(who == name and words in message for who, _, message in await world.events())

    await eventually(said)


def test_what_only_haproxy_refuses_is_left_out_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that OpenSSL finds too short; here nobody finds it before."""

    async def scenario(world: World) -> None:
        monkeypatch.setattr("node_agent.network.ingress.certificates.SHORTEST_RSA", 512)
        await world.service("web", "web")
        short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
        good = certificate("a.test")
        await world.secret("good", *good)
        await world.secret("bad", *certificate("b.test", key=short))
        await world.ingress(
            "fine", "a.test/ Prefix web", tls=[{"hosts": ["a.test"], "secretName": "good"}]
        )
        await world.ingress(
            "ill", "b.test/ Prefix web", tls=[{"hosts": ["b.test"], "secretName": "bad"}]
        )
        async with world.agent():
            await until_shown(world, "a.test", good[0])
            assert "HAProxy refuses it" in await world.until_event("CertificateNotUsable", "ill")
            assert (await world.get("b.test/", tls=credulous())).pod == "web"

    run(tmp_path, scenario)


@dataclass
class Load:
    """Clients that ask again and again over connections that stay open; what they got."""

    world: World
    answers: list[str] = field(default_factory=list)
    stopped: bool = False

    async def client(self, host: str, path: str) -> None:
        while not self.stopped:
            async with self.world.connected(host) as connection:
                while await self._ask(connection, path):
                    pass

    async def _ask(self, connection: Connection, path: str) -> bool:
        """Whether the connection stays open."""
        try:
            reply = await connection.ask(path)
        except (OSError, EOFError) as error:
            self.answers.append(repr(error))
            return False
        self.answers.append(reply.pod)
        return not self.stopped and reply.headers.get("connection") != "close"


@asynccontextmanager
async def under_load(world: World, host: str, path: str = "/") -> AsyncIterator[Load]:
    load = Load(world)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(8):
            tasks.create_task(load.client(host, path))
        try:
            yield load
        finally:
            load.stopped = True


async def more(load: Load, count: int = 200) -> None:
    """So many more answers, whatever they are."""
    goal = len(load.answers) + count
    await until(lambda: len(load.answers) >= goal)


def test_a_reload_under_load_loses_no_request(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "web")
            workers = {await world.worker()}
            async with under_load(world, "a.test") as load:
                for number in range(5):
                    await more(load)
                    await world.ingress("more", f"b{number}.test/ Prefix web")
                    await world.until(f"b{number}.test/", "web")
                    workers.add(await world.worker())
                await more(load)
            assert len(workers) == 6
            assert set(load.answers) == {"web"}

    run(tmp_path, scenario)


def test_pods_come_and_go_under_load_without_a_reload_and_without_a_lost_request(
    tmp_path: Path,
) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "p1", "p2")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "p1")
            before = await world.worker()
            async with under_load(world, "a.test") as load:
                for old, kept, new in (("p1", "p2", "p3"), ("p2", "p3", "p4"), ("p3", "p4", "p1")):
                    await more(load)
                    await world.service("web", kept, new, leaving=[old])
                    await world.until_current()
                    world.pods[old].hang_up()  # every connection to it, busy or idle
                    asked = world.pods[old].asked
                    await more(load)
                    assert world.pods[old].asked == asked
                    await world.service("web", kept, new)
                await more(load)
            assert set(load.answers) == {"p1", "p2", "p3", "p4"}
            assert await world.worker() == before

    run(tmp_path, scenario)


def test_more_pods_than_there_is_room_for_make_room(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "p1")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "p1")
            async with under_load(world, "a.test") as load:
                await more(load)
                names = [f"p{number}" for number in range(1, 8)]
                await world.service("web", *names)
                await until(lambda: set(load.answers) == set(names))

    run(tmp_path, scenario)


def test_a_request_ends_with_the_pod_it_began_with(tmp_path: Path) -> None:
    """A pod that leaves finishes what it has; so does one in the configuration before."""

    async def scenario(world: World) -> None:
        await world.service("web", "old")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "old")
            first = asyncio.create_task(world.get("a.test/slow"))
            await until(lambda: world.pods["old"].slow == 1)
            await world.service("web", "new", leaving=["old"])
            await world.until("a.test/", "new")
            await world.ingress("more", "b.test/ Prefix web")
            await world.until("b.test/", "new")
            assert not first.done()
            world.pods["old"].release.set()
            assert (await first).pod == "old"

    run(tmp_path, scenario)


def test_a_client_of_the_worker_before_is_not_led_to_a_pod_that_has_ended(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        virtual = world.addresses.pop()
        await world.stack.enter_async_context(web_pod("whoever is there", virtual, 80))
        await world.service("web", "old", address=virtual)
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "old")
            async with world.connected("a.test") as idle:
                assert (await idle.ask("/")).pod == "old"
                await world.ingress("more", "b.test/ Prefix web")
                await world.until("b.test/", "old")
                await world.service("web", "new", leaving=["old"])
                await world.until_current()
                reply = await idle.ask("/")
                assert (reply.pod, reply.headers.get("connection")) == ("whoever is there", "close")

    run(tmp_path, scenario)


def test_only_what_may_be_repeated_is_repeated(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "p1", "p2")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "p1")

            async def asked(method: str) -> int:
                before = sum(pod.asked for pod in world.pods.values())
                async with world.connected("a.test") as connection:
                    assert (await connection.ask("/hang-up", method)).status == 502
                return sum(pod.asked for pod in world.pods.values()) - before

            assert await asked("GET") > 1
            assert await asked("POST") == 1

    run(tmp_path, scenario)


def test_the_next_agent_takes_up_the_haproxy_that_runs(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "p1")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "p1")
            before = await world.worker()
        async with under_load(world, "a.test") as load:
            await more(load)
            async with world.agent():
                await world.service("web", "p2")
                await until(lambda: "p2" in load.answers)
                assert await world.worker() == before
            await more(load)
        assert set(load.answers) == {"p1", "p2"}

    run(tmp_path, scenario)


def test_haproxy_that_dies_is_started_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "web")
            process = world.haproxy.process()
            assert process is not None
            os.kill(process.pid, signal.SIGKILL)
            await until(lambda: world.haproxy.process() not in (None, process))
            await world.until("a.test/", "web")

    run(tmp_path, scenario)


async def announced(world: World, *, yes: bool = True) -> bool:
    """Whether the node says that it serves; or, that it does not."""
    node = await world.client.get(Node, NODE)
    ports = f"{world.setting.http},{world.setting.https}" if yes else ""
    return node.metadata.annotations.get("helmling.dev/ingress-ports", "") == ports


def test_nothing_runs_before_the_first_ingress_nor_after_the_last(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.secret("one", *certificate("a.test"))
        async with world.agent():
            await world.until_current()
            assert world.haproxy.process() is None
            assert not world.haproxy.folder.root.exists()
            await world.ingress("in", "a.test/ Prefix web", tls=[{"secretName": "one"}])
            await eventually(lambda: announced(world))
            folder, process = world.haproxy.folder, world.haproxy.process()
            assert process is not None
            keys = [
                each for each in folder.root.rglob("*.pem") if b"PRIVATE KEY" in each.read_bytes()
            ]
            assert len({each.resolve() for each in keys}) == 2  # its own, and the Secret's
            assert {each.stat().st_mode & 0o777 for each in keys} == {0o600}
            assert folder.root.is_mount()
            workers = await world.haproxy.console.workers()
            uids = {os.stat(f"/proc/{each.pid}").st_uid for each in workers}
            assert 0 not in uids
            await world.client.delete(Secret, "one", "default")
            await until(
                lambda: len(list(folder.root.glob("*/*.pem"))) == 2
            )  # `current` is a link: one file
            await world.client.delete(Ingress, "in", "default")
            await until(lambda: not folder.root.exists())
            assert not process.alive()
            await eventually(lambda: announced(world, yes=False))

    run(tmp_path, scenario)


def test_an_agent_that_serves_no_more_ends_what_was_served(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "web")
            await eventually(lambda: announced(world))
        process = world.haproxy.process()
        assert process is not None
        await switched_off(AgentOptions(node=NODE, data_dir=tmp_path, ingress="off"), world.client)
        assert not process.alive()
        assert not world.haproxy.folder.root.exists()
        assert await announced(world, yes=False)

    run(tmp_path, scenario)


def test_a_port_that_somebody_has_is_said_and_tried_again(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        with socket.create_server(("127.0.0.1", world.setting.http)):
            async with asyncio.TaskGroup() as tasks:
                holding = tasks.create_task(asyncio.Event().wait())
                async with world.agent():
                    told = await world.until_event("IngressNotServed", "in")
                    assert f"port {world.setting.http} of this node cannot be opened" in told
                    assert "--ingress-http-port" in told
                holding.cancel()
        async with world.agent():
            await world.until("a.test/", "web")

    run(tmp_path, scenario)


def test_without_haproxy_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        monkeypatch.setattr(program, "search_path", lambda: "/nowhere")
        async with world.agent():
            told = await world.until_event("IngressNotServed", "in")
            assert "apt-get install haproxy" in told
            monkeypatch.undo()
            await world.until("a.test/", "web")

    run(tmp_path, scenario)


def test_a_configuration_that_haproxy_refuses_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "p1")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "p1")
            with monkeypatch.context() as broken:
                broken.setattr(
                    "node_agent.network.ingress.render.LAST", "\nbackend nobody\n  nonsense\n"
                )
                await world.ingress("more", "b.test/ Prefix web")
                assert "nonsense" in await world.until_event("ConfigurationRefused")
                await world.service("web", "p2")  # pods are kept up to date all the same
                await world.until("a.test/", "p2")
                assert (await world.get("b.test/")).pod == "404"
            await world.ingress("more", "c.test/ Prefix web")
            await world.until("c.test/", "p2")

    run(tmp_path, scenario)


def test_the_own_certificate_is_the_proxys(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.service("web", "web")
        await world.ingress("in", "a.test/ Prefix web")
        async with world.agent():
            await world.until("a.test/", "web")
            own = await shows(world, "a.test")
            async with world.connected("a.test", tls=credulous()) as connection:
                found = connection.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                assert OWN_NAME in x509.load_der_x509_certificate(found).subject.rfc4514_string()
            await world.ingress("more", "b.test/ Prefix web")
            await world.until("b.test/", "web")
            assert await shows(world, "b.test") == own
        process = world.haproxy.process()
        assert process is not None
        terminate(process, 10)

    run(tmp_path, scenario)
