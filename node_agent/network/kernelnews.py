"""The kernel says when somebody has changed the network: so what was broken is mended at once, not at the next
look.

What exactly has changed is not read: whoever is told looks at everything, as after any other change. The kernel may
drop news for one who reads slowly; it says so, and that is news as well.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from enum import Enum

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
            with suppress(BlockingIOError):
                while True:
                    _read(news)
            tell()

        loop = asyncio.get_running_loop()
        loop.add_reader(news, drain)
        try:
            yield
        finally:
            loop.remove_reader(news)


def _read(news: socket.socket) -> None:
    """Raises BlockingIOError when there is no more."""
    try:
        news.recv(65536)
    except BlockingIOError:
        raise
    except OSError:  # ENOBUFS: news were dropped
        return


async def news(event: asyncio.Event, longest: float, settle: float) -> None:
    """Wait for the event, at most `longest` seconds, and then `settle` seconds for what comes with it."""
    try:
        async with asyncio.timeout(longest):
            await event.wait()
    except TimeoutError:
        return
    await asyncio.sleep(settle)
