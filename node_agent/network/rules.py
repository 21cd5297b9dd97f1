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
  the node must not tell them of the shorter way.
"""

from collections.abc import Iterable
from dataclasses import dataclass


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


def rules(wiring: Wiring, host_ports: Iterable[HostPort] = ()) -> str:
    """An nft script that makes the table what it should be, whatever it is now."""
    ports = sorted(set(host_ports))
    loops = sorted({port.pod_address for port in ports})
    return _SCRIPT.format(
        table=wiring.table,
        bridge=wiring.bridge,
        pods=wiring.pod_cidr,
        cluster=wiring.cluster_cidr,
        leads="\n".join(f"    {_lead(port)}" for port in ports),
        loops="\n".join(f"    ip saddr {a} ip daddr {a} masquerade" for a in loops),
    )


def _lead(port: HostPort) -> str:
    """One host port as a rule."""
    where = f"ip daddr {port.host_address} " if port.host_address not in ("", "0.0.0.0") else ""
    return f"{where}{port.protocol} dport {port.port} dnat to {port.pod_address}:{port.pod_port}"


# Declaring the table before deleting it makes the deletion succeed when there was none.
_SCRIPT = """\
table ip {table} {{}}
delete table ip {table}
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
"""
