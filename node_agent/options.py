"""What an agent is told when it starts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Literal

from node_agent import heartbeat
from node_agent.metrics.reporter import PERIOD

DEFAULT_CLUSTER_CIDR = "10.244.0.0/16"
DEFAULT_POD_CIDR = "10.244.0.0/24"


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
    most_pods: int = 110
    lease_period: float = heartbeat.PERIOD  # seconds between two renewals of the node's lease
    metrics_period: float = PERIOD  # seconds between two measurements of what pods use
    ingress: Literal["auto", "off"] = "auto"  # auto: served while there is an ingress
    ingress_http_port: int = 80
    ingress_https_port: int = 443
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def all_pods_cidr(self) -> str:
        """The cluster's range; a node outside of it is a cluster of its own."""
        mine, whole = ip_network(self.pod_cidr), ip_network(self.cluster_cidr)
        inside = mine.version == whole.version and mine.subnet_of(whole)  # type: ignore[arg-type]
        return self.cluster_cidr if inside else self.pod_cidr

    @property
    def pki_dir(self) -> Path:
        """The node's certificates (credentials.py)."""
        return self.data_dir / "pki"

    @property
    def pods_dir(self) -> Path:
        """One directory per pod: its object, its volumes."""
        return self.data_dir / "pods"
