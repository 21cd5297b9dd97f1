"""What a container is told of the Services, and that it is told before it starts, with or without a server (S#89)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from api.informer import Informer
from node_agent import servicesource
from node_agent.pods.env import Surroundings, environment
from node_agent.pods.facts import ConfigError, NodeFacts
from node_agent.pods.servicelinks import variables
from node_agent.servicesource import ServiceSource, read, write
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod
from tests import fake_time
from tests.manifests import container, created


def service(name: str = "redis-primary", namespace: str = "default", **spec: Any) -> Service:
    fields = {"clusterIP": "10.0.0.11", "ports": [{"port": 6379}], **spec}
    made: Service = created(
        "Service", {"metadata": {"name": name, "namespace": namespace}, "spec": fields}
    )
    return made


def pod(namespace: str = "default", **spec: Any) -> Pod:
    made: Pod = created("Pod", {"metadata": {"namespace": namespace}, "spec": spec})
    return made


def test_the_variables_of_a_service() -> None:
    assert variables([service()], pod()) == {
        "REDIS_PRIMARY_SERVICE_HOST": "10.0.0.11",
        "REDIS_PRIMARY_SERVICE_PORT": "6379",
        "REDIS_PRIMARY_PORT": "tcp://10.0.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP": "tcp://10.0.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP_PROTO": "tcp",
        "REDIS_PRIMARY_PORT_6379_TCP_PORT": "6379",
        "REDIS_PRIMARY_PORT_6379_TCP_ADDR": "10.0.0.11",
    }


def test_named_ports_have_variables_of_their_own() -> None:
    ports = [{"name": "http-alt", "port": 80}, {"name": "dns", "port": 53, "protocol": "UDP"}]
    told = variables([service("web", ports=ports)], pod())
    assert told["WEB_SERVICE_PORT"] == told["WEB_SERVICE_PORT_HTTP_ALT"] == "80"
    assert told["WEB_SERVICE_PORT_DNS"] == "53"
    assert told["WEB_PORT"] == "tcp://10.0.0.11:80"
    assert told["WEB_PORT_53_UDP"] == "udp://10.0.0.11:53"


KUBERNETES = service("kubernetes", clusterIP="10.0.0.1", ports=[{"name": "https", "port": 443}])


@pytest.mark.parametrize(
    ("about", "names"),
    [
        (pod("shop"), {"KUBERNETES", "CART"}),
        (pod("shop", enableServiceLinks=False), {"KUBERNETES"}),
        (pod("default"), {"KUBERNETES", "REDIS_PRIMARY"}),
        (pod("other"), {"KUBERNETES"}),
    ],
)
def test_which_services_a_pod_is_told_of(about: Pod, names: set[str]) -> None:
    known = [
        KUBERNETES,
        service(),
        service("cart", "shop"),
        service("headless", "shop", clusterIP="None"),
        service(
            "elsewhere", "shop", clusterIP="", type="ExternalName", externalName="a.example.com"
        ),
    ]
    told = variables(known, about)
    assert {
        key.removesuffix("_SERVICE_HOST") for key in told if key.endswith("_SERVICE_HOST")
    } == names


def test_a_service_kubernetes_of_ones_own_goes_before() -> None:
    own = service("kubernetes", "shop", clusterIP="10.0.0.99")
    assert variables([KUBERNETES, own], pod("shop"))["KUBERNETES_SERVICE_HOST"] == "10.0.0.99"


def test_what_the_pod_says_goes_before_and_may_refer_to_it() -> None:
    said = [
        {"name": "A_PORT", "value": "mine"},
        {"name": "URL", "value": "http://$(A_SERVICE_HOST)/"},
    ]
    about = created("Pod", container(env=said))
    links = {"A_PORT": "tcp://10.0.0.5:80", "A_SERVICE_HOST": "10.0.0.5"}
    around = Surroundings(NodeFacts("n1", "", {}), "", {}, links)
    told = environment(about.spec.containers[0], about, around)
    assert told == {"A_PORT": "mine", "A_SERVICE_HOST": "10.0.0.5", "URL": "http://10.0.0.5/"}


def test_the_memory_gives_back_what_was_written(tmp_path: Path) -> None:
    known = [KUBERNETES, service()]
    write(tmp_path / "services", known)
    assert read(tmp_path / "services") == known
    assert [path.name for path in tmp_path.iterdir()] == ["services"]


class Server:
    """Tells its services as soon as it is there."""

    def __init__(self) -> None:
        self.there = asyncio.Event()

    async def list(self, *_: Any, **__: Any) -> Any:
        await self.there.wait()
        return type("Listing", (), {"items": [KUBERNETES], "version": "7"})

    async def watch(self, *_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()
        yield []


def run(scenario: Any, memory: Path) -> None:
    async def whole() -> None:
        server: Any = Server()
        informer = Informer(server, Service)
        source = ServiceSource(informer, memory)
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(informer.run())
            await scenario(server, source)
            running.cancel()

    fake_time.run(whole())


def test_a_container_waits_for_a_server_that_comes(tmp_path: Path) -> None:
    async def scenario(server: Server, source: ServiceSource) -> None:
        asyncio.get_running_loop().call_later(5, server.there.set)
        assert (await source.variables(pod()))["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"

    run(scenario, tmp_path / "services")


def test_it_does_not_start_without(tmp_path: Path) -> None:
    async def scenario(server: Server, source: ServiceSource) -> None:
        with pytest.raises(ConfigError, match="services have not yet been read at least once"):
            await source.variables(pod())

    run(scenario, tmp_path / "services")


def test_an_agent_that_starts_without_a_server_remembers(tmp_path: Path) -> None:
    async def before(server: Server, source: ServiceSource) -> None:
        server.there.set()
        await source.variables(pod())

    async def after(server: Server, source: ServiceSource) -> None:
        began = asyncio.get_running_loop().time()
        assert (await source.variables(pod()))["KUBERNETES_SERVICE_HOST"] == "10.0.0.1"
        assert asyncio.get_running_loop().time() - began <= servicesource.SHORT

    run(before, tmp_path / "services")
    run(after, tmp_path / "services")
