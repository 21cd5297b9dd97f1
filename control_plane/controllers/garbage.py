"""Deletes what has lost its owners (S#19, S#21).

Every object may name owners. When the last of them is gone, the object goes too. Nobody keeps a graph: the informers
find an object's dependents by an index, and an owner that the caches do not show is looked for on the server, because
what is not in a cache may only be late. A uid that was once found absent stays absent, and is remembered.

How an owner is deleted decides what comes first.

  background  the owner goes at once, its dependents follow.
  foreground  the owner waits, held by a finalizer, until the dependents that block it are gone; they are deleted in
              the same way, so a whole tree ends from its leaves.
  orphan      the owner waits until its dependents have forgotten it. They stay.

An owner in another namespace does not count: a name means something in its own namespace only. The dependent is told
so by an event, and goes like one whose owner is gone. Events are not looked at: they own nothing and have no owners,
come in great numbers, and go by their own clock.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from api import controller, kinds
from api.client import Client, Delete, Selection
from api.errors import NotFound
from api.informer import Informers, by_owner
from api.kinds import Kind
from api.recorder import Recorder
from api.workqueue import WorkQueue
from proto.v1.meta_pb2 import OwnerReference

FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"  # finalizers
OWNERS = "owners"  # an index
REMEMBERED = 4096  # uids of owners that are gone
WATCHED = tuple(kind for kind in kinds.KINDS if kind.collected)


def is_ending(obj: Any, finalizer: str) -> bool:
    """It is being deleted, and this finalizer holds it."""
    meta = obj.metadata
    return meta.HasField("deletionTimestamp") and finalizer in meta.finalizers


def is_blocking(dependent: Any, owner_uid: str) -> bool:
    """A deletion of the owner in the foreground waits for it."""
    references = dependent.metadata.ownerReferences
    return any(ref.uid == owner_uid and ref.blockOwnerDeletion for ref in references)


@dataclass
class Owners:
    """The owners of an object, sorted by what they are to it."""

    solid: list[OwnerReference] = field(default_factory=list)  # it lives as long as these
    waiting: list[OwnerReference] = field(default_factory=list)  # these wait for it to go
    absent: list[OwnerReference] = field(default_factory=list)


@dataclass(frozen=True)
class Verdict:
    """What becomes of a dependent: owners that it shall forget, or how to delete it."""

    forget: tuple[str, ...] = ()  # uids
    delete: str = ""  # Background, Foreground, Orphan


def judge(obj: Any, owners: Owners, *, has_dependents: bool) -> Verdict:
    if owners.solid:
        return Verdict(forget=tuple(ref.uid for ref in (*owners.absent, *owners.waiting)))
    if not owners.waiting and not owners.absent:
        return Verdict()
    if owners.waiting and has_dependents:
        return Verdict(delete="Foreground")
    finalizers = obj.metadata.finalizers
    if ORPHAN in finalizers:
        return Verdict(delete="Orphan")
    return Verdict(delete="Foreground" if FOREGROUND in finalizers else "Background")


@dataclass
class GarbageCollector:
    client: Client
    informers: Informers
    recorder: Recorder
    queue: WorkQueue = field(default_factory=WorkQueue)
    # Uids that were looked for in vain; oldest first. A uid never comes back.
    gone: dict[str, None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._informers = {kind: self.informers.of(kind.message) for kind in WATCHED}
        for informer in self._informers.values():
            informer.add_index(OWNERS, by_owner)

    def listen(self) -> None:
        for informer in self._informers.values():
            informer.add_handler(self._on_change)

    def _on_change(self, old: Any, new: Any) -> None:
        if new is None:
            self._remember(old.metadata.uid)
            self._look_at_all(self.dependents(old.metadata.uid))
        elif _is_tied(new) and (old is None or _ties(old) != _ties(new)):
            self._look_at(new)
        if old is not None and (new is None or _lost_owner(old, new)):
            self._look_at_all(self._known_owners(old))

    def _remember(self, uid: str) -> None:
        self.gone[uid] = None
        if len(self.gone) > REMEMBERED:
            del self.gone[next(iter(self.gone))]

    def _look_at(self, obj: Any) -> None:
        self.queue.add(f"{kinds.of(obj).full_name} {kinds.object_key(obj)}")

    def _look_at_all(self, objects: Iterable[Any]) -> None:
        for obj in objects:
            self._look_at(obj)

    def dependents(self, uid: str) -> Iterator[Any]:
        for informer in self._informers.values():
            yield from informer.by_index(OWNERS, uid)

    def _known_owners(self, obj: Any) -> Iterator[Any]:
        for reference in obj.metadata.ownerReferences:
            if (owner := self._cached(reference, obj)) is not None:
                yield owner

    def _cached(self, reference: OwnerReference, dependent: Any) -> Any:
        kind = kinds.by_type(reference.apiVersion, reference.kind)
        if kind is None or kind not in self._informers:
            return None
        key = _key(kind, reference, dependent)
        owner = self._informers[kind].objects.get(key)
        return owner if owner is not None and owner.metadata.uid == reference.uid else None

    async def reconcile(self, key: str) -> float | None:
        obj = self._find(key)
        if obj is None:
            return None
        if is_ending(obj, ORPHAN):
            await self._orphan_dependents(obj)
        elif is_ending(obj, FOREGROUND):
            await self._wait_for_dependents(obj)
        elif not obj.metadata.HasField("deletionTimestamp"):
            await self._judge(obj)
        return None

    def _find(self, key: str) -> Any:
        name, _, object_key = key.partition(" ")
        kind = next(kind for kind in self._informers if kind.full_name == name)
        return self._informers[kind].objects.get(object_key)

    async def _wait_for_dependents(self, owner: Any) -> None:
        """Dependents look at their owner and see that it waits; the last one that goes calls us again."""
        uid = owner.metadata.uid
        dependents = list(self.dependents(uid))
        self._look_at_all(dependents)
        if not any(is_blocking(each, uid) for each in dependents):
            await self._remove_finalizer(owner, FOREGROUND)

    async def _orphan_dependents(self, owner: Any) -> None:
        """Asks the server and not the caches: a dependent that was overlooked would be deleted afterwards."""
        meta = owner.metadata
        for kind in self._informers:
            listing = await self.client.list(kind.message, Selection(namespace=meta.namespace))
            for each in listing.items:
                if any(ref.uid == meta.uid for ref in each.metadata.ownerReferences):
                    await self._forget_owners(each, (meta.uid,))
        await self._remove_finalizer(owner, ORPHAN)

    async def _remove_finalizer(self, obj: Any, finalizer: str) -> None:
        meta = obj.metadata
        left = [each for each in meta.finalizers if each != finalizer]
        change = {"metadata": {"resourceVersion": meta.resourceVersion, "finalizers": left}}
        with suppress(NotFound):
            await self.client.patch(
                type(obj), meta.name, meta.namespace, change, patch_type="merge"
            )

    async def _judge(self, obj: Any) -> None:
        meta = obj.metadata
        owners = await self._owners(obj)
        # Asked of those only for whom it counts: there are many kinds to look through.
        has_dependents = bool(owners.waiting) and any(True for _ in self.dependents(meta.uid))
        verdict = judge(obj, owners, has_dependents=has_dependents)
        if verdict.forget:
            await self._forget_owners(obj, verdict.forget)
        if verdict.delete:
            how = Delete(uid=meta.uid, version=meta.resourceVersion, propagation=verdict.delete)
            with suppress(NotFound):
                await self.client.delete(type(obj), meta.name, meta.namespace, how)

    async def _owners(self, obj: Any) -> Owners:
        found = Owners()
        for reference in obj.metadata.ownerReferences:
            owner = self._cached(reference, obj)
            if owner is not None:
                (found.waiting if is_ending(owner, FOREGROUND) else found.solid).append(reference)
            elif await self._is_absent(reference, obj):
                found.absent.append(reference)
            else:
                found.solid.append(reference)
        return found

    async def _is_absent(self, reference: OwnerReference, dependent: Any) -> bool:
        """An owner of an unknown kind, or one that cannot be looked up, is not known to be absent."""
        kind = kinds.by_type(reference.apiVersion, reference.kind)
        namespace = dependent.metadata.namespace
        if kind is None:
            return False
        if reference.uid in self.gone:
            return True
        elsewhere = kind.namespaced and self._is_elsewhere(kind, reference, namespace)
        if elsewhere or (kind.namespaced and not namespace):
            self._tell(reference, dependent)
            return bool(namespace)
        try:
            live = await self.client.get(kind.message, reference.name, namespace)
        except NotFound:
            absent = True
        else:
            absent = live.metadata.uid != reference.uid
        if absent:
            self._remember(reference.uid)
        return absent

    def _is_elsewhere(self, kind: Kind, reference: OwnerReference, namespace: str) -> bool:
        """The owner exists in another namespace."""
        informer = self._informers.get(kind)
        return informer is not None and any(
            obj.metadata.uid == reference.uid and obj.metadata.namespace != namespace
            for obj in informer.objects.values()
            if obj.metadata.name == reference.name
        )

    def _tell(self, reference: OwnerReference, dependent: Any) -> None:
        namespace = dependent.metadata.namespace
        named = (
            f"[{reference.apiVersion}/{reference.kind}, namespace: {namespace}, "
            f"name: {reference.name}, uid: {reference.uid}]"
        )
        said = f'ownerRef {named} does not exist in namespace "{namespace}"'
        self.recorder.event(dependent, "Warning", "OwnerRefInvalidNamespace", said)

    async def _forget_owners(self, obj: Any, uids: Iterable[str]) -> None:
        meta = obj.metadata
        entries = [{"$patch": "delete", "uid": uid} for uid in uids]
        with suppress(NotFound):
            await self.client.patch(
                type(obj),
                meta.name,
                meta.namespace,
                {"metadata": {"uid": meta.uid, "ownerReferences": entries}},
            )


def _key(kind: Kind, reference: OwnerReference, dependent: Any) -> str:
    namespace = dependent.metadata.namespace
    return f"{namespace}/{reference.name}" if kind.namespaced else reference.name


def _ties(obj: Any) -> tuple[Any, ...]:
    """What may change its fate."""
    meta = obj.metadata
    return meta.ownerReferences, meta.finalizers, meta.HasField("deletionTimestamp")


def _is_tied(obj: Any) -> bool:
    """Only who has an owner, or is on its way out, is anything to us: most new objects are not."""
    return bool(obj.metadata.ownerReferences) or obj.metadata.HasField("deletionTimestamp")


def _lost_owner(old: Any, new: Any) -> bool:
    return len(new.metadata.ownerReferences) < len(old.metadata.ownerReferences)


async def run(client: Client, informers: Informers, recorder: Recorder) -> None:
    """Until cancelled. Nobody is judged before all informers are complete."""
    collector = GarbageCollector(client, informers, recorder)
    await informers.wait_synced(*(kind.message for kind in WATCHED))
    collector.listen()
    await controller.run(collector.queue, collector.reconcile, workers=8, name="garbage")
