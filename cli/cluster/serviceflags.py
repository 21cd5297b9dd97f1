"""The flags of `helmling server` about Services, under Kubernetes' names (except --service-cidr, which is shorter)."""

from typing import TYPE_CHECKING

from cli.cluster.layout import CLUSTER_DOMAIN, SERVICE_CIDR
from cli.command import Session
from cli.errors import UsageError
from cli.flags import Flag

if TYPE_CHECKING:
    from control_plane.apiserver.allocation.ranges import Network, Ranges

FLAGS = (
    Flag("service-cidr", "The addresses that Services get. Nothing else may have them.", default=SERVICE_CIDR),
    Flag("node-port-range", "The ports of nodes that Services of the type NodePort get.", default="30000-32767"),
    Flag("cluster-domain", "How the DNS names of Services end.", default=CLUSTER_DOMAIN),
)  # fmt: skip


def network(text: str) -> "Network":
    """What --service-cidr says. Raises UsageError."""
    from control_plane.apiserver.allocation.ranges import read_network

    try:
        return read_network(text)
    except ValueError as error:
        raise UsageError(f"--service-cidr={text}: {error}") from None


def ranges(session: Session) -> "Ranges":
    """Raises UsageError."""
    from control_plane.apiserver.allocation.ranges import Ranges, read_ports

    addresses, ports = session.flags.text("service-cidr"), session.flags.text("node-port-range")
    try:
        return Ranges(network(addresses), read_ports(ports))
    except ValueError as error:
        raise UsageError(f"--node-port-range={ports}: {error}") from None
