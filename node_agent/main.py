"""The agent as a program: everything is made here, in order, and ends here.

On SIGTERM the agent goes and the pods stay: containers belong to the engine, addresses to the kernel. The next agent
finds them by their labels and goes on as if nothing had been.
"""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from api.client import Client, Selection
from api.grpc_client import connect
from api.heap import settle
from api.informer import Informer, Informers
from api.ingresses import SERVING
from api.podranges import DEFAULT_CLUSTER_CIDR, PodRange
from node_agent import machine, names
from node_agent.agent import Agent, House, Server
from node_agent.configsource import ConfigSource
from node_agent.credentials import Credentials, admit
from node_agent.guardednetwork import GuardedNetwork
from node_agent.heartbeat import Heartbeats
from node_agent.metrics.reporter import MetricsReporter
from node_agent.network.commands import NetworkFailure
from node_agent.network.ingress.node import IngressNode, remove_ingress, switched_off
from node_agent.network.pod_network import PodNetwork
from node_agent.network.policy.firewall import PolicyFirewall
from node_agent.network.proxy.model import Place as ServicePlace
from node_agent.network.proxy.nft import NftRefused
from node_agent.network.proxy.node import ServiceNetwork, keeper_of, remove_table
from node_agent.network.routetable import RouteTable
from node_agent.nodesource import NodeSource
from node_agent.nodestatus import NodeDescription
from node_agent.options import AgentOptions
from node_agent.podnetwork import NetworkUnavailable, WiredNetwork
from node_agent.podrange import RangeKeeper
from node_agent.pods.disk import Directory
from node_agent.pods.facts import NodeFacts
from node_agent.pods.publisher import StatusPublisher
from node_agent.pods.view import View
from node_agent.podsource import PodSource
from node_agent.routing import Routing
from node_agent.runtime.docker import DockerRuntime, cgroups
from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.interface import Runtime
from node_agent.servicesource import ServiceSource
from node_agent.streams.service import Streams, listening
from node_agent.streams.targets import Targets
from node_agent.tokens import AccountTokens
from node_agent.volumes.gathering import Gatherer
from node_agent.volumes.store import DiskVolumes, tear_down
from proto.v1.cluster_pb2 import Node
from proto.v1.network_pb2 import Service
from proto.v1.pod_pb2 import Pod

SETTLED = 5.0  # seconds after which an agent has come up
ANY_RANGE = PodRange(
    DEFAULT_CLUSTER_CIDR, DEFAULT_CLUSTER_CIDR
)  # what is removed is found by names


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
    ranges = RangeKeeper(options.data_dir, options.node, options.told_range)
    about = _describe(options, ranges)
    facts = _facts(options, about)
    shared = Informers(client)  # what several parts read is watched once
    config, nodes = ConfigSource(client), Informer(client, Node)
    links = ServiceSource(shared.of(Service), options.data_dir / "services")
    nodes.add_handler(ranges.notice)
    services = _services(options, shared, ranges)
    pods = Informer(client, Pod, Selection(fields=f"spec.nodeName={options.node}"))
    policies = PolicyFirewall(client, pods, services.keeper, options.name_server)
    wires = GuardedNetwork(WiredNetwork(partial(_network, options), ranges), policies)
    house = _house(options, Gatherer(facts, config, AccountTokens(client)), wires, services)
    routes = Routing(nodes, options.node, ranges, _routes(options), options.overlay)
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
            server = Server(
                client,
                StatusPublisher(client),
                PodSource(pods),
                NodeSource(nodes),
                config,
                links,
            )
            agent = Agent(server, house, described, facts, tasks)
            agents.append(agent)
            agent.start()
            beats = Heartbeats(
                client, {options.node: lambda: agent.reporter.node}, period=options.lease_period
            )
            metrics = MetricsReporter(client, [agent.meter], period=options.metrics_period)
            sources = (server.pods.run, server.nodes.run, config.run, shared.run)
            own = (server.publisher.run, *sources, beats.run, metrics.run)
            for loop in (house.network.run, routes.run, *own):
                tasks.create_task(loop())
            tasks.create_task(credentials.run(client))
            tasks.create_task(names.serve_names(options, shared, ranges))
            if options.ingress == "auto":
                ingress = IngressNode(options, client, services, config)
                services.also(ingress.proxy.current)
                tasks.create_task(ingress.run())
            else:
                tasks.create_task(switched_off(options, client))
            for part in (services.run, policies.run):
                tasks.create_task(part())
            ready.set_result(agent)
            asyncio.get_running_loop().call_later(SETTLED, settle)
    finally:
        await house.runtime.close()


def _views(agents: list[Agent]) -> list[View]:
    return [worker.view for agent in agents for worker in agent.pods.workers.values()]


def _describe(options: AgentOptions, ranges: RangeKeeper) -> NodeDescription:
    seen = machine.examine(options.data_dir)
    return NodeDescription(
        name=options.node,
        machine=machine.at(seen, options.address),
        pod_cidr=ranges.told,
        last_pod_cidr=ranges.last,
        most_pods=options.most_pods,
        labels={**options.labels, SERVING: "true" if options.ingress == "auto" else "false"},
    )


def _facts(options: AgentOptions, about: NodeDescription) -> NodeFacts:
    return NodeFacts(
        options.node,
        options.address,
        _allocatable(about),
        machine.resolv_conf(options.resolv_conf),
        options.name_server,
        options.cluster_domain,
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


def _house(
    options: AgentOptions, gatherer: Gatherer, wires: GuardedNetwork, services: ServiceNetwork
) -> House:
    runtime = _docker(options)
    return House(
        runtime,
        wires,
        DiskVolumes(options.pods_dir, gatherer),
        Directory(options.pods_dir),
        partial(machine.pressure, options.data_dir),
        cgroups.of_machine,
        services.routes,
    )


def _docker(options: AgentOptions) -> DockerRuntime:
    return DockerRuntime(
        cluster=options.cluster,
        node=options.node,
        state=options.data_dir / "sandboxes",
        socket=options.docker_socket,
    )


def _network(options: AgentOptions, given: PodRange) -> PodNetwork:
    return PodNetwork(
        cluster=options.cluster,
        node=options.node,
        pod_cidr=given.pods,
        cluster_cidr=given.cluster,
        address=options.address,
        headroom=options.headroom,
    )


def _routes(options: AgentOptions) -> RouteTable:
    return RouteTable(cluster=options.cluster, node=options.node, address=options.address)


def _services(options: AgentOptions, shared: Informers, ranges: RangeKeeper) -> ServiceNetwork:
    async def place() -> ServicePlace:
        given = await ranges.known()
        bridge = _network(options, given).bridge
        return ServicePlace(options.node, bridge, given.pods, given.cluster)

    return ServiceNetwork(shared, options.node, place, keeper_of(options.cluster, options.node))


async def _remove_rules(options: AgentOptions) -> None:
    try:
        await remove_table(options.cluster, options.node)
    except NftRefused as error:
        raise NetworkUnavailable(str(error)) from error


async def remove_all(options: AgentOptions) -> None:
    """Remove whatever a node of this name has here: containers, network, mounts, files. For `helmling down`."""
    await remove_ingress(options)
    disk = Directory(options.pods_dir)
    runtime, network = _docker(options), _network(options, ANY_RANGE)
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
        await _routes(options).remove()
        await _remove_rules(options)
        await network.down()
        await names.address(options).remove()
    except NetworkFailure as error:
        raise NetworkUnavailable(str(error)) from error
    finally:
        await runtime.close()
