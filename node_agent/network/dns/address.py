"""The name server's address on the node: on the bridge, where every pod's packets arrive anyway.

It is the same address on every node, so a pod is always answered next door; nothing is translated. The address is
there for as long as the bridge is, also while no agent runs. What an agent that restarts must not do is to refuse: a
resolver that hears "nobody listens at this port" gives up at once, one that hears nothing asks again. So the node is
kept from saying it.
"""

import socket

from node_agent.network.commands import run
from node_agent.runtime.names import instance


class Address:
    """`address` on the bridge of one node's pods."""

    def __init__(self, address: str, *, cluster: str, node: str) -> None:
        identity = instance(cluster, node)
        self.text = address
        self.bridge = f"hl-{identity}"
        self.table = f"helmling-dns-{identity}"

    def index(self) -> int:
        """The bridge's number, another one when it has been made anew; 0: it is not there."""
        try:
            return socket.if_nametoindex(self.bridge)
        except OSError:
            return 0

    def is_there(self) -> bool:
        """Whether the machine has the address."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.bind((self.text, 0))
            except OSError:
                return False
        return True

    async def ensure(self) -> None:
        """Put it there. No program but our own should choose it as a sender's address: that is what "host" says.

        Raises NetworkFailure.
        """
        await run(
            "ip", "address", "replace", f"{self.text}/32", "dev", self.bridge, "scope", "host"
        )
        await run("nft", "-f", "-", stdin=silence(self.table, self.text))

    async def remove(self) -> None:
        """What does not go with the bridge. Raises NetworkFailure."""
        await run("nft", "-f", "-", stdin=_emptied(self.table))


def silence(table: str, address: str) -> str:
    """An nft script that makes the table what it should be, whatever it is now. Pure."""
    return f"""\
{_emptied(table)}table ip {table} {{
  chain quiet {{
    type filter hook output priority filter; policy accept;
    ip saddr {address} icmp type destination-unreachable drop
  }}
}}
"""


def _emptied(table: str) -> str:
    """Declaring the table before deleting it makes the deletion succeed when there was none."""
    return f"table ip {table} {{}}\ndelete table ip {table}\n"
