"""The verbs that write, once for all kinds: create, update, patch, delete, bind.

Every write is the same loop. Read the object; let a pure function say what it becomes (or that it may not); write it
on the condition that nobody was quicker; if somebody was, begin again with what is there now. A client that sends a
resourceVersion has made the decision on the base of that version, so it is told (Conflict) instead. What differs
between kinds is in their Strategy.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from api import clock, kinds
from api.client import ORDINARY, Delete
from api.errors import Invalid
from api.kinds import Kind
from api.names import draw_suffix, new_uid
from control_plane.apiserver import binding as bindings
from control_plane.apiserver import deletion, metadata, refusals, scaling, unreadable
from control_plane.apiserver.admission import FREE, Admission, Terms
from control_plane.apiserver.allocation.allocator import Allocator
from control_plane.apiserver.errors import store_errors
from control_plane.apiserver.metrics import Metrics
from control_plane.apiserver.patching import Patch
from control_plane.apiserver.progress import Progress
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy, no_causes
from control_plane.store.contract import ABSENT, Conflict, Item, Store
from proto.v1.pod_pb2 import Binding, Pod

NAME_ATTEMPTS = 8  # as Kubernetes: so often a generated name may be taken already


@dataclass(frozen=True, slots=True)
class Place:
    """Names an object, and perhaps a part of it."""

    kind: Kind
    namespace: str
    name: str
    subresource: str = ""

    @property
    def key(self) -> str:
        return kinds.key(self.kind, self.namespace, self.name)

    @property
    def scale(self) -> bool:
        return self.subresource == scaling.SUBRESOURCE

    @property
    def content(self) -> Kind:
        """What is read and written there."""
        return kinds.SCALE if self.scale else self.kind


class _Gone:
    """What an object becomes when it leaves."""


GONE: Final = _Gone()
# From an object as it is (ours to change) to what it becomes. Raises ApiError: it may not.
Change = Callable[[Any], Any | _Gone]


# Sees an object before it is written, new and old (None: there is none), and raises Forbidden if the caller may not do
# just that: for rights that depend on what is in the object.
Guard = Callable[[Place, Any | None, Any | None], None]


def unguarded(place: Place, new: Any | None, old: Any | None) -> None:
    """Everything is allowed that came so far."""


class Registry:
    def __init__(
        self,
        store: Store,
        strategies: Mapping[Kind, Strategy],
        admission: Admission,
        allocator: Allocator,
        metrics: Metrics,
        guard: Guard = unguarded,
    ) -> None:
        self._store = store
        self._guard = guard
        self._strategies = strategies
        self._admission = admission
        self._allocator = allocator
        self.metrics = metrics
        self.progress = Progress()  # of the nodes' kernels

    def strategy(self, kind: Kind) -> Strategy:
        return self._strategies[kind]

    async def get(self, place: Place) -> Stored:
        """Raises NotFound, MethodNotAllowed."""
        if place.scale:
            scaling.check(place.kind, "get")
        elif place.subresource:  # or a right to read pods/log would be one to read pods
            _part(self._strategies[place.kind], place, "get")
        if not place.kind.stored:
            return self._measured(place)
        with store_errors():
            item = await self._store.get(place.key)
        stored = self._stored(place, item)
        return scaling.seen(stored) if place.scale else stored

    def _measured(self, place: Place) -> Stored:
        stored = self.metrics.get(place.key)
        if stored is None:
            raise refusals.not_found(place.kind, place.name)
        return stored

    def _stored(self, place: Place, item: Item | None, *, lost_too: bool = False) -> Stored:
        if item is None:
            raise refusals.not_found(place.kind, place.name)
        stored = Stored(self._strategies[place.kind], item.key, item.value, item.revision)
        if stored.lost and not lost_too:
            raise unreadable.refusal(stored.lost)
        return stored

    async def create(self, kind: Kind, obj: Any, *, dry_run: bool = False) -> Stored:
        """Store a new object (which is ours to change). Raises AlreadyExists, Invalid, Forbidden, NotFound."""
        _check_stored(kind, "create")
        generated = not obj.metadata.name and bool(obj.metadata.generateName)
        for attempt in range(1, NAME_ATTEMPTS + 1):
            self._identify(obj)
            last = attempt == NAME_ATTEMPTS or not generated
            taken = await self._create_once(kind, obj, dry_run)
            if isinstance(taken, Stored):
                return taken
            if last:
                there = Stored(self._strategies[kind], taken.key, taken.value, taken.revision)
                deleting = there.decode().metadata
                raise refusals.already_exists(
                    kind,
                    obj.metadata.name,
                    deleting=deleting.HasField("deletionTimestamp"),
                    generated=generated,
                )
            obj.metadata.name = ""
        raise AssertionError("the last attempt has returned or raised")

    def _identify(self, obj: Any) -> None:
        suffix = "" if obj.metadata.name else draw_suffix()
        metadata.prepare_create(obj, uid=new_uid(), stamp=clock.timestamp(), suffix=suffix)

    async def _create_once(self, kind: Kind, obj: Any, dry_run: bool) -> Stored | Item:
        """The stored object, or the one that has the name already."""
        strategy = self._strategies[kind]
        strategy.default(obj)
        with store_errors():
            await self._admission.mutate(kind, obj)
        strategy.prepare_create(obj)
        if causes := strategy.validate(obj):
            raise Invalid.because(kind.name, obj.metadata.name, causes)
        self._guard(Place(kind, obj.metadata.namespace, obj.metadata.name), obj, None)
        key = kinds.key(kind, obj.metadata.namespace, obj.metadata.name)
        async with self._admission.turn(kind, obj):
            while True:
                with store_errors():
                    terms = await self._admission.create(kind, obj)
                whole, claimed = await self._allocator.give(kind, obj)
                value = whole.SerializeToString()
                expect, write = {key: ABSENT, **claimed.expect}, {key: value, **claimed.write}
                found = await self._put(expect, write, terms, dry_run)
                if isinstance(found, int):
                    return Stored(strategy, key, value, found)
                taken = found.get(key)
                if taken is not None:
                    return taken  # otherwise the rules have changed under our feet

    async def _put(
        self,
        expect: Mapping[str, int],
        write: Mapping[str, bytes | None],
        terms: Terms,
        dry_run: bool,
    ) -> int | dict[str, Item | None]:
        """The new revision (0 in a dry run), or what was there instead of the expected."""
        with store_errors():
            if dry_run:
                found = {key: await self._store.get(key) for key in expect}
                same = all((i.revision if i else ABSENT) == expect[k] for k, i in found.items())
                return 0 if same else found
            try:
                revision = await self._store.txn(
                    {**terms.expect, **expect}, {**terms.write, **write}
                )
            except Conflict as conflict:
                self._admission.refused(conflict.found)
                return conflict.found
            self._admission.written(terms, revision)
            return revision

    async def update(self, place: Place, obj: Any, *, dry_run: bool = False) -> Stored:
        """Replace the object, or its part. Raises NotFound, Conflict, Invalid."""

        def change(old: Any) -> Any | _Gone:
            if place.scale:
                return self._changed(place, scaling.scaled(old, obj, []), old)
            new = type(obj)()
            new.CopyFrom(obj)
            return self._changed(place, new, old)

        return await self._write(place, change, dry_run)

    async def patch(self, place: Place, patch: Patch, *, dry_run: bool = False) -> Stored:
        """Change what the patch names. Raises NotFound, Conflict (the patch names a version), Invalid, BadRequest."""

        def change(old: Any) -> Any | _Gone:
            if place.scale:
                new, causes = patch.apply(scaling.scale_of(old))
                return self._changed(place, scaling.scaled(old, new, causes), old)
            new, causes = patch.apply(old)
            return self._changed(place, new, old, causes)

        return await self._write(place, change, dry_run)

    def _changed(self, place: Place, new: Any, old: Any, causes: Any = ()) -> Any | _Gone:
        """What an update makes of `old`, if everything about `new` is right."""
        kind, strategy = place.kind, self._strategies[place.kind]
        if new.metadata.uid and new.metadata.uid != old.metadata.uid:
            raise refusals.precondition(kind, place.name, "UID", new.metadata.uid, old.metadata.uid)
        version = new.metadata.resourceVersion
        if version and version != old.metadata.resourceVersion:
            raise refusals.conflict(kind, place.name)
        strategy.default(new)
        if place.subresource == "":
            self._admission.amend(new)
        metadata.prepare_update(new, old)
        prepare, validate = _part(strategy, place)
        prepare(new, old)
        if metadata.spec_changed(new, old) and place.subresource in ("", scaling.SUBRESOURCE):
            new.metadata.generation += 1
        if wrong := [*causes, *validate(new, old)]:
            raise Invalid.because(kind.name, place.name, wrong)
        self._guard(place, new, old)
        return GONE if deletion.is_over(new) else new

    async def _write(self, place: Place, change: Change, dry_run: bool) -> Stored:
        """Answers with what was written to: the object, or its scale."""
        _check_stored(place.kind, "update")
        if place.scale:
            scaling.check(place.kind, "update")
        stored = await self.change(place, change, dry_run=dry_run)
        return scaling.seen(stored) if place.scale else stored

    async def delete(self, place: Place, how: Delete = ORDINARY) -> Stored:
        """The object as it was last, or, marked, as it is now. Raises NotFound, Conflict, Forbidden."""
        _check_stored(place.kind, "delete")
        deletion.check(how)
        strategy = self._strategies[place.kind]

        def change(old: Any) -> Any | _Gone:
            self._guard(place, None, old)
            deletion.check_preconditions(strategy, old, how)
            deletion.mark(strategy, old, how, clock.now())
            return GONE if deletion.is_over(old) else old

        return await self.change(place, change, dry_run=how.dry_run, deletes=True)

    async def bind(self, place: Place, binding: Binding, *, dry_run: bool = False) -> Stored:
        """The bound pod. Raises NotFound, Conflict."""
        bindings.check(binding)

        def change(pod: Pod) -> Pod:
            bindings.bind(pod, binding)
            return pod

        return await self.change(place, change, dry_run=dry_run)

    async def change(
        self, place: Place, change: Change, *, dry_run: bool, deletes: bool = False
    ) -> Stored:
        """Write what `change` makes of the object, unchecked. Raises NotFound, and whatever `change` raises.

        Repeats until nobody was quicker; somebody always gets on, so this ends.
        """
        with store_errors():
            item = await self._store.get(place.key)
        while True:
            stored = self._stored(place, item, lost_too=deletes)
            outcome = change(stored.decode())
            outcome = GONE if stored.lost else outcome
            new = None if isinstance(outcome, _Gone) else outcome
            new, claimed = await self._allocator.give(place.kind, new, stored)
            value = None if new is None else _serialise(new)
            if value is not None and new == stored.strategy.kind.message.FromString(stored.value):
                return stored  # nothing has changed: nothing is written
            terms = await self._terms(place, stored, new)
            expect = {place.key: stored.revision, **claimed.expect}
            write = {place.key: value, **claimed.write}
            result = await self._put(expect, write, terms, dry_run)
            if isinstance(result, int):
                if value is None:
                    return stored
                return Stored(stored.strategy, place.key, value, result or stored.revision)
            item = result.get(place.key, item)

    async def _terms(self, place: Place, stored: Stored, new: Any | None) -> Terms:
        """Admission judges what users ask for, not what is reported about it."""
        if place.subresource:
            return FREE
        with store_errors():
            return await self._admission.change(place.kind, new, stored.decode())


def _check_stored(kind: Kind, verb: str) -> None:
    """Raises MethodNotAllowed: what is only measured, nobody writes."""
    if not kind.stored:
        raise refusals.not_allowed(kind, verb)


def _serialise(obj: Any) -> bytes:
    """As it is stored: without its version, which is the store's to know."""
    obj.metadata.ClearField("resourceVersion")
    return bytes(obj.SerializeToString())


def _part(strategy: Strategy, place: Place, verb: str = "update") -> tuple[Any, Any]:
    """Who prepares and who validates a write of this part. Raises MethodNotAllowed: there is no such part."""
    if place.subresource in ("", scaling.SUBRESOURCE):
        return strategy.prepare_update, strategy.validate_update
    if place.subresource == "status" and place.kind.status:
        return strategy.prepare_status, strategy.validate_status
    if place.subresource == "finalize" and strategy.prepare_finalize:
        return strategy.prepare_finalize, no_causes
    if place.subresource == "approval" and strategy.prepare_approval:
        return strategy.prepare_approval, strategy.validate_approval
    raise refusals.not_allowed(place.kind, verb, place.subresource)
