"""Which objects belong to a controller: by reference, and by selector (S#22).

An object has at most one owner that manages it, marked `controller` in its owner references. A manager keeps what
points to it and matches its selector, lets go what points to it and matches no more, and adopts what matches and has
no manager. Two managers with the same selector therefore never fight: the first to write its reference has it.

Adoption is the dangerous half. A manager that was deleted a moment ago may still be in our cache, and what it adopted
now would be deleted with it; so before the first adoption the manager itself is read from the server.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from api import kinds, selectors
from api.client import Client
from api.errors import Conflict, Invalid, NotFound
from api.informer import Informer, by_namespace
from proto.v1.meta_pb2 import OwnerReference

M = TypeVar("M")
Counts = Callable[[Any], bool]

# indices of an informer
MANAGED, STRAYS, NAMESPACE = "managed", "strays", "namespace"


def manager_of(obj: Any) -> OwnerReference | None:
    """The owner that manages it, if it has one."""
    for owner in obj.metadata.ownerReferences:
        if owner.controller:
            return owner  # type: ignore[no-any-return]
    return None


def is_managed_by(obj: Any, owner: Any) -> bool:
    manager = manager_of(obj)
    return manager is not None and manager.uid == owner.metadata.uid


def reference_to(owner: Any) -> OwnerReference:
    """What a manager writes into the objects it makes."""
    kind = kinds.of(owner)
    return OwnerReference(
        apiVersion=kind.api_version,
        kind=kind.name,
        name=owner.metadata.name,
        uid=owner.metadata.uid,
        controller=True,
        blockOwnerDeletion=True,
    )


def index(informer: Informer[Any]) -> None:
    """Let `candidates` find objects without looking at all of them."""
    informer.add_index(MANAGED, _manager)
    informer.add_index(STRAYS, _stray)
    informer.add_index(NAMESPACE, by_namespace)


def _manager(obj: Any) -> Iterable[str]:
    manager = manager_of(obj)
    return (manager.uid,) if manager else ()


def _stray(obj: Any) -> Iterable[str]:
    return () if manager_of(obj) else (obj.metadata.namespace,)


def candidates(informer: Informer[M], owner: Any) -> list[M]:
    """All that may be the owner's: what points to it, and what nobody manages."""
    mine = informer.by_index(MANAGED, owner.metadata.uid)
    return [*mine, *informer.by_index(STRAYS, owner.metadata.namespace)]


def wanting(informer: Informer[Any], stray: Any) -> list[str]:
    """The keys of the owners whose selector fits an object that nobody manages."""
    return [
        kinds.object_key(owner)
        for owner in informer.by_index(NAMESPACE, stray.metadata.namespace)
        if selectors.labels_from(owner.spec.selector).matches(stray.metadata.labels)
    ]


def everything(_: Any) -> bool:
    return True


@dataclass(frozen=True)
class Claims(Generic[M]):
    keep: Sequence[M]
    adopt: Sequence[M]
    release: Sequence[M]


def claims(owner: Any, objects: Iterable[M]) -> Claims[M]:
    """Sort the candidates. An owner that is being deleted takes nothing on and lets nothing go."""
    selector = selectors.labels_from(owner.spec.selector)
    ending = owner.metadata.HasField("deletionTimestamp")
    keep, adopt, release = [], [], []
    for obj in objects:
        meta: Any = obj.metadata  # type: ignore[attr-defined]
        fits = selector.matches(meta.labels)
        if is_managed_by(obj, owner):
            if fits:
                keep.append(obj)
            elif not ending:
                release.append(obj)
        elif fits and not ending and not _is_taken(obj):
            adopt.append(obj)
    return Claims(keep, adopt, release)


def _is_taken(obj: Any) -> bool:
    return manager_of(obj) is not None or obj.metadata.HasField("deletionTimestamp")


async def claim(client: Client, informer: Informer[Any], owner: Any, counts: Counts) -> list[Any]:
    """The owner's objects among those that count, after adopting and releasing.

    What is returned is what the cache shows at the end, and what was adopted and is not shown yet: writing takes time,
    and a caller that compares with what it has done itself must not be given yesterday's list. Raises Conflict: the
    owner is not what we think it is.
    """
    first = claims(owner, filter(counts, candidates(informer, owner)))
    for obj in first.release:
        await _release(client, owner, obj)
    if first.adopt:
        await _check_alive(client, owner)
    if not first.release and not first.adopt:
        return list(first.keep)
    adopted = [await _adopt(client, owner, obj) for obj in first.adopt]
    now = claims(owner, filter(counts, candidates(informer, owner)))
    seen = {obj.metadata.uid for obj in now.keep}
    return [*now.keep, *(obj for obj in adopted if obj and obj.metadata.uid not in seen)]


async def _check_alive(client: Client, owner: Any) -> None:
    meta = owner.metadata
    live = await client.get(type(owner), meta.name, meta.namespace)
    if live.metadata.uid != meta.uid or live.metadata.HasField("deletionTimestamp"):
        raise Conflict(f"{kinds.of(owner).name} {meta.name} adopts nothing: it has been deleted")


async def _adopt(client: Client, owner: Any, obj: Any) -> Any:
    reference = reference_to(owner)
    entry = {
        "apiVersion": reference.apiVersion,
        "kind": reference.kind,
        "name": reference.name,
        "uid": reference.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return await _patch_owners(client, obj, entry)


async def _release(client: Client, owner: Any, obj: Any) -> None:
    await _patch_owners(client, obj, {"$patch": "delete", "uid": owner.metadata.uid})


async def _patch_owners(client: Client, obj: Any, entry: dict[str, Any]) -> Any:
    """The changed object; None if it is gone, or is another one by now, or somebody else has adopted it."""
    meta = obj.metadata
    patch = {"metadata": {"uid": meta.uid, "ownerReferences": [entry]}}
    try:
        return await client.patch(type(obj), meta.name, meta.namespace, patch)
    except (NotFound, Invalid, Conflict):
        return None
