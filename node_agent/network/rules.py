"""The node's firewall and address translation for pods, as one nft script. Pure.

Everything is in a table of our own, replaced as a whole in one transaction: at no moment is it half
there, and nobody else's table is touched. What it does:

- *out*: a pod that talks to something that is not a pod does so under the node's address, as nobody
  out there has a route to pods;
- *in*: a host port of the node leads to a pod, also from the node itself (127.0.0.1 included), and
  also for the very pod it leads to;
- *guard*: host ports on 127.0.0.1 need `route_localnet`, which would let pods reach services that
  listen on the node's loopback only. They may not (CVE-2020-8558);
- *quiet*: pods reach each other through the node although they share a bridge (see pod_network.py);
  the node must not tell them of the shorter way;
- *apart*: nor may they take it. Frames from pod to pod, made by hand or IPv6, would meet none of the
  rules that say who may talk to whom; so a pod may send frames to the node only, and ask for its
  hardware address. (The bridge could keep its ports apart itself. But where br_netfilter is on, as
  Docker wants it, the kernel itself takes the shorter way for what is led to a pod by a service.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network


@dataclass(frozen=True, order=True)
class HostPort:
    """A port of the node that leads to a pod."""

    protocol: str  # tcp | udp | sctp
    port: int
    pod_address: str
    pod_port: int
    host_address: str = ""  # one of the node's addresses; all of them when empty


@dataclass(frozen=True)
class Wiring:
    """What the rules are about."""

    table: str
    bridge: str
    pod_cidr: str  # this node's
    cluster_cidr: str  # all pods'; reached under the pod's own address


FAMILIES = ("ip", "bridge")  # in each there is a table of the name


def nothing(table: str) -> str:
    """An nft script that removes both tables."""
    # Declaring a table before deleting it makes the deletion succeed when there was none.
    return "".join(f"table {one} {table} {{}}\ndelete table {one} {table}\n" for one in FAMILIES)


def rules(wiring: Wiring, host_ports: Iterable[HostPort] = ()) -> str:
    """An nft script that makes the tables what they should be, whatever they are now."""
    ports, pods = sorted(set(host_ports)), IPv4Network(wiring.pod_cidr)
    loops = sorted({port.pod_address for port in ports})
    return nothing(wiring.table) + _SCRIPT.format(
        table=wiring.table,
        bridge=wiring.bridge,
        own=hardware_address(pods[1]),
        others=f"{hardware_address(pods[0])}-{hardware_address(pods[-1])}",
        pods=wiring.pod_cidr,
        cluster=wiring.cluster_cidr,
        leads="\n".join(f"    {_lead(port)}" for port in ports),
        loops="\n".join(f"    ip saddr {a} ip daddr {a} masquerade" for a in loops),
    )


def hardware_address(address: str | IPv4Address) -> str:
    """A locally administered MAC address, 02:68 ("h") and the four bytes of the address."""
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x68, *IPv4Address(address).packed))


def _lead(port: HostPort) -> str:
    """One host port as a rule."""
    where = f"ip daddr {port.host_address} " if port.host_address not in ("", "0.0.0.0") else ""
    return f"{where}{port.protocol} dport {port.port} dnat to {port.pod_address}:{port.pod_port}"


_SCRIPT = """\
table ip {table} {{
  chain host_ports {{
{leads}
  }}
  chain in_from_outside {{
    type nat hook prerouting priority dstnat; policy accept;
    fib daddr type local jump host_ports
  }}
  chain in_from_node {{
    type nat hook output priority -100; policy accept;
    fib daddr type local jump host_ports
  }}
  chain out {{
    type nat hook postrouting priority srcnat; policy accept;
    oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
{loops}
    oifname != "{bridge}" ip saddr {pods} ip daddr != {cluster} masquerade
  }}
  chain guard {{
    type filter hook prerouting priority raw; policy accept;
    iifname "{bridge}" ip daddr 127.0.0.0/8 drop
  }}
  chain quiet {{
    type filter hook output priority filter; policy accept;
    oifname "{bridge}" icmp type redirect drop
  }}
}}
table bridge {table} {{
  chain apart {{
    type filter hook prerouting priority dstnat; policy accept;
    ether daddr {others} ether daddr != {own} drop
    iifname "hl*" ether type != arp meta pkttype {{ broadcast, multicast }} drop
  }}
}}
"""
