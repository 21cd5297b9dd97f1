"""The node's name server, as the agent runs it: not before there is a bridge to pods, and not a module loaded before.

A node is ready earlier for it. An agent that follows another finds the bridge there, and answers at once.
"""

import asyncio
from ipaddress import IPv4Network

from api.informer import Informers
from node_agent.network.dns.address import Address
from node_agent.options import AgentOptions
from node_agent.podrange import RangeKeeper

WAIT = 0.5  # seconds between looks for a bridge that is not there yet


def address(options: AgentOptions) -> Address:
    return Address(options.name_server, cluster=options.cluster, node=options.node)


async def serve_names(options: AgentOptions, informers: Informers, ranges: RangeKeeper) -> None:
    """Until cancelled. The informers must be running."""
    pods, here = await ranges.known(), address(options)
    while not here.index():  # noqa: ASYNC110 - links have no event that is worth its cost
        await asyncio.sleep(WAIT)
    from node_agent.network.dns.nameserver import NameServer, Place

    place = Place(
        cluster=options.cluster,
        node=options.node,
        address=options.name_server,
        domain=options.cluster_domain,
        ranges=(IPv4Network(options.service_cidr), IPv4Network(pods.cluster)),
        folder=options.names_dir,
        resolv_conf=options.resolv_conf,
    )
    await NameServer(place, informers).run()
