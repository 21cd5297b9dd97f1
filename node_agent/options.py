"""What an agent is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Literal

from api.podranges import DEFAULT_CLUSTER_CIDR, PodRange, within
from node_agent import heartbeat
from node_agent.metrics.reporter import PERIOD

OVERLAY_BYTES = 50  # that VXLAN takes from every packet
DEFAULT_SERVICE_CIDR = "10.96.0.0/16"
NAME_SERVER = 10  # which of the services' addresses is the name server's

Overlay = Literal["auto", "vxlan", "none"]


@dataclass(frozen=True)
class AgentOptions:
    """One node's agent."""

    node: str  # the node's name
    server: str = "127.0.0.1:6443"  # the API server
    data_dir: Path = Path("/var/lib/helmling/agent")
    docker_socket: str = "/var/run/docker.sock"
    cluster: str = "helmling"  # tells apart the containers of clusters that share an engine
    address: str = "127.0.0.1"  # the node's, and where its streams listen
    node_ip: str = ""  # the same, if an administrator has said it
    port: int = 0  # of the streams; 0: any free one
    pod_cidr: str = ""  # of the node's pods; "": what the cluster gives it
    cluster_cidr: str = DEFAULT_CLUSTER_CIDR  # of the pods of all nodes, where `pod_cidr` is told
    overlay: Overlay = "auto"  # VXLAN to nodes on other segments, to all nodes, to none
    service_cidr: str = DEFAULT_SERVICE_CIDR
    cluster_dns: str = ""  # the name server's address; default: the tenth of the services'
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path("/etc/resolv.conf")  # whom the node asks for others' names
    most_pods: int = 110
    lease_period: float = heartbeat.PERIOD  # seconds between two renewals of the node's lease
    metrics_period: float = PERIOD  # seconds between two measurements of what pods use
    ingress: Literal["auto", "off"] = "auto"  # auto: served while there is an ingress
    ingress_http_port: int = 80
    ingress_https_port: int = 443
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def told_range(self) -> PodRange | None:
        """The addresses that were told; a node outside of the cluster's is a cluster of its own."""
        if not self.pod_cidr:
            return None
        mine = str(ip_network(self.pod_cidr))
        return PodRange(mine, self.cluster_cidr if within(mine, self.cluster_cidr) else mine)

    @property
    def headroom(self) -> int:
        """Bytes that the pods' packets must leave free."""
        return 0 if self.overlay == "none" else OVERLAY_BYTES

    @property
    def name_server(self) -> str:
        """Where pods ask for names."""
        return self.cluster_dns or str(IPv4Network(self.service_cidr)[NAME_SERVER])

    @property
    def pki_dir(self) -> Path:
        """The node's certificates (credentials.py)."""
        return self.data_dir / "pki"

    @property
    def names_dir(self) -> Path:
        """What the node's name server knew last."""
        return self.data_dir / "dns"

    @property
    def pods_dir(self) -> Path:
        """One directory per pod: its object, its volumes."""
        return self.data_dir / "pods"
