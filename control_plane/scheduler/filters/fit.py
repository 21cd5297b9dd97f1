"""Is there room? What the pod requests must be free of what the node can give away (S#51).

Only requests count, not limits and not what is really used: a promise that is kept beats a measurement that is
over. A pod that requests nothing of a resource fits on a node that has nothing left of it. This is the only filter
with more than one thing to say about a node.
"""

from control_plane.scheduler.refusal import FITS, Refusal, Refusals
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo

NAME = "NodeResourcesFit"
TOO_MANY = Refusal(NAME, "Too many pods")
CPU = Refusal(NAME, "Insufficient cpu")
MEMORY = Refusal(NAME, "Insufficient memory")
STORAGE = Refusal(NAME, "Insufficient ephemeral-storage")


def has_room(wants: Wants, node: NodeInfo) -> Refusals:
    requests = wants.requests
    if (  # the common case, in one look
        node.pods < node.limit_pods
        and (not requests.cpu or node.cpu + requests.cpu <= node.limit_cpu)
        and (not requests.memory or node.memory + requests.memory <= node.limit_memory)
        and not requests.storage
        and not requests.extended
    ):
        return FITS
    return tuple(_shortages(wants, node))


def _shortages(wants: Wants, node: NodeInfo) -> list[Refusal]:
    requests, found = wants.requests, []
    if node.pods >= node.limit_pods:
        found.append(TOO_MANY)
    if requests.cpu and node.cpu + requests.cpu > node.limit_cpu:
        found.append(CPU)
    if requests.memory and node.memory + requests.memory > node.limit_memory:
        found.append(MEMORY)
    if requests.storage and node.storage + requests.storage > node.limit_storage:
        found.append(STORAGE)
    limits = node.aspects.allocatable.extended
    for name, number in requests.extended.items():
        if node.extended.get(name, 0) + number > limits.get(name, 0):
            found.append(Refusal(NAME, f"Insufficient {name}"))
    return found
