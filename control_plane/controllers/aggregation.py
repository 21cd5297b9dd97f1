"""Unites ClusterRoles: one with an aggregationRule gets the rules of all that its selectors take (S#29).

So a new kind brings a role of its own with the label rbac.authorization.k8s.io/aggregate-to-view, and whoever has view
may look at it, without anybody editing view.
"""

from collections.abc import Iterable
from functools import partial

from api import controller
from api.client import Client
from api.informer import Informer, Informers
from api.rbac import aggregated
from api.selectors import labels_from
from api.workqueue import WorkQueue
from proto.v1.rbac_pb2 import ClusterRole, PolicyRule


def rules(role: ClusterRole, roles: Iterable[ClusterRole]) -> list[PolicyRule]:
    """What it should say."""
    selects = [labels_from(each) for each in role.aggregationRule.clusterRoleSelectors]
    return aggregated(roles, selects, role.metadata.name)


async def reconcile(key: str, *, client: Client, known: Informer[ClusterRole]) -> None:
    role = known.objects.get(key)
    if role is None or not role.HasField("aggregationRule"):
        return
    wanted = rules(role, known.objects.values())
    if list(role.rules) == wanted:
        return
    new = ClusterRole()
    new.CopyFrom(role)
    del new.rules[:]
    new.rules.extend(wanted)
    await client.update(new)


async def run(client: Client, informers: Informers) -> None:
    """Until cancelled."""
    queue, known = WorkQueue(), informers.of(ClusterRole)

    def look(_old: ClusterRole | None, _new: ClusterRole | None) -> None:
        """Any role may be part of any other."""
        for role in known.objects.values():
            if role.HasField("aggregationRule"):
                queue.add(role.metadata.name)

    known.add_handler(look)
    await known.wait_synced()
    work = partial(reconcile, client=client, known=known)
    await controller.run(queue, work, workers=1, name="clusterrole-aggregation")
