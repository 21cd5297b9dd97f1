"""A cluster that is quick to notice: in a lab nobody wants to wait for minutes until a dead node is given up.

The one place for it. Two numbers belong together: how often a node says that it lives, and how long it may be silent.
"""

SERVER = (
    "--node-monitor-period=1s",
    "--node-monitor-grace-period=15s",
    "--node-startup-grace-period=15s",
    "--node-eviction-rate=10",
    "--secondary-node-eviction-rate=10",
    "--default-not-ready-toleration-seconds=2",
    "--default-unreachable-toleration-seconds=2",
)
AGENT: tuple[str, ...] = ()
