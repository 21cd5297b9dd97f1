"""Empties a namespace that is being deleted, and lets it go (S#25).

Deleting a namespace only marks it: the API server refuses everything new in it from then on, and the finalizer
"kubernetes" in its spec keeps it. This controller deletes the contents, pods first, because they run and because
everything else may be what they need to end well. While something remains, the namespace's conditions say what, and
who is being waited for. When nothing remains, it removes the finalizer, and the API server removes the namespace.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from api import clock, controller, kinds
from api.client import Client, Selection, Write
from api.errors import ApiError, NotFound
from api.informer import Informers
from api.kinds import Kind
from api.workqueue import WorkQueue
from proto.v1.cluster_pb2 import Namespace
from proto.v1.meta_pb2 import Condition
from proto.v1.pod_pb2 import Pod

FINALIZER = "kubernetes"
LOOK_AGAIN = 1.0  # seconds, while something remains
BATCH = 100  # objects deleted in one call

CONTENTS: tuple[Kind, ...] = tuple(
    sorted(
        (kind for kind in kinds.KINDS if kind.namespaced and kind.stored),
        key=lambda k: k.message is not Pod,
    )
)


@dataclass(frozen=True)
class Remains:
    """What is left in a namespace."""

    objects: Mapping[Kind, Sequence[Any]]
    failures: Sequence[str] = ()

    def __bool__(self) -> bool:
        return any(self.objects.values()) or bool(self.failures)


def next_to_delete(remains: Remains) -> list[Any]:
    """Those whose turn it is and that nobody has deleted yet: all pods, and when there are none, all the rest."""
    pods = [obj for kind, objs in remains.objects.items() if kind.message is Pod for obj in objs]
    rest = [
        obj for kind, objs in remains.objects.items() if kind.message is not Pod for obj in objs
    ]
    return [obj for obj in pods or rest if not obj.metadata.HasField("deletionTimestamp")]


def conditions(remains: Remains) -> list[Condition]:
    """What remains, in Kubernetes' words."""
    counts = {kind: len(objs) for kind, objs in remains.objects.items() if objs}
    waiting = _finalizers(obj for objs in remains.objects.values() for obj in objs)
    return [
        _condition(
            "NamespaceDeletionContentFailure",
            "; ".join(remains.failures),
            ("ContentDeletionFailed", "ContentDeleted"),
            "All content successfully deleted, may be waiting on finalization",
        ),
        _condition(
            "NamespaceContentRemaining",
            _told("Some resources are remaining: ", _resources(counts)),
            ("SomeResourcesRemain", "ContentRemoved"),
            "All content successfully removed",
        ),
        _condition(
            "NamespaceFinalizersRemaining",
            _told("Some content in the namespace has finalizers remaining: ", _instances(waiting)),
            ("SomeFinalizersRemain", "ContentHasNoFinalizers"),
            "All content-preserving finalizers finished",
        ),
    ]


def _told(what: str, parts: Iterable[str]) -> str:
    listed = ", ".join(parts)
    return what + listed if listed else ""


def _resources(counts: Mapping[Kind, int]) -> list[str]:
    return sorted(
        f"{kind.full_name} has {count} resource instances" for kind, count in counts.items()
    )


def _finalizers(objects: Iterable[Any]) -> Counter[str]:
    return Counter(name for obj in objects for name in obj.metadata.finalizers)


def _instances(waiting: Counter[str]) -> list[str]:
    return [f"{name} in {count} resource instances" for name, count in sorted(waiting.items())]


def _condition(type: str, wrong: str, reasons: tuple[str, str], fine: str) -> Condition:
    """True means that something is wrong."""
    return Condition(
        type=type,
        status="True" if wrong else "False",
        reason=reasons[0] if wrong else reasons[1],
        message=wrong or fine,
    )


def with_conditions(namespace: Namespace, fresh: Sequence[Condition]) -> Namespace:
    """A copy of the namespace; a condition keeps the time since when it has been so."""
    copy = Namespace()
    copy.CopyFrom(namespace)
    known = {each.type: each for each in namespace.status.conditions}
    del copy.status.conditions[:]
    for condition in fresh:
        before = known.pop(condition.type, None)
        added = copy.status.conditions.add()
        added.CopyFrom(condition)
        same = before is not None and before.status == condition.status
        since = before.lastTransitionTime if before is not None and same else clock.timestamp()
        added.lastTransitionTime.CopyFrom(since)
    copy.status.conditions.extend(known.values())
    return copy


async def reconcile(key: str, *, client: Client) -> float | None:
    """One step towards an empty namespace; again in a moment while it is not."""
    try:
        namespace = await client.get(Namespace, key)
    except NotFound:
        return None
    if not namespace.metadata.HasField("deletionTimestamp"):
        return None
    if FINALIZER not in namespace.spec.finalizers:
        return None
    failures = await _delete(client, next_to_delete(await _remains(client, key)))
    remains = await _remains(client, key, failures)
    if remains:
        await _report(client, namespace, remains)
        return LOOK_AGAIN
    namespace.spec.finalizers.remove(FINALIZER)
    await client.update(namespace, subresource="finalize")
    return None


async def _remains(client: Client, namespace: str, failures: Sequence[str] = ()) -> Remains:
    inside = Selection(namespace=namespace)
    found = {kind: (await client.list(kind.message, inside)).items for kind in CONTENTS}
    return Remains(found, failures)


async def _delete(client: Client, objects: Sequence[Any]) -> list[str]:
    """Returns what could not be deleted, and why."""
    failures = []
    for first in range(0, len(objects), BATCH):
        some = objects[first : first + BATCH]
        outcomes = await client.batch([Write("delete", obj) for obj in some])
        for obj, outcome in zip(some, outcomes, strict=True):
            if isinstance(outcome, ApiError) and not isinstance(outcome, NotFound):
                failures.append(f"{kinds.object_key(obj)}: {outcome.message}")
    return failures


async def _report(client: Client, namespace: Namespace, remains: Remains) -> None:
    fresh = with_conditions(namespace, conditions(remains))
    if fresh != namespace:
        await client.update(fresh, subresource="status")


async def run(client: Client, informers: Informers) -> None:
    """Until cancelled."""
    queue = WorkQueue()

    def look(_old: Namespace | None, new: Namespace | None) -> None:
        if new is not None and new.metadata.HasField("deletionTimestamp"):
            queue.add(new.metadata.name)

    informers.of(Namespace).add_handler(look)
    await controller.run(queue, partial(reconcile, client=client), workers=2, name="namespace")
