"""The order in which a pod's containers end. Pure.

Main and init containers end together. Sidecars serve them to the last: they end after all others, the one that was
started last first. https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/
"""

from node_agent.pods.view import View, is_sidecar
from node_agent.runtime.model import ContainerStatus

LEAST_GRACE = (
    2.0  # seconds that every container gets, also one whose preStop hook took all there was
)


def order(view: View) -> list[list[ContainerStatus]]:
    """Groups of running containers: each ends together, after the one before it has ended."""
    sidecars = [c.name for c in view.pod.spec.initContainers if is_sidecar(c)]
    running = list(view.running())
    groups = [[run for run in running if run.name not in sidecars]]
    groups += [[run for run in running if run.name == name] for name in reversed(sidecars)]
    return [group for group in groups if group]


def remaining(grace: float, used: float) -> float:
    """Seconds left of a grace period, of which so many are used."""
    return max(grace - used, LEAST_GRACE)
