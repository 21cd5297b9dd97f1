"""Asking the kernel about links, through `ip`."""

import json
from typing import Any

from node_agent.network.commands import NetworkFailure, run, succeeds

ETHERNET = 1500  # bytes


async def exists(link: str) -> bool:
    return await succeeds("ip", "link", "show", link)


async def show(*arguments: str) -> list[dict[str, Any]]:
    """What `ip` shows; nothing when there is no such device."""
    try:
        return [
            shown for shown in json.loads(await run("ip", "-json", *arguments) or "[]") if shown
        ]
    except NetworkFailure as error:
        if "does not exist" in str(error) or "Cannot find device" in str(error):
            return []
        raise


async def mtu_towards(address: str) -> int:
    """The MTU of the link that has this address; or of the one that the default route uses; else Ethernet's."""
    for link in await show("-4", "address", "show"):
        local = [info["local"] for info in link["addr_info"]]
        if address in local and "LOOPBACK" not in link["flags"]:
            return int(link["mtu"])
    for route in await show("route", "show", "default"):
        for link in await show("link", "show", "dev", route["dev"]):
            return int(link["mtu"])
    return ETHERNET
