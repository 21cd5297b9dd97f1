"""The verb behind a pod's subresource "eviction": ask the budgets, take one off, delete (S#101)."""

from dataclasses import replace
from typing import Any

from api import clock, kinds
from api.client import Delete
from api.errors import Conflict, NotFound, TooManyRequests
from control_plane.apiserver import deletion, eviction
from control_plane.apiserver.eviction import Grant
from control_plane.apiserver.reads import ListQuery, Reads
from control_plane.apiserver.registry import GONE, Place, Registry
from control_plane.apiserver.selection import choose
from control_plane.apiserver.stored import Stored
from proto.v1.pod_pb2 import Pod
from proto.v1.policy_pb2 import PodDisruptionBudget

SUBRESOURCE = "eviction"
ATTEMPTS = 20  # so often a pod or a budget may change while it is decided about
_BUDGETS = kinds.of(PodDisruptionBudget)


async def evict(registry: Registry, reads: Reads, place: Place, how: Delete) -> Stored:
    """The pod as it is now, or was last. Raises TooManyRequests (later, perhaps), Internal, NotFound, Conflict."""
    deletion.check(how)
    place = replace(place, subresource="")  # the pod itself
    for _ in range(ATTEMPTS):
        pod: Pod = (await registry.get(place)).decode()
        deletion.check_preconditions(registry.strategy(place.kind), pod, how)
        grant = eviction.judge(pod, await _budgets(reads, registry, pod))
        try:
            await _charge(registry, grant, pod, how)
            return await _leave(registry, place, pod, grant, how)
        except Conflict:
            if not grant.pinned or how.version:
                raise
    raise TooManyRequests(
        f"pod {pod.metadata.name} changes all the time: it was not evicted", retry_after=10
    )


async def _budgets(reads: Reads, registry: Registry, pod: Pod) -> list[PodDisruptionBudget]:
    if eviction.is_free(pod):
        return []
    strategy = registry.strategy(_BUDGETS)
    page = await reads.list(_BUDGETS, ListQuery(choose(strategy, pod.metadata.namespace, "", "")))
    return [stored.decode() for stored in page.items]


async def _charge(registry: Registry, grant: Grant, pod: Pod, how: Delete) -> None:
    if grant.charge is None:
        return

    def change(budget: PodDisruptionBudget) -> PodDisruptionBudget:
        eviction.charge(budget, pod, clock.now())
        return budget

    meta = grant.charge.metadata
    place = Place(_BUDGETS, meta.namespace, meta.name, "status")
    try:
        await registry.change(place, change, dry_run=how.dry_run)
    except NotFound:  # the budget was deleted just now: it guards nothing any more
        return


async def _leave(
    registry: Registry, place: Place, judged: Pod, grant: Grant, how: Delete
) -> Stored:
    strategy = registry.strategy(place.kind)
    if grant.pinned and not how.version:
        how = replace(how, version=judged.metadata.resourceVersion)

    def change(pod: Pod) -> Any:
        eviction.leave(strategy, pod, how, clock.now())
        return GONE if deletion.is_over(pod) else pod

    return await registry.change(place, change, dry_run=how.dry_run)
