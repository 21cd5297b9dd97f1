"""The words in which services are led to pods: who stands in front, who stands behind."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, order=True)
class Backend:
    """Where a connection may be led: one port of one pod."""

    address: str
    port: int
    here: bool = False  # on this node


# Who may be led where.
#   all: everybody to every backend.
#   near: everybody to backends on this node only (internalTrafficPolicy Local).
#   split: what comes from the cluster to every backend, what comes from outside to those on this node, and under
#     its own address (externalTrafficPolicy Local).
Policy = Literal["all", "near", "split"]


@dataclass(frozen=True)
class Frontend:
    """What clients connect to, and everybody who may answer."""

    address: str  # empty: a port of every address of this node
    protocol: str  # tcp | udp | sctp
    port: int
    backends: frozenset[Backend]
    near: frozenset[Backend] = frozenset()
    policy: Policy = "all"
    sticky: int = 0  # seconds that a client stays with its backend; 0: not at all
    sources: tuple[str, ...] = ()  # the networks that may come; empty: all
    # The address is the service's alone, so that whatever else is sent there is for nobody. Others (externalIPs) may be
    # some machine's.
    alone: bool = False


@dataclass(frozen=True)
class Place:
    """The node that leads."""

    node: str  # its name
    bridge: str
    pod_cidr: str  # of its own pods
    cluster_cidr: str  # of all pods
