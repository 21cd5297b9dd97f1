"""Names that certificates carry, and that both sides of a connection must know."""

ADMIN = "kubernetes-admin"
MASTERS = "system:masters"  # the group that may do everything, whatever the roles say
SERVER_CLIENT = "kube-apiserver-kubelet-client"  # the API server, when it calls an agent
NODES = "system:nodes"  # the group of the agents, whose names are system:node:NAME
NODE_PREFIX = "system:node:"  # the node's name follows
BOOTSTRAPPERS = "system:bootstrappers"  # the group of those who show a join token
AGENT_DOMAIN = "nodes.helmling.internal"


def agent_host(node: str) -> str:
    """The host name in a node's serving certificate. Not the node's own name: that may be the API server's host as
    well, and then a node could pass for the API server."""
    return f"{node}.{AGENT_DOMAIN}"
