"""NetworkPolicies over real containers: probes, services, labels that change, agents that come and go (S#91)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.informer import Informers
from control_plane.controllers.endpointslice import main as endpointslices
from control_plane.controllers.networkpolicy import main as networkpolicies
from proto.v1.network_pb2 import NetworkPolicy, Service
from proto.v1.pod_pb2 import Container, Pod
from tests.agent_node import (
    HELLO,
    AgentProcess,
    RealNode,
    box,
    is_ready,
    on_node,
    pod,
)
from tests.manifests import read

pytestmark = [pytest.mark.docker, pytest.mark.root]


class _Silent:
    """What the controllers tell people is not what this is about."""

    def event(self, *args: Any, **more: Any) -> None: ...


@asynccontextmanager
async def controllers(node: RealNode) -> AsyncIterator[None]:
    informers = Informers(node.client)
    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(each)
            for each in (
                informers.run(),
                endpointslices.run(node.client, informers, _Silent()),  # type: ignore[arg-type]
                networkpolicies.run(node.client, informers),
            )
        ]
        yield
        for task in running:
            task.cancel()


def policy(name: str, **spec: Any) -> NetworkPolicy:
    made: NetworkPolicy = read("NetworkPolicy", {"metadata": {"name": name}, "spec": spec})
    return made


def labelled(**labels: str) -> dict[str, Any]:
    return {"podSelector": {"matchLabels": labels}}


DENY = policy("deny-all", policyTypes=["Ingress", "Egress"])
FRIENDS_COME_IN = policy(
    "web", **labelled(app="web"), ingress=[{"from": [labelled(role="friend")], "ports": [{"port": "http"}]}]
)  # fmt: skip
FRIENDS_GO_OUT = policy(
    "friends", **labelled(role="friend"), egress=[{"to": [labelled(app="web")]}]
)


def web() -> Pod:
    app = Container(name="app", image=HELLO)
    app.ports.add(name="http", containerPort=80)
    app.livenessProbe.httpGet.port.number_value = 80
    app.livenessProbe.periodSeconds = app.livenessProbe.failureThreshold = 1
    app.readinessProbe.CopyFrom(app.livenessProbe)
    made = pod(app)
    made.metadata.labels["app"] = "web"
    return made


def service() -> Service:
    made: Service = read(
        "Service", {"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}}}
    )
    del made.spec.ports[:]
    made.spec.ports.add(port=8080).targetPort.string_value = "http"
    return made


def client(name: str, script: str = "sleep 1000", **labels: str) -> Pod:
    made = pod(box("app", script), name=name)
    made.metadata.labels.update(labels)
    return made


def asking(address: str) -> str:
    """A command of a shell that succeeds if somebody answers there."""
    host, _, port = address.partition(":")
    get = r"printf 'GET / HTTP/1.0\r\n\r\n'"
    return f"{get} | nc -w 3 {host} {port or 80} 2>/dev/null | grep -q '200 OK'"


async def reaches(node: RealNode, who: str, address: str) -> bool:
    code, said = await node.run("sh", "-c", asking(address), pod=who)
    assert code in (0, 1), said
    return code == 0


async def until_reaches(node: RealNode, who: str, address: str, *, wanted: bool = True) -> None:
    while await reaches(node, who, address) != wanted:  # noqa: ASYNC110 (the kernel's to know)
        await asyncio.sleep(0.1)


def test_deny_all_then_by_label_to_the_pod_and_through_its_service(tmp_path: Path) -> None:
    async def scenario(node: RealNode) -> None:
        async with controllers(node):
            await node.client.create(DENY)
            made = await node.client.create(service())
            await node.create(web())
            for name, labels in (("friend", {"role": "friend"}), ("stranger", {})):
                await node.create(client(name, **labels))
            at = (
                await node.until(is_ready)
            ).status.podIP  # although all is denied: it is asked by the node
            for name in ("friend", "stranger"):
                await node.until(is_ready, name)
            ways = (at, f"{made.spec.clusterIP}:8080")
            assert not any([await reaches(node, "friend", way) for way in ways])

            await node.client.create(FRIENDS_COME_IN)
            await node.client.create(FRIENDS_GO_OUT)
            for way in ways:
                await until_reaches(node, "friend", way)
                assert not await reaches(node, "stranger", way)
            patch = {"metadata": {"labels": {"role": "friend"}}}
            await node.client.patch(Pod, "stranger", "default", patch, patch_type="merge")
            for way in ways:
                await until_reaches(node, "stranger", way)
            await node.client.delete(NetworkPolicy, "web", "default")
            await until_reaches(node, "stranger", at, wanted=False)
            seen = await node.pod()
            assert is_ready(seen)
            assert [each.restartCount for each in seen.status.containerStatuses] == [0]

    on_node(tmp_path, scenario)


def test_a_new_pod_never_talks_before_its_policies_are_in_the_kernel(tmp_path: Path) -> None:
    """It tries from its first moment on."""

    async def scenario(node: RealNode) -> None:
        async with controllers(node):
            await node.create(web())
            at = (await node.until(is_ready)).status.podIP
            await node.client.create(
                policy("out", **labelled(role="hasty"), policyTypes=["Egress"])
            )
            once = f"{asking(at)} && echo REACHED"
            script = f"for i in $(seq 12); do {once}; done; echo DONE; sleep 1000"
            for number in range(3):
                name = f"hasty-{number}"
                await node.create(client(name, script, role="hasty"))
            for number in range(3):
                name = f"hasty-{number}"
                await node.until(is_ready, name)
                while "DONE" not in (said := await node.logs(name)):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
                assert "REACHED" not in said

    on_node(tmp_path, scenario)


def test_rules_stay_while_there_is_no_agent_and_no_server_and_the_next_agent_takes_them_over(
    tmp_path: Path,
) -> None:
    async def scenario(node: RealNode) -> None:
        async with controllers(node):
            agent = AgentProcess(node.options)
            try:
                await node.client.create(FRIENDS_COME_IN)
                await node.create(web())
                await node.create(client("stranger"))
                await node.create(client("friend", role="friend"))
                at = (await node.until(is_ready)).status.podIP
                for name in ("stranger", "friend"):
                    await node.until(is_ready, name)
                await until_reaches(node, "friend", at)
                agent.kill()
                agent = AgentProcess(node.options)
                await node.create(client("late"))
                await node.until(is_ready, "late")
                for name in ("stranger", "late"):
                    assert not await reaches(node, name, at)
                await until_reaches(node, "friend", at)
            finally:
                agent.stop()

    on_node(tmp_path, scenario, agent=False)
