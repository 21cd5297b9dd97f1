"""The kernel says when somebody has changed the network: so what was broken is mended at once, not at the next
look.

What exactly has changed is not read: whoever is told looks at everything, as after any other change. The kernel may
drop news for one who reads slowly; it says so, and that is news as well. Only the tables in which services are led are
passed over: they change with every pod that comes or goes, and who keeps them looks after them (proxy/drift.py).
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum

from node_agent.network.proxy.drift import NEW_GENERATION, TABLE_NAME
from node_agent.network.proxy.names import is_table_of_services
from node_agent.network.proxy.netlink import WHOLE, messages, netfilter_message

_SOL_NETLINK, _ADD_MEMBERSHIP = 270, 1


class About(Enum):
    """netlink protocol, groups (linux/rtnetlink.h, linux/netfilter/nfnetlink.h)"""

    # RTNLGRP_LINK, _IPV4_IFADDR, _IPV4_ROUTE. Routes that go with their link are not told of one by one.
    ROUTES = (socket.NETLINK_ROUTE, (1, 5, 7))
    RULES = (12, (7,))  # NETLINK_NETFILTER, NFNLGRP_NFTABLES


@asynccontextmanager
async def listening(about: About, tell: Callable[[], None]) -> AsyncIterator[None]:
    """Call `tell` after changes in this network namespace, as long as the block runs. Needs no right; must not wait."""
    protocol, groups = about.value
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK, protocol) as news:
        news.bind((0, 0))
        for group in groups:
            news.setsockopt(_SOL_NETLINK, _ADD_MEMBERSHIP, group)

        def drain() -> None:
            concerns = False
            with suppress(BlockingIOError):
                while True:
                    concerns |= _read(news, about)
            if concerns:
                tell()

        loop = asyncio.get_running_loop()
        loop.add_reader(news, drain)
        try:
            yield
        finally:
            loop.remove_reader(news)


def _read(news: socket.socket, about: About) -> bool:
    """Whether it is of any concern. Raises BlockingIOError when there is no more."""
    try:
        data = news.recv(WHOLE)
    except BlockingIOError:
        raise
    except OSError:  # ENOBUFS: news were dropped
        return True
    return about is not About.RULES or any(map(_is_elsewhere, messages(data)))


def _is_elsewhere(message: tuple[int, int, bytes]) -> bool:
    """About another table than those of services. The last word of a transaction names no table."""
    kind, _, content = message
    told = netfilter_message(kind, content)
    name = told.attributes.get(TABLE_NAME, b"").rstrip(b"\0").decode(errors="replace")
    return told.kind != NEW_GENERATION and not is_table_of_services(name)


async def news(event: asyncio.Event, longest: float, settle: float) -> None:
    """Wait for the event, at most `longest` seconds, and then `settle` seconds for what comes with it."""
    try:
        async with asyncio.timeout(longest):
            await event.wait()
    except TimeoutError:
        return
    await asyncio.sleep(settle)
