"""Living beside Docker's firewall: two rules of ours in somebody else's chain.

Docker sets the policy of iptables' FORWARD chain to DROP, for all of the machine's traffic. An accept
in a table of our own does not help (a packet must pass every table), so we must say it there. Docker
leaves one chain to others, DOCKER-USER, looked at first; where there is none, we put our rules into
FORWARD itself, and only if it drops. Every rule of ours carries our name and goes with us.
"""

import shlex
import shutil

from node_agent.network.commands import run

_IPTABLES = ("iptables", "-w")


def wanted(listing: str, bridge: str, name: str) -> list[tuple[str, ...]]:
    """The rules that should be there, given `iptables -S`: arguments after -A or -I. Pure."""
    lines = listing.splitlines()
    if "-N DOCKER-USER" in lines:
        chain = "DOCKER-USER"
    elif "-P FORWARD DROP" in lines:
        chain = "FORWARD"
    else:
        return []
    comment = ("-m", "comment", "--comment", name, "-j", "ACCEPT")
    return [(chain, way, bridge, *comment) for way in ("-i", "-o")]


def present(listing: str, name: str) -> list[tuple[str, ...]]:
    """The rules of ours that are there, in any chain, in the same form. Pure."""
    rules = (tuple(shlex.split(line)) for line in listing.splitlines() if name in line)
    return [rule[1:] for rule in rules if rule[0] == "-A" and name in rule]


async def ensure(bridge: str, name: str) -> bool:
    """Let the bridge's traffic pass. Returns whether something had to be done."""
    listing = await _listing()
    want, have = wanted(listing, bridge, name), present(listing, name)
    surplus = [rule for place, rule in enumerate(have) if rule not in want or rule in have[:place]]
    missing = [rule for rule in want if rule not in have]
    for rule in surplus:
        await run(*_IPTABLES, "-D", *rule)
    for rule in missing:
        await run(*_IPTABLES, "-I", *rule)
    return bool(surplus or missing)


async def remove(name: str) -> None:
    """Take our rules away. No-op when there are none."""
    for rule in present(await _listing(), name):
        await run(*_IPTABLES, "-D", *rule)


async def _listing() -> str:
    """All rules. A node without the program has no iptables policy to overcome."""
    if shutil.which("iptables") is None:
        return ""
    return await run(*_IPTABLES, "-S")
