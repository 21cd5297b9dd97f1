"""A real node for tests: an API server in this process, a real agent over real Docker, and a check that nothing stays.

The agent runs in this process, or as a process of its own that can be killed. Every node has a cluster name, a data
directory and a pod range of its own, so tests do not see each other, nor anybody else's containers.
"""

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker
import grpc
import grpc.aio

from api import rpc
from api.client import Client, Delete, Selection
from api.errors import NotFound
from api.identities import agent_host
from control_plane.store.open import open_store
from node_agent.agent import Agent
from node_agent.main import remove_all, running, serve
from node_agent.options import AgentOptions
from proto.v1.cluster_pb2 import Event, Node
from proto.v1.meta_pb2 import ObjectMeta
from proto.v1.pod_pb2 import Container, Pod, PodSpec
from proto.v1.service_pb2 import ContainerTarget, ExecOpen, ExecRequest, LogsRequest
from tests import addresses, pki
from tests.apiserver import serving

PATIENCE = 90  # seconds for a whole scenario
BOX, HELLO = "helmling/box:1", "helmling/hello:v1"
_numbers = itertools.count()


@dataclass
class RealNode:
    client: Client
    options: AgentOptions

    async def create(self, pod: Pod) -> Pod:
        return await self.client.create(pod)

    async def pod(self, name: str = "web") -> Pod:
        return await self.client.get(Pod, name, "default")

    async def until(self, holds: Callable[[Pod], bool], name: str = "web") -> Pod:
        """The pod, as soon as this is true of it."""
        while True:
            found = await self.pod(name)
            if holds(found):
                return found
            await asyncio.sleep(0.05)

    async def delete(self, name: str = "web", grace: int | None = None) -> None:
        """And wait until it is gone."""
        await self.client.delete(Pod, name, "default", Delete(grace=grace))
        while True:
            try:
                await self.pod(name)
            except NotFound:
                return
            await asyncio.sleep(0.05)

    async def events(self, name: str = "web") -> list[Event]:
        listing = await self.client.list(Event, Selection(namespace="default"))
        return [e for e in listing.items if e.involvedObject.name == name]

    async def until_event(self, reason: str, name: str = "web", *, container: str = "") -> Event:
        """An event about the pod, or about one of its containers."""
        path = f"spec.containers{{{container}}}"
        while True:
            for event in await self.events(name):
                if event.reason == reason and (
                    not container or event.involvedObject.fieldPath == path
                ):
                    return event
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def streams(self) -> AsyncIterator[Any]:
        """A stub of the agent's own service."""
        node = await self.client.get(Node, self.options.node)
        port = node.status.daemonEndpoints.kubeletEndpoint.Port
        options = [("grpc.ssl_target_name_override", agent_host(self.options.node))]
        shown = pki.admin().channel_credentials()
        async with grpc.aio.secure_channel(f"127.0.0.1:{port}", shown, options) as channel:
            yield rpc.aio_stub(channel, "Streams")

    async def logs(self, pod: str = "web", container: str = "", **how: Any) -> str:
        target = ContainerTarget(namespace="default", pod=pod, container=container)
        async with self.streams() as stub:
            call = stub.Logs(LogsRequest(target=target, **how))
            return b"".join([piece.data async for piece in call]).decode()

    async def run(self, *command: str, pod: str = "web", container: str = "") -> tuple[int, str]:
        """Exit code and output of a command in a container."""
        target = ContainerTarget(namespace="default", pod=pod, container=container)
        async with self.streams() as stub:
            call = stub.Exec(iter_of(ExecRequest(open=ExecOpen(target=target, command=command))))
            output, code = b"", -1
            async for answer in call:
                output += answer.stdout + answer.stderr
                if answer.HasField("exitCode"):
                    code = answer.exitCode
            return code, output.decode()

    def containers(self, *, all: bool = False) -> list[dict[str, Any]]:
        return containers(self.options.cluster, all=all)


async def iter_of(*messages: Any) -> AsyncIterator[Any]:
    for message in messages:
        yield message


