"""The filters: each says whether a pod can be on a node, or why not.

They come in three tuples by what can change their mind, cheapest first. A node's labels and taints hardly ever change;
its room changes with every pod placed there; company changes with pods placed elsewhere. Each node is refused by the
first filter that objects, in this order, which is Kubernetes' order too.
"""

from collections.abc import Callable

from control_plane.scheduler.company import Company, Levels
from control_plane.scheduler.filters.fit import has_room
from control_plane.scheduler.filters.node_affinity import matches_affinity
from control_plane.scheduler.filters.pod_affinity import has_right_company
from control_plane.scheduler.filters.ports import has_ports
from control_plane.scheduler.filters.spread import keeps_even
from control_plane.scheduler.filters.taints import tolerates_taints
from control_plane.scheduler.filters.unschedulable import is_ready, is_schedulable
from control_plane.scheduler.refusal import Refusals
from control_plane.scheduler.shape import Wants
from control_plane.scheduler.snapshot import NodeInfo

NodeFilter = Callable[[Wants, NodeInfo], Refusals]
CompanyFilter = Callable[[Company, Levels], Refusals]

NODE_FILTERS: tuple[NodeFilter, ...] = (
    is_schedulable,
    tolerates_taints,
    is_ready,
    matches_affinity,
)
ROOM_FILTERS: tuple[NodeFilter, ...] = (has_ports, has_room)
COMPANY_FILTERS: tuple[CompanyFilter, ...] = (keeps_even, has_right_company)
