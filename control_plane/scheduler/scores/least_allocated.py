"""The emptier the node will be, the better: load lies evenly, and a node that dies takes little with it.

For cpu and memory: the share that stays free, of 100; the mean of both. Pods that request nothing are guessed at
(resources.py), or any number of them would find the same node empty.
"""

from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo


def least_allocated(wants: Wants, node: NodeInfo) -> int:
    assumed, cpu, memory = wants.assumed, node.limit_cpu, node.limit_memory
    total = resources = 0
    if cpu:
        free = cpu - node.assumed_cpu - assumed.cpu
        total += free * 100 // cpu if free > 0 else 0
        resources += 1
    if memory:
        free = memory - node.assumed_memory - assumed.memory
        total += free * 100 // memory if free > 0 else 0
        resources += 1
    return total // resources if resources else 0
