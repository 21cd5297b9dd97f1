"""Hollow nodes: the real agent, many times in one process, over runtimes that run nothing.

They share what a node has once: one connection, one watch over all pods (handed out by node name), one loop that sends
statuses and one that renews leases. What is left of a node is a few objects and two or three sleeping tasks, so a
thousand fit on a laptop.
"""

import asyncio
import ipaddress
from collections.abc import Callable, Iterator, Sequence

from api.client import Client
from api.informer import Informer
from node_agent.agent import Agent, House, Server
from node_agent.configsource import ConfigSource
from node_agent.heartbeat import PERIOD, Heartbeats
from node_agent.machine import Machine
from node_agent.metrics.reporter import MetricsReporter
from node_agent.nodesource import NodeSource
from node_agent.nodestatus import NodeDescription
from node_agent.podnetwork import ImaginedNetwork
from node_agent.pods.disk import Nowhere
from node_agent.pods.facts import NodeFacts
from node_agent.pods.publisher import StatusPublisher
from node_agent.podsource import PodSource
from node_agent.runtime.hollow import HollowRuntime
from node_agent.tokens import AccountTokens
from node_agent.volumes.gathering import Gatherer
from node_agent.volumes.store import NoVolumes
from proto.v1.cluster_pb2 import Node
from proto.v1.pod_pb2 import Pod

_GIB = 1024**3
POD_RANGES = ipaddress.ip_network("10.64.0.0/10")  # one /24 for each node: 16,384 nodes


def machine_of(address: str) -> Machine:
    """What every hollow node has."""
    return Machine(cores=8, memory=32 * _GIB, disk=100 * _GIB, address=address)


async def run_hollow(
    client: Client,
    names: Sequence[str],
    *,
    runtime: Callable[[str], HollowRuntime] = lambda name: HollowRuntime(),
    started: Callable[[list[Agent]], None] = lambda agents: None,
    lease_period: float = PERIOD,
) -> None:
    """Run these nodes until cancelled. `runtime` makes a node's runtime; `started` is told the agents."""
    config = ConfigSource(client)
    server = Server(
        client,
        StatusPublisher(client),
        PodSource(Informer(client, Pod)),
        NodeSource(Informer(client, Node)),
        config,
    )
    ranges = POD_RANGES.subnets(new_prefix=24)
    async with asyncio.TaskGroup() as tasks:
        agents = [
            _agent(server, name, str(cidr), runtime(name), tasks)
            for name, cidr in zip(names, ranges, strict=False)
        ]
        nodes = dict(zip(names, _nodes(agents), strict=True))
        beats = Heartbeats(client, nodes, period=lease_period)
        metrics = MetricsReporter(client, [agent.meter for agent in agents])
        own = (beats.run, metrics.run, config.run)
        for loop in (server.pods.run, server.nodes.run, server.publisher.run, *own):
            tasks.create_task(loop())
        for agent in agents:
            agent.start()
        started(agents)


def _agent(
    server: Server, name: str, cidr: str, runtime: HollowRuntime, tasks: asyncio.TaskGroup
) -> Agent:
    address = str(ipaddress.ip_network(cidr)[1])
    machine = machine_of(address)
    about = NodeDescription(name, machine, cidr, runtime_version="hollow://1")
    allocatable = {"cpu": str(machine.cores), "memory": str(machine.memory)}
    facts = NodeFacts(name, address, allocatable)
    volumes = NoVolumes(Gatherer(facts, server.config, AccountTokens(server.client)))
    house = House(runtime, ImaginedNetwork(cidr), volumes, Nowhere())
    return Agent(server, house, about, facts, tasks)


def _nodes(agents: Sequence[Agent]) -> Iterator[Callable[[], Node]]:
    for agent in agents:
        yield lambda reporter=agent.reporter: reporter.node  # type: ignore[misc]
