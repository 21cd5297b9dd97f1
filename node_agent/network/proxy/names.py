"""What the table with everything that the cluster's objects ask of a node's kernel is called."""

from node_agent.runtime.names import instance

_BEGIN, _END = "helmling-", "-cluster"


def table_name(cluster: str, node: str) -> str:
    return f"{_BEGIN}{instance(cluster, node)}{_END}"


def is_table_of_services(name: str) -> bool:
    """Of any cluster and node."""
    return name.startswith(_BEGIN) and name.endswith(_END)
