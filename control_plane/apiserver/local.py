"""The client for those who live in the server's own process: controllers, the scheduler, tests.

It calls the same registry as the gRPC service does. What it returns was decoded for the caller alone, and what it is
given is copied: behind this client nobody shares anything, just as over the wire.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, TypeVar, cast

from api import kinds, rpc
from api.client import (
    EVERYTHING,
    ORDINARY,
    PATCH_TYPES,
    Delete,
    Listing,
    PatchType,
    Selection,
    WatchEvent,
    Write,
)
from api.errors import ApiError
from control_plane.apiserver import requests
from control_plane.apiserver.collection import Step, run_all
from control_plane.apiserver.evict import evict
from control_plane.apiserver.patching import Patch
from control_plane.apiserver.reads import ListQuery, Reads, WatchQuery
from control_plane.apiserver.registry import Registry
from control_plane.apiserver.selection import Chosen, choose
from control_plane.apiserver.shown import shown
from control_plane.apiserver.stored import Stored
from proto.v1.apps_pb2 import Scale
from proto.v1.pod_pb2 import Binding
from proto.v1.policy_pb2 import Eviction, MetricsReport
from proto.v1.service_pb2 import RulesReport, WriteOptions

M = TypeVar("M")
STRICT = WriteOptions()


class LocalClient:
    """Implements `api.client.Client`."""

    def __init__(self, registry: Registry, reads: Reads) -> None:
        self._registry = registry
        self._reads = reads

    async def get(self, kind: type[M], name: str, namespace: str = "") -> M:
        place = requests.place_of(rpc.target_of_kind(kind, name, namespace))
        return cast(M, (await self._registry.get(place)).decode())

    async def list(
        self,
        kind: type[M],
        which: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        version: str = "",
    ) -> Listing[M]:
        query = ListQuery(self._chosen(kind, which), limit, continue_token, version)
        page = await self._reads.list(kinds.of(kind), query)
        items = [stored.decode() for stored in page.items]
        return Listing(items, str(page.revision), page.token, page.remaining)

    def _chosen(self, kind: type[Any], which: Selection) -> Chosen:
        strategy = self._registry.strategy(kinds.of(kind))
        return choose(strategy, which.namespace, which.labels, which.fields)

    async def watch(
        self, kind: type[M], which: Selection = EVERYTHING, *, version: str, bookmarks: bool = True
    ) -> AsyncIterator[Sequence[WatchEvent[M]]]:
        chosen, row = self._chosen(kind, which), kinds.of(kind)
        strategy = self._registry.strategy(row)
        query = WatchQuery(chosen, version, bookmarks)
        async with aclosing(self._reads.watch(row, query)) as messages:
            async for message in messages:
                seen = shown(strategy, chosen, message)
                if seen:
                    yield [WatchEvent(cast(Any, type), stored.decode()) for type, stored in seen]

    async def create(self, obj: M, *, dry_run: bool = False) -> M:
        return cast(M, (await self._create(obj, dry_run)).decode())

    async def _create(self, obj: Any, dry_run: bool = False) -> Stored:
        target = rpc.target_of(obj)
        if isinstance(obj, Binding):
            return await self._registry.bind(requests.place_of(target), obj, dry_run=dry_run)
        if isinstance(obj, Eviction):
            how = requests.eviction_of(target, rpc.pack(obj), WriteOptions(dryRun=dry_run))
            return await evict(self._registry, self._reads, requests.place_of(target), how)
        kind = requests.kind_of(target)
        copy = requests.object_of(target, kind, rpc.pack(obj), STRICT)
        return await self._registry.create(kind, copy, dry_run=dry_run)

    async def get_scale(self, kind: type[Any], name: str, namespace: str) -> Scale:
        place = requests.place_of(rpc.target_of_kind(kind, name, namespace, "scale"))
        return cast(Scale, (await self._registry.get(place)).decode())

    async def update_scale(self, kind: type[Any], scale: Scale, *, dry_run: bool = False) -> Scale:
        meta = scale.metadata
        target = rpc.target_of_kind(kind, meta.name, meta.namespace, "scale")
        place = requests.place_of(target)
        copy = requests.object_of(target, place.content, rpc.pack(scale), STRICT)
        return cast(Scale, (await self._registry.update(place, copy, dry_run=dry_run)).decode())

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False) -> M:
        return cast(M, (await self._update(obj, subresource, dry_run)).decode())

    async def _update(self, obj: Any, subresource: str, dry_run: bool = False) -> Stored:
        target = rpc.target_of(obj, subresource)
        place = requests.place_of(target)
        copy = requests.object_of(target, place.content, rpc.pack(obj), STRICT)
        return await self._registry.update(place, copy, dry_run=dry_run)

    async def patch(
        self,
        kind: type[M],
        name: str,
        namespace: str,
        patch: Mapping[str, Any] | Sequence[Any],
        *,
        patch_type: PatchType = "strategic",
        subresource: str = "",
        dry_run: bool = False,
    ) -> M:
        place = requests.place_of(rpc.target_of_kind(kind, name, namespace, subresource))
        body = Patch(place.content, PATCH_TYPES[patch_type], json.dumps(patch).encode())
        return cast(M, (await self._registry.patch(place, body, dry_run=dry_run)).decode())

    async def delete(
        self, kind: type[M], name: str, namespace: str = "", how: Delete = ORDINARY
    ) -> M:
        place = requests.place_of(rpc.target_of_kind(kind, name, namespace))
        return cast(M, (await self._registry.delete(place, how)).decode())

    async def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        await self._create(rpc.binding(namespace, name, uid, node))

    async def evict(self, namespace: str, name: str, how: Delete = ORDINARY) -> None:
        await self._create(rpc.eviction(namespace, name, how), how.dry_run)

    async def batch(self, writes: Sequence[Write[Any]]) -> Sequence[Any | ApiError]:
        outcomes = await run_all(self._step(write) for write in writes)
        return [
            outcome if isinstance(outcome, ApiError) else outcome.decode() for outcome in outcomes
        ]

    async def report_metrics(self, reports: Sequence[MetricsReport]) -> None:
        copies = [MetricsReport.FromString(each.SerializeToString()) for each in reports]
        self._registry.metrics.take(copies)

    async def report_rules(self, reports: AsyncIterator[RulesReport]) -> None:
        await self._registry.progress.follow(reports)

    async def await_rules(self, version: int, timeout: float) -> Sequence[str]:
        return await self._registry.progress.wait(version, timeout)

    def _step(self, write: Write[Any]) -> Step[Stored]:
        obj, meta = write.object, write.object.metadata
        about = (type(obj), meta.namespace, meta.name or id(write))
        if write.verb == "create":
            return about, lambda: self._create(obj)
        if write.verb == "update":
            return about, lambda: self._update(obj, write.subresource)
        how = Delete(grace=write.grace, uid=meta.uid)
        return about, lambda: self._registry.delete(requests.place_of(rpc.target_of(obj)), how)
