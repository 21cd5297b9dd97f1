"""A node whose cpu is used up while half its memory is free wastes that half: cpu and memory should run out together.

100 · (1 - s), where s is the standard deviation of the used shares of cpu and memory; for two numbers that is half
their distance. Computed in integers, exactly. A pod that requests nothing changes no balance and gets no score.
"""

from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo


def balanced_allocation(wants: Wants, node: NodeInfo) -> int:
    requests, cpu, memory = wants.requests, node.limit_cpu, node.limit_memory
    if not requests.cpu and not requests.memory:
        return 0
    if not cpu or not memory:
        return 100  # one resource is always in balance with itself
    used_cpu = min(node.cpu + requests.cpu, cpu)
    used_memory = min(node.memory + requests.memory, memory)
    distance = abs(used_cpu * memory - used_memory * cpu)  # of the shares, times cpu · memory
    return 100 + (-50 * distance) // (cpu * memory)
