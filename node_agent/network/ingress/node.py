"""All of a node's ingress put together: what it reads, where its HAProxy is, and how it goes with the node."""

import asyncio
import logging
import os
import pwd

from api.client import Client
from api.controller import pause
from api.errors import ApiError, NotFound
from api.informer import Informer
from api.recorder import Recorder
from node_agent.configsource import ConfigSource
from node_agent.network.ingress.folder import Folder
from node_agent.network.ingress.haproxy import HAProxy
from node_agent.network.ingress.ingress import About, IngressProxy, announce
from node_agent.network.ingress.render import Setting
from node_agent.network.ingress.wanted import Sources
from node_agent.network.proxy.node import ServiceNetwork
from node_agent.options import AgentOptions
from proto.v1.network_pb2 import Ingress, IngressClass

log = logging.getLogger(__name__)

COMPONENT = "helmling-ingress"
USERS = ("haproxy", "nobody")  # whom HAProxy becomes: the first that there is


class IngressNode:
    """The node's part in the ingresses; of services it reads what the node's service proxy reads."""

    def __init__(
        self, options: AgentOptions, client: Client, network: ServiceNetwork, config: ConfigSource
    ) -> None:
        haproxy = haproxy_of(options)
        self._events = Recorder(client, COMPONENT, options.node)
        self._ingresses, self._classes = Informer(client, Ingress), Informer(client, IngressClass)
        sources = Sources(self._ingresses, self._classes, network.services, network.slices, config)
        about = About(options.node, self._events)
        self.proxy = IngressProxy(
            client, sources, haproxy, _setting(options, haproxy.folder), about
        )

    async def run(self) -> None:
        """Until cancelled; HAProxy goes on serving."""
        loops = (self._events.run, self._ingresses.run, self._classes.run, self.proxy.run)
        async with asyncio.TaskGroup() as tasks:
            for loop in loops:
                tasks.create_task(loop())


def haproxy_of(options: AgentOptions) -> HAProxy:
    """There may be one that runs, from an agent before us."""
    place = options.data_dir
    return HAProxy(Folder(place / "ingress"), place / "ingress.log", place / "ingress.json")


async def remove_ingress(options: AgentOptions) -> None:
    """Stop this node's HAProxy, and remove its files. Raises OSError."""
    haproxy = haproxy_of(options)
    await haproxy.stop()
    await asyncio.to_thread(haproxy.folder.remove)


async def switched_off(options: AgentOptions, client: Client) -> None:
    """The node serves no more: what it may have served with is ended, and its Node does not say so any longer."""
    await remove_ingress(options)
    failures = 0
    while True:
        try:
            await announce(client, options.node, "")
        except NotFound:
            return
        except ApiError as error:
            failures += 1
            log.info("ingress_not_withdrawn error=%r", error.message)
            await asyncio.sleep(pause(failures))
        else:
            return


def _setting(options: AgentOptions, folder: Folder) -> Setting:
    user = next(filter(_exists, USERS), "") if os.geteuid() == 0 else ""
    return Setting(
        http=options.ingress_http_port,
        https=options.ingress_https_port,
        user=user,
        jail=folder.jail,
    )


def _exists(user: str) -> bool:
    try:
        pwd.getpwnam(user)
    except KeyError:
        return False
    return True
