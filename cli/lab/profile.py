"""A cluster that is quick to notice: in a lab nobody wants to wait for minutes until a dead node is given up.

The one place for it. The numbers belong together: how often a node says that it lives, and how long it may be
silent. A lab of tests on a busy machine is given more time, so that none is taken for dead that is only slow.
"""

LEASE, LOOK = 1.0, 0.5  # seconds between two signs of life, and between two looks at all nodes
GRACE = 3.0  # seconds that a node may be silent


def server(grace: float) -> list[str]:
    """Flags of `helmling server`."""
    return [
        f"--node-monitor-period={LOOK:g}s",
        f"--node-monitor-grace-period={grace:g}s",
        f"--node-startup-grace-period={grace + 10:g}s",
        "--node-eviction-rate=10",
        "--secondary-node-eviction-rate=10",
        "--default-not-ready-toleration-seconds=1",
        "--default-unreachable-toleration-seconds=1",
    ]


AGENT = (f"--lease-period={LEASE:g}s",)
