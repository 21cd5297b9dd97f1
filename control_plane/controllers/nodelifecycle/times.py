"""How long to wait for nodes, and how fast to give them up. The defaults are Kubernetes' own (4f)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Seconds, and nodes per second. `helmling server` has a flag for each, with Kubernetes' name."""

    monitor_period: float = 5.0  # between two looks at all nodes
    monitor_grace_period: float = 50.0  # of silence, until a node is Unknown
    startup_grace_period: float = 60.0  # the same for a node that has never said how it is
    eviction_rate: float = 0.1  # nodes per second that get the taint NoExecute, in each zone
    secondary_eviction_rate: float = 0.01  # in a large zone most of whose nodes fail
    large_zone: int = 50  # nodes; in a zone of no more than that, nothing is evicted when most fail
    unhealthy_zone: float = 0.55  # "most": this share of its nodes, and at least three


KUBERNETES = Times()
