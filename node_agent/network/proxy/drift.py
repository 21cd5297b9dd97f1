"""Hearing of it when somebody else changes our table: the kernel tells everybody who listens of every change.

So a flush (`nft flush ruleset` in somebody's script) is noticed within a moment, and looking costs nothing while
nothing happens. A transaction is told as its changes and, last, who made it.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress

from node_agent.network.proxy.netlink import (
    IPV4,
    SO_RCVBUFFORCE,
    WHOLE,
    Message,
    NetfilterSocket,
    is_overrun,
    messages,
    netfilter_message,
)

log = logging.getLogger(__name__)

# Of linux/netfilter/nf_tables.h and nfnetlink.h.
NFTABLES, NEW_GENERATION, GROUP = 10, 15, 7
TABLE_NAME, GENERATION_MAKER = 1, 3
BUFFER = 64 << 20  # bytes that may wait for us: a table made anew is told element by element
AGAIN = 30.0  # seconds after which news that were lost may be taken for a change once more


class DriftWatch:
    """Calls `changed` when a thread that is not called `ours` touched the table.

    State: `_touched` is whether the transaction that is being told so far has to do with the table.
    """

    def __init__(self, table: str, ours: str, changed: Callable[[str], None]) -> None:
        self._table = table.encode() + b"\0"
        self._ours, self._changed = ours.encode(), changed
        self._netlink = NetfilterSocket()
        self._touched = False
        self._lost_until = 0.0  # loop time; before it, nothing is made of lost news
        self._netlink.socket.setblocking(False)
        with suppress(PermissionError):  # the usual size, then
            self._netlink.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER)
        self._netlink.join(GROUP)
        asyncio.get_running_loop().add_reader(self._netlink.socket, self.read)

    def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._netlink.socket)
        self._netlink.close()

    def read(self) -> None:
        """All that has come."""
        while True:
            try:
                data = self._netlink.socket.recv(WHOLE)
            except BlockingIOError:
                return
            except OSError as error:
                if not is_overrun(error):
                    raise
                self._lost()
                continue
            for kind, _, content in messages(data):
                self._hear(netfilter_message(kind, content))

    def _lost(self) -> None:
        """Something was not told. It may have been a change of our own that was too long to be told."""
        self._touched, now = False, asyncio.get_running_loop().time()
        if now >= self._lost_until:
            self._lost_until = now + AGAIN
            self._changed("more changed than could be followed")

    def _hear(self, message: Message) -> None:
        if message.subsystem != NFTABLES:
            return
        if message.kind != NEW_GENERATION:
            ours = message.attributes.get(TABLE_NAME) == self._table
            self._touched |= ours and message.family == IPV4
            return
        maker = message.attributes.get(GENERATION_MAKER, b"").rstrip(b"\0")
        if self._touched and maker != self._ours:
            self._changed(f"{maker.decode(errors='replace')} changed it")
        self._touched = False
