"""All of a node that leads connections to services, put together: what it reads, what it writes, whom it tells."""

import asyncio
from collections.abc import Awaitable, Callable

from api.informer import Informers
from node_agent.network.policy.firewall import PRODUCER as POLICIES
from node_agent.network.proxy.conntrack import forget
from node_agent.network.proxy.departure import Departures
from node_agent.network.proxy.keeper import TableKeeper
from node_agent.network.proxy.model import Place
from node_agent.network.proxy.names import table_name
from node_agent.network.proxy.proxy import PRODUCER as SERVICES
from node_agent.network.proxy.proxy import Current, ServiceProxy, Slowest
from node_agent.network.proxy.reporter import RulesReporter
from proto.v1.network_pb2 import EndpointSlice, Service


class ServiceNetwork:
    """The node's part in the services. `routes` may be asked before it runs: nothing is led yet then."""

    def __init__(
        self,
        informers: Informers,
        node: str,
        place: Callable[[], Awaitable[Place]],
        keeper: TableKeeper,
    ) -> None:
        """`place` answers when it is known which pods are the node's. The informers must be running."""
        self.keeper = keeper
        self._client, self._node, self._place = informers.client, node, place
        self.services = informers.of(Service)
        self.slices = informers.of(EndpointSlice)
        self.routes = Departures(self.slices, self._client)
        self._also: list[Current] = []

    def also(self, part: Current) -> None:
        """Somebody else who leads requests to pods: what is reported is how far everybody is."""
        self._also.append(part)

    async def run(self) -> None:
        """Until cancelled; what the kernel was told stays."""
        try:
            place = await self._place()
            proxy = ServiceProxy(self.services, self.slices, place, self.keeper, forget)
            slowest = Slowest((proxy.current, *self._also))
            reporter = RulesReporter(self._client, self._node, slowest)
            loops = (self.keeper.run, proxy.run)
            async with asyncio.TaskGroup() as tasks:
                for loop in (*loops, slowest.run, reporter.run):
                    tasks.create_task(loop())
        finally:
            self.keeper.close()


def keeper_of(cluster: str, node: str) -> TableKeeper:
    """Everybody who has something to say to this table is named here: see `TableKeeper.put`."""
    return TableKeeper(table_name(cluster, node), (SERVICES, POLICIES))


async def remove_table(cluster: str, node: str) -> None:
    """Raises NftRefused."""
    keeper = keeper_of(cluster, node)
    try:
        await keeper.remove()
    finally:
        keeper.close()
