"""A whole cluster with real containers behind an Ingress: its example, and rollouts under load that lose no request."""

import asyncio
import base64
import ssl
from collections.abc import Iterator

import docker
import pytest

from node_agent.images import ensure
from node_agent.images.recipes import PAUSE, hello
from tests.addresses import service_range
from tests.e2e.cli_runner import ROOT, Cli, cluster
from tests.ingress_world import Connection, Reply, closed, credulous, exchange, free_ports
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.root]
HTTP, HTTPS = free_ports(2)
EXAMPLE = str(ROOT / "examples/23-ingress.yaml")
HOST = "parcels.test"


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    engine = docker.from_env()
    for recipe in (PAUSE, hello("v1"), hello("v2")):
        ensure(engine, recipe)
    engine.close()


@pytest.fixture(scope="module")
def cli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    options = [f"--service-cidr={service_range()}", f"--ingress-http-port={HTTP}"]
    folder = tmp_path_factory.mktemp("ingress")
    with cluster(folder, *options, f"--ingress-https-port={HTTPS}") as one:
        one.ok("apply", "-f", EXAMPLE)
        for name in ("parcels", "tracking"):
            one.ok("rollout", "status", f"deploy/{name}", "--timeout=120s")
        yield one


def get(path: str, tls: ssl.SSLContext | None) -> Reply:
    return asyncio.run(exchange(HTTPS if tls else HTTP, HOST, path, tls))


def answers(path: str, text: bytes, tls: ssl.SSLContext | None) -> bool:
    try:
        return text in get(path, tls).body
    except (OSError, EOFError):
        return False


def secret_of(cli: Cli) -> str:
    words = ("get", "secret", "parcels-test", "-o", "json")
    return base64.b64decode(cli.ok(*words).json()["data"]["tls.crt"]).decode()


def test_the_example(cli: Cli) -> None:
    trusting = ssl.create_default_context(cadata=secret_of(cli))
    eventually(lambda: answers("/version", b"v1", trusting))
    eventually(lambda: get("/track/version", trusting).status != 503)
    reply = get("/version", None)
    assert reply.headers["location"] == f"https://{HOST}:{HTTPS}/version"
    eventually(lambda: "127.0.0.1" in cli.ok("get", "ingress", "parcels").out)


@pytest.mark.parametrize("keep", [True, False])
def test_a_rollout_through_the_ingress_drops_no_request(cli: Cli, keep: bool) -> None:
    cli.ok("set", "image", "deploy/parcels", "hello=helmling/hello:v1")
    cli.ok("scale", "deploy/parcels", "--replicas=4")
    cli.ok("rollout", "status", "deploy/parcels", "--timeout=120s")
    eventually(lambda: answers("/version", b"v1", credulous()))
    found: list[str] = []

    async def client(done: asyncio.Event) -> None:
        while not done.is_set():
            try:
                await ask(done)
            except (OSError, EOFError) as error:
                found.append(repr(error))

    async def ask(done: asyncio.Event) -> None:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", HTTPS, ssl=credulous(), server_hostname=HOST
        )
        try:
            connection = Connection(HOST, reader, writer)
            while True:
                reply = await connection.ask("/version")
                good = reply.status == 200
                found.append(reply.body.decode().strip() if good else str(reply.status))
                if done.is_set() or not keep or reply.headers.get("connection") == "close":
                    return
        finally:
            await closed(writer)

    async def scenario() -> None:
        done = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(4):
                tasks.create_task(client(done))
            await more()
            await asyncio.to_thread(
                cli.ok, "set", "image", "deploy/parcels", "hello=helmling/hello:v2"
            )
            await asyncio.to_thread(cli.ok, "rollout", "status", "deploy/parcels", "--timeout=180s")
            await more()
            done.set()

    async def more() -> None:
        goal = len(found) + 100
        while len(found) < goal:  # noqa: ASYNC110
            await asyncio.sleep(0.01)

    asyncio.run(scenario())
    assert set(found) == {"v1", "v2"}


def test_down_ends_the_proxy(tmp_path_factory: pytest.TempPathFactory) -> None:
    http, https = free_ports(2)
    options = [f"--service-cidr={service_range()}", f"--ingress-http-port={http}"]
    folder = tmp_path_factory.mktemp("down")
    with cluster(folder, *options, f"--ingress-https-port={https}") as cli:
        cli.ok("create", "ingress", "in", "--rule=a.test/*=nobody:80", "--class=helmling")
        eventually(lambda: serves(http))
        cli.ok("down", "--keep-pods")
        assert serves(http)
        cli.ok("down")
        assert not serves(http)
        assert not (folder / "agent" / "ingress").exists()


def serves(port: int) -> bool:
    try:
        return asyncio.run(exchange(port, "a.test", "/")).status == 503
    except (OSError, EOFError):
        return False
