"""What an agent is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import Literal

from node_agent import heartbeat
from node_agent.metrics.reporter import PERIOD

DEFAULT_CLUSTER_CIDR = "10.244.0.0/16"
DEFAULT_POD_CIDR = "10.244.0.0/24"
DEFAULT_SERVICE_CIDR = "10.96.0.0/16"
NAME_SERVER = 10  # which of the services' addresses is the name server's


@dataclass(frozen=True)
class AgentOptions:
    """One node's agent."""

    node: str  # the node's name
    server: str = "127.0.0.1:6443"  # the API server
    data_dir: Path = Path("/var/lib/helmling/agent")
    runtime: Literal["docker", "hollow"] = "docker"
    docker_socket: str = "/var/run/docker.sock"
    cluster: str = "helmling"  # tells apart the containers of clusters that share an engine
    address: str = "127.0.0.1"  # the node's, and where its streams listen
    port: int = 0  # of the streams; 0: any free one
    pod_cidr: str = DEFAULT_POD_CIDR
    cluster_cidr: str = DEFAULT_CLUSTER_CIDR  # of the pods of all nodes
    service_cidr: str = DEFAULT_SERVICE_CIDR
    cluster_dns: str = ""  # the name server's address; default: the tenth of the services'
    cluster_domain: str = "cluster.local"
    resolv_conf: Path = Path(
        "/etc/resolv.conf"
    )  # whom the node asks for names that are not the cluster's
    most_pods: int = 110
    lease_period: float = heartbeat.PERIOD  # seconds between two renewals of the node's lease
    metrics_period: float = PERIOD  # seconds between two measurements of what pods use
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_pods_cidr(self) -> str:
        """The cluster's range; a node outside of it is a cluster of its own."""
        mine, whole = ip_network(self.pod_cidr), ip_network(self.cluster_cidr)
        inside = mine.version == whole.version and mine.subnet_of(whole)  # type: ignore[arg-type]
        return self.cluster_cidr if inside else self.pod_cidr

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
