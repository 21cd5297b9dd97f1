"""One step of a rollout: from the sizes of the ReplicaSets to other sizes. Numbers in, numbers out.

A step does one thing. It either gives the new ReplicaSet more, or takes from the old ones; the next step follows when
the world has changed. Both are bounded: together never more than replicas + surge, and available never fewer than
replicas - unavailable. Pods that are ending are not counted, so while old pods drain there may be more of them.

What was written is not yet so. A ReplicaSet whose size was cut has its pods until its controller has ended them, so
nobody grows meanwhile, and of its available pods no more are counted on than it may keep. (Kubernetes reckons with the
sizes alone: when the other controller is slow, the bounds are left for a moment.)

What is returned names only the sets whose size is to be written.
"""

from collections.abc import Iterable, Mapping, Sequence

from control_plane.controllers.deployment import bounds, notes
from control_plane.controllers.deployment.template import oldest_first
from proto.v1.apps_pb2 import Deployment, ReplicaSet

Sizes = Mapping[str, int]  # name of a ReplicaSet -> its size from now on


def total(sets: Iterable[ReplicaSet]) -> int:
    return sum(rs.spec.replicas for rs in sets)


def available(sets: Iterable[ReplicaSet]) -> int:
    return sum(rs.status.availableReplicas for rs in sets)


def active(sets: Iterable[ReplicaSet]) -> list[ReplicaSet]:
    return [rs for rs in sets if rs.spec.replicas > 0]


def is_observed(rs: ReplicaSet) -> bool:
    """Its status speaks of its present size."""
    return bool(rs.status.observedGeneration >= rs.metadata.generation)


def is_shrinking(rs: ReplicaSet) -> bool:
    """It has, or may have, more pods than its size. Nobody waits for one that is being deleted."""
    if rs.metadata.HasField("deletionTimestamp"):
        return False
    return not is_observed(rs) or rs.status.replicas > rs.spec.replicas


def held_back(resized: Sizes, sets: Iterable[ReplicaSet]) -> Sizes:
    """None grows while another shrinks."""
    before = {rs.metadata.name: rs for rs in sets}
    shrinking = {name for name, rs in before.items() if is_shrinking(rs)}
    shrinking |= {name for name, size in resized.items() if size < before[name].spec.replicas}
    return {
        name: size
        for name, size in resized.items()
        if size <= before[name].spec.replicas or not shrinking - {name}
    }


def new_size(deployment: Deployment, present: int, everything: int) -> int:
    """Of the new ReplicaSet, which has `present` of `everything` pods: as many more as there is room for."""
    wanted = int(deployment.spec.replicas)
    if deployment.spec.strategy.type == "Recreate":
        return wanted
    room = bounds.most(deployment) - everything
    return present + max(0, min(room, wanted - present))


def rolling(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Up if there is room, else down if enough are available."""
    size = new_size(deployment, new.spec.replicas, total((new, *old)))
    size = min(size, deployment.spec.replicas)
    if size != new.spec.replicas:
        return {new.metadata.name: size}
    return _take_from_old(deployment, new, oldest_first(old))


def _take_from_old(deployment: Deployment, new: ReplicaSet, old: Sequence[ReplicaSet]) -> Sizes:
    """Unavailable replicas first: they serve nobody. New ones that are not available yet are not counted on."""
    fewest = bounds.fewest_available(deployment)
    starting = new.spec.replicas - new.status.availableReplicas
    limit = total((new, *old)) - fewest - starting
    if limit <= 0 or total(old) == 0:
        return {}
    unavailable = {
        rs.metadata.name: max(0, rs.spec.replicas - rs.status.availableReplicas) for rs in old
    }
    sizes = {rs.metadata.name: int(rs.spec.replicas) for rs in old}
    _cut(sizes, unavailable, limit)
    _cut(sizes, dict(sizes), _kept(new, old) - fewest)
    return {rs.metadata.name: n for rs in old if (n := sizes[rs.metadata.name]) < rs.spec.replicas}


def _kept(new: ReplicaSet, old: Sequence[ReplicaSet]) -> int:
    """So many are available and will not be ended on account of an earlier step."""
    return sum(min(rs.spec.replicas, rs.status.availableReplicas) for rs in (new, *old))


def _cut(sizes: dict[str, int], at_most: Mapping[str, int], left: int) -> None:
    """Take up to `left` in all, in the order of `sizes`."""
    for name in sizes:
        cut = max(0, min(sizes[name], at_most[name], left))
        sizes[name] -= cut
        left -= cut


def recreate(
    deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet], *, old_pods: bool
) -> Sizes:
    """All old ones to 0; then, when none of their pods exists any more, all of the new ones."""
    ending = {rs.metadata.name: 0 for rs in active(old)}
    if ending or old_pods or new is None or new.spec.replicas == deployment.spec.replicas:
        return ending
    return {new.metadata.name: int(deployment.spec.replicas)}


def was_scaled(deployment: Deployment, sets: Iterable[ReplicaSet]) -> bool:
    """Somebody has changed `replicas` since the sets got their sizes."""
    desired = (notes.number(rs, notes.DESIRED) for rs in active(sets))
    return any(each not in (None, deployment.spec.replicas) for each in desired)


def scaled(deployment: Deployment, new: ReplicaSet | None, old: Sequence[ReplicaSet]) -> Sizes:
    """Sizes for a Deployment that was scaled or is paused; the template is not looked at."""
    wanted = int(deployment.spec.replicas)
    every = [*old, *((new,) if new else ())]
    running = active(every)
    if len(running) <= 1:
        newest = oldest_first(old)[-1:]
        return {rs.metadata.name: wanted for rs in running or ((new,) if new else newest)}
    if new is not None and _is_saturated(deployment, new):
        return {rs.metadata.name: 0 for rs in active(old)}
    if deployment.spec.strategy.type == "Recreate":
        return {}
    return proportional(deployment, running)


def _is_saturated(deployment: Deployment, new: ReplicaSet) -> bool:
    wanted = deployment.spec.replicas
    desired = notes.number(new, notes.DESIRED)
    return {new.spec.replicas, desired, new.status.availableReplicas} == {wanted}


def proportional(deployment: Deployment, running: Sequence[ReplicaSet]) -> Sizes:
    """In the middle of a rollout a change of size is shared out, so that a bad version does not get all of it."""
    allowed = bounds.most(deployment) if deployment.spec.replicas > 0 else 0
    to_add = allowed - total(running)
    newer_first = oldest_first(running)[:: -1 if to_add > 0 else 1]
    ordered = sorted(newer_first, key=lambda rs: -rs.spec.replicas)  # stable: ties stay as they are
    left, sizes = to_add, {}
    for rs in ordered:
        share = _share(deployment, rs) if left else 0
        share = min(share, left) if to_add > 0 else max(share, left)
        sizes[rs.metadata.name] = int(rs.spec.replicas) + share
        left -= share
    largest = ordered[0].metadata.name
    sizes[largest] = max(0, sizes[largest] + left)
    return sizes


def _share(deployment: Deployment, rs: ReplicaSet) -> int:
    """What the set gets so that its part of the whole stays the same."""
    size = int(rs.spec.replicas)
    if deployment.spec.replicas == 0:
        return -size
    before = notes.number(rs, notes.MAXIMUM) or int(deployment.status.replicas)
    if before == 0:
        return 0
    return _rounded(size * bounds.most(deployment), before) - size


def _rounded(numerator: int, denominator: int) -> int:
    """Halves away from zero."""
    return (2 * numerator + denominator) // (2 * denominator)
