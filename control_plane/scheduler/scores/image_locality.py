"""A node that has the pod's images already starts it sooner.

The bytes it would not have to fetch, each image scaled by the share of nodes that have it (or all pods with one image
would run to the one node that happens to have it). 23 MiB or less is nothing, 1000 MiB per container is everything.
"""

from collections.abc import Mapping

from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo

_MIB = 1024 * 1024
LITTLE, MUCH = 23 * _MIB, 1000 * _MIB  # bytes


def image_locality(wants: Wants, node: NodeInfo, holders: Mapping[str, int], nodes: int) -> int:
    """`holders`: how many of the `nodes` have an image."""
    there = node.aspects.images
    if not there:
        return 0
    saved = sum(there[image] * holders[image] // nodes for image in wants.images if image in there)
    most = MUCH * wants.containers
    saved = min(max(saved, LITTLE), most)
    return 100 * (saved - LITTLE) // (most - LITTLE)
