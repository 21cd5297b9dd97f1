"""The agent as a program: everything is made here, in order, and ends here.

On SIGTERM the agent goes and the pods stay: containers belong to the engine, addresses to the kernel. The next agent
finds them by their labels and goes on as if nothing had been.
"""

import asyncio
import ipaddress
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from api.client import Client, Selection
from api.grpc_client import connect
from api.informer import Informer
from node_agent import machine
from node_agent.agent import Agent, House, Server
from node_agent.configsource import ConfigSource
from node_agent.credentials import Credentials, admit
from node_agent.heartbeat import Heartbeats
from node_agent.metrics.reporter import MetricsReporter
from node_agent.network.pod_network import PodNetwork
from node_agent.nodesource import NodeSource
from node_agent.nodestatus import NodeDescription
from node_agent.options import AgentOptions
from node_agent.podnetwork import ImaginedNetwork, WiredNetwork
from node_agent.pods.disk import Directory, Nowhere
from node_agent.pods.facts import NodeFacts
from node_agent.pods.publisher import StatusPublisher
from node_agent.pods.seams import NO_SERVICES
from node_agent.pods.view import View
from node_agent.podsource import PodSource
from node_agent.runtime.docker import DockerRuntime, cgroups
from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.hollow import HollowRuntime
from node_agent.runtime.interface import Runtime
from node_agent.servicesource import ServiceSource
from node_agent.streams.service import Streams, listening
from node_agent.streams.targets import Targets
from node_agent.tokens import AccountTokens
from node_agent.volumes.gathering import Gatherer
from node_agent.volumes.store import DiskVolumes, NoVolumes, tear_down
from proto.v1.cluster_pb2 import Node
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod


async def serve(options: AgentOptions) -> None:
    """Run the node until SIGTERM or SIGINT; the server may come and go meanwhile."""
    loop, enough = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, enough.set)
    credentials = Credentials(options.pki_dir, options.node)
    async with (
        connect(options.server, credentials.identity, manager="kubelet") as client,
        running(options, client, credentials),
    ):
        credentials.renewed = client.become
        await enough.wait()


@asynccontextmanager
async def running(
    options: AgentOptions, client: Client, credentials: Credentials
) -> AsyncIterator[Agent]:
    """The agent, for as long as the block runs."""
    ready: asyncio.Future[Agent] = asyncio.get_running_loop().create_future()
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(_live(options, client, credentials, ready))
        try:
            yield await ready
        finally:
            life.cancel()


async def _live(
    options: AgentOptions, client: Client, credentials: Credentials, ready: asyncio.Future[Agent]
) -> None:
    """Until cancelled."""
    about = _describe(options)
    facts = NodeFacts(options.node, options.address, _allocatable(about), machine.resolv_conf())
    config = ConfigSource(client)
    services = ServiceSource(Informer(client, Service), options.data_dir / "services")
    house = _house(options, Gatherer(facts, config, AccountTokens(client)))
    agents: list[Agent] = []
    streams = Streams(Targets(lambda: _views(agents)), house.runtime)
    try:
        async with (
            listening(
                streams, f"{options.address}:{options.port}", credentials.door(), admit
            ) as port,
            asyncio.TaskGroup() as tasks,
        ):
            described = await _with_runtime(about, house.runtime, port)
            which = Selection(fields=f"spec.nodeName={options.node}")
            itself = Selection(fields=f"metadata.name={options.node}")
            server = Server(
                client,
                StatusPublisher(client),
                PodSource(Informer(client, Pod, which)),
                NodeSource(Informer(client, Node, itself)),
                config,
                NO_SERVICES if options.runtime == "hollow" else services,
            )
            agent = Agent(server, house, described, facts, tasks)
            agents.append(agent)
            agent.start()
            beats = Heartbeats(client, {options.node: lambda: agent.reporter.node})
            metrics = MetricsReporter(client, [agent.meter], period=options.metrics_period)
            sources = [server.pods.run, server.nodes.run, config.run]
            if server.services is services:
                sources.append(services.run)
            own = (server.publisher.run, *sources, beats.run, metrics.run)
            for loop in (house.network.run, *own):
                tasks.create_task(loop())
            tasks.create_task(credentials.run(client))
            ready.set_result(agent)
    finally:
        await house.runtime.close()


def _views(agents: list[Agent]) -> list[View]:
    return [worker.view for agent in agents for worker in agent.pods.workers.values()]


def _describe(options: AgentOptions) -> NodeDescription:
    seen = machine.examine(options.data_dir)
    return NodeDescription(
        name=options.node,
        machine=machine.at(seen, options.address),
        pod_cidr=str(ipaddress.ip_network(options.pod_cidr)),
        most_pods=options.most_pods,
        labels=options.labels,
    )


def _allocatable(about: NodeDescription) -> dict[str, str]:
    seen = about.machine
    return {
        "cpu": str(seen.cores),
        "memory": str(seen.memory),
        "ephemeral-storage": str(seen.disk),
    }


async def _with_runtime(about: NodeDescription, runtime: Runtime, port: int) -> NodeDescription:
    try:
        version = await runtime.version()
    except RuntimeFailure:
        version = "docker://unknown"  # it is down; the node says so until it comes
    return replace(about, runtime_version=version, port=port)


def _house(options: AgentOptions, gatherer: Gatherer) -> House:
    if options.runtime == "hollow":
        volumes, network = NoVolumes(gatherer), ImaginedNetwork(options.pod_cidr)
        return House(HollowRuntime(), network, volumes, Nowhere())
    runtime = _docker(options)
    return House(
        runtime,
        _network(options),
        DiskVolumes(options.pods_dir, gatherer),
        Directory(options.pods_dir),
        partial(machine.pressure, options.data_dir),
        cgroups.of_machine,
    )


def _docker(options: AgentOptions) -> DockerRuntime:
    return DockerRuntime(
        cluster=options.cluster,
        node=options.node,
        state=options.data_dir / "sandboxes",
        socket=options.docker_socket,
    )


def _network(options: AgentOptions) -> WiredNetwork:
    wires = PodNetwork(
        cluster=options.cluster,
        node=options.node,
        pod_cidr=options.pod_cidr,
        cluster_cidr=options.all_pods_cidr,
    )
    return WiredNetwork(wires, options.pod_cidr)


async def remove_all(options: AgentOptions) -> None:
    """Remove whatever a node of this name has here: containers, network, mounts, files. For `helmling down`."""
    disk = Directory(options.pods_dir)
    runtime, network = _docker(options), _network(options)
    try:
        for record in await runtime.list():
            for container in record.containers:
                await runtime.remove_container(container.id)
            for sandbox in record.sandboxes:
                await runtime.remove_sandbox(sandbox.id)
            await network.detach(record.pod_uid)
        for uid in disk.uids():
            await tear_down(options.pods_dir, uid)
            disk.forget(uid)
        await network.remove()
    finally:
        await runtime.close()
