"""How the command line's wishes become an agent's options; and what `down` leaves behind: nothing."""

import asyncio
import hashlib
import os
from pathlib import Path

from cli.cluster.layout import Layout, Wishes
from cli.errors import CommandError
from cli.kubeconfig import DATA_DIR
from node_agent.options import AgentOptions


def cluster_name(root: Path) -> str:
    """Tells apart the containers of clusters that share an engine: each folder is a cluster of its own."""
    if str(root) == DATA_DIR:
        return "helmling"
    return f"helmling-{hashlib.sha256(str(root).encode()).hexdigest()[:8]}"


def docker_socket() -> str:
    """The engine's socket; $DOCKER_HOST may name another than the usual. Raises CommandError."""
    address = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    if not address.startswith("unix://"):
        raise CommandError(
            f"$DOCKER_HOST is {address}: the agent wires the pods' network itself, so the engine "
            "must be on this machine (unix://…)"
        )
    return address.removeprefix("unix://")


def options(layout: Layout, server: str, wishes: Wishes) -> AgentOptions:
    return AgentOptions(
        node=wishes.node_name,
        server=server,
        data_dir=layout.root / "agent",
        docker_socket=docker_socket(),
        cluster=cluster_name(layout.root),
        pod_cidr=wishes.pod_cidr,
        ingress="off" if wishes.ingress == "off" else "auto",
        ingress_http_port=wishes.ingress_http_port,
        ingress_https_port=wishes.ingress_https_port,
        lease_period=wishes.lease_period,
        service_cidr=wishes.service_cidr,
        cluster_dns=wishes.cluster_dns,
        cluster_domain=wishes.cluster_domain,
    )


def hollow_names(node: str, count: int) -> list[str]:
    """`hollow-1` … , or, if there is a name, `NAME-1` …"""
    return [f"{node}-{number}" for number in range(1, count + 1)]


def stop_ingress(layout: Layout, wishes: Wishes) -> None:
    """The proxy that this cluster's node left running. Raises CommandError."""
    from node_agent.network.ingress.node import remove_ingress

    try:
        asyncio.run(remove_ingress(options(layout, "", wishes)))
    except OSError as error:
        raise CommandError(f"cannot remove the ingress proxy: {error}") from None


def remove_containers(layout: Layout, wishes: Wishes) -> None:
    """Whatever this cluster has on the machine's engine and in its network. Raises CommandError."""
    from node_agent.main import remove_all
    from node_agent.runtime.errors import RuntimeFailure

    try:
        asyncio.run(remove_all(options(layout, "", wishes)))
    except RuntimeFailure as error:
        raise CommandError(f"cannot remove the pods' containers: {error}") from None