def containers(cluster: str, *, all: bool = False) -> list[dict[str, Any]]:
    """What Docker has of a cluster, sandboxes left out."""
    client = docker.APIClient()
    try:
        labels = [f"helmling.dev/cluster={cluster}", "helmling.dev/kind=container"]
        return list(client.containers(all=all, filters={"label": labels}))
    finally:
        client.close()


Scenario = Callable[[RealNode], Coroutine[Any, Any, None]]
MakeAgent = Callable[[AgentOptions, Client], AbstractAsyncContextManager[Agent]]


def on_node(data_dir: Path, scenario: Scenario, *, agent: bool = True, **more: Any) -> None:
    """Run a scenario; `agent` False: it starts its own. Then see that nothing is left. `more`: options of the agent."""
    options = AgentOptions(
        node="n1",
        data_dir=data_dir,
        cluster=f"test-{os.getpid()}-{next(_numbers)}",
        pod_cidr=addresses.pod_range(),
        cluster_cidr=addresses.WHOLE,
        service_cidr=addresses.service_range(),
        **more,
    )
    asyncio.run(_whole(options, scenario, agent))
    nothing_left(options)


async def _whole(options: AgentOptions, scenario: Scenario, agent: bool) -> None:
    store = await open_store("memory://")
    try:
        async with serving(store, grpc=True) as api:
            mine = AgentOptions(**{**vars(options), "server": api.address})
            node = RealNode(api.client, mine)
            try:
                async with asyncio.timeout(PATIENCE):
                    if agent:
                        credentials = pki.node_credentials(mine.pki_dir, mine.node)
                        async with running(mine, api.client, credentials):
                            await scenario(node)
                    else:
                        await scenario(node)
            finally:
                await remove_all(mine)
    finally:
        await store.close()


def nothing_left(options: AgentOptions) -> None:
    """No container, link, rule, mount or file of the node."""
    client = docker.APIClient()
    try:
        label = f"helmling.dev/cluster={options.cluster}"
        assert client.containers(all=True, filters={"label": label}) == []
    finally:
        client.close()
    bridge = _network_name(options)
    assert bridge not in subprocess.check_output(["ip", "link"], text=True)
    assert bridge.removeprefix("hl-") not in subprocess.check_output(
        ["nft", "list", "tables"], text=True
    )
    assert str(options.data_dir) not in Path("/proc/self/mountinfo").read_text()
    assert [path for path in options.pods_dir.rglob("*") if path.exists()] == []


def _network_name(options: AgentOptions) -> str:
    from node_agent.runtime.names import instance

    return f"hl-{instance(options.cluster, options.node)}"


class AgentProcess:
    """The agent as a process of its own."""

    def __init__(self, options: AgentOptions) -> None:
        pki.node_credentials(options.pki_dir, options.node)
        told = {
            **asdict(options),
            "data_dir": str(options.data_dir),
            "resolv_conf": str(options.resolv_conf),
        }
        command = [sys.executable, "-m", "tests.agent_node", json.dumps(told)]
        self._process = subprocess.Popen(command)

    def kill(self) -> None:
        """As a crash would."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """As an administrator would; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=PATIENCE)


def pod(*containers: Container, name: str = "web", **spec: Any) -> Pod:
    """A pod that is bound already; without containers it has one that sleeps, called app."""
    made = PodSpec(nodeName="n1", **spec)
    made.containers.extend(containers or [box("app", "sleep 1000")])
    if not made.HasField("terminationGracePeriodSeconds"):
        made.terminationGracePeriodSeconds = 2
    return Pod(metadata=ObjectMeta(name=name, namespace="default"), spec=made)


def box(name: str, script: str, **fields: Any) -> Container:
    """A container that runs a shell script and obeys SIGTERM."""
    whole = f"trap 'exit 143' TERM; {script} & wait $!"
    return Container(name=name, image=BOX, command=["sh", "-c", whole], **fields)


def is_ready(pod: Pod) -> bool:
    return any(c.type == "Ready" and c.status == "True" for c in pod.status.conditions)


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    paths = {name: Path(given[name]) for name in ("data_dir", "resolv_conf")}
    asyncio.run(serve(AgentOptions(**{**given, **paths})))
