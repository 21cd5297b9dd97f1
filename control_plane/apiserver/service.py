"""The eight verbs over gRPC: a thin coat over the registry and the reads.

Replies are bytes. What the store holds is passed on as it is, in the frames of wire.py; nothing is decoded that
nobody looks at. Whoever speaks another dialect (control_plane/gateway) gets the same verbs behind the same gate and
trail from `Resources.plain`, with answers that are not put into frames yet.
"""

import asyncio
import platform
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as Envelope

from api import clock
from api.errors import ApiError, status_of
from api.grpc_server import Admit, Context, Verb, handler_of
from control_plane.apiserver import notes, refusals, requests, tables, wire
from control_plane.apiserver.authorization.gate import Gate
from control_plane.apiserver.authorization.questions import Questions
from control_plane.apiserver.collection import Step, delete_collection, run_all
from control_plane.apiserver.evict import SUBRESOURCE, evict
from control_plane.apiserver.patching import Patch
from control_plane.apiserver.reads import (
    ListQuery,
    Message,
    Page,
    Reads,
    WatchQuery,
)
from control_plane.apiserver.registry import Registry
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.shown import TableEncoder, shown
from control_plane.apiserver.stored import Stored
from control_plane.apiserver.strategy import Strategy
from control_plane.apiserver.trail import Trail
from proto.v1 import service_pb2 as pb
from proto.v1.meta_pb2 import ListMeta

VERSION = version("helmling")
# Seconds. The more watch the same, the longer each waits after a message for what can go out with the next one: so a
# burst of writes is not held up by telling everybody of each. An event after a quiet moment goes out at once.
SENDING, LONGEST_BREATH = 0.0003, 0.05
KUBERNETES = "v1.36"  # whose behaviour is followed


@dataclass
class About:
    """What `Version` tells of this cluster."""

    cluster: str = ""  # its uid: that of the namespace kube-system
    port: int = 0  # where client certificates are taken
    token_port: int = 0  # where bearer tokens are taken; 0: nowhere


class Resources:
    """The service `Resources` of proto/v1/service.proto."""

    def __init__(
        self,
        registry: Registry,
        reads: Reads,
        about: About,
        gate: Gate,
        questions: Questions,
        trail: Trail,
    ) -> None:
        self._registry = registry
        self._reads = reads
        self._about = about
        self._gate = gate
        self._questions = questions
        self._trail = trail

    def handler(self, admit: Admit) -> grpc.GenericRpcHandler:
        verbs: dict[str, Any] = {
            "Get": self._get,
            "List": self._list,
            "Watch": self._watch,
            "Create": self._create,
            "Update": self._update,
            "Patch": self._patch,
            "Delete": self._delete,
            "DeleteCollection": self._delete_collection,
            "Batch": self._batch,
            "ReportMetrics": self._report_metrics,
            "ReportRules": self._report_rules,
            "AwaitRules": self._await_rules,
            "Version": self._version,
        }
        followed = self._trail.followed(self._gate.guarded(verbs))
        return handler_of("Resources", followed, admit=admit, encoded=True)

    def plain(self) -> dict[str, Verb]:
        """For another dialect: answers are Stored, or a Page; `Watch` writes what is seen into its context."""
        verbs: dict[str, Verb] = {
            "Get": lambda request, _: self._do_get(request),
            "List": lambda request, _: self._do_list(request),
            "Watch": self._do_watch,
            "Create": lambda request, _: self._do_create(request),
            "Update": lambda request, _: self._do_update(request),
            "Patch": lambda request, _: self._do_patch(request),
            "Delete": lambda request, _: self._do_delete(request),
            "DeleteCollection": lambda request, _: self._do_delete_collection(request),
        }
        return self._trail.followed(self._gate.guarded(verbs))

    async def _get(self, request: pb.GetRequest, _: Context) -> bytes:
        return (await self._do_get(request)).envelope()

    async def _do_get(self, request: pb.GetRequest) -> Stored:
        return await self._registry.get(requests.place_of(request.target))

    async def _list(self, request: pb.ListRequest, _: Context) -> bytes:
        if request.target.name:
            return await self._row(request)
        tables.check_include(request.includeObject)
        page = await self._do_list(request)
        if not request.asTable:
            return _list_response(page)
        strategy, meta = self._strategy(request.target), list_meta(page)
        rows = tables.table(strategy, page.items, meta, request.includeObject, clock.now())
        return pb.ListResponse(metadata=meta, table=rows).SerializeToString()

    async def _do_list(self, request: pb.ListRequest) -> Page:
        strategy = self._strategy(request.target)
        query = ListQuery(
            requests.chosen_by(strategy, request),
            request.limit,
            request.continueToken,
            request.resourceVersion,
            request.resourceVersionMatch,
        )
        return await self._reads.list(strategy.kind, query)

    async def _row(self, request: pb.ListRequest) -> bytes:
        """One object, as a table shows it."""
        place = requests.row_of(request)
        stored = await self._registry.get(place)
        meta = ListMeta(resourceVersion=str(stored.revision))
        rows = tables.table(stored.strategy, [stored], meta, request.includeObject, clock.now())
        return pb.ListResponse(metadata=meta, table=rows).SerializeToString()

    def _strategy(self, target: pb.Target) -> Strategy:
        return self._registry.strategy(requests.stored_kind_of(target))

    async def _watch(self, request: pb.WatchRequest, context: Context) -> None:
        strategy, query = self._watched(request)
        tables.check_include(request.includeObject)
        encode = self._encoder(strategy, query.chosen, request)
        await self._follow(strategy, query, lambda message: encode(message) or None, context)

    async def _do_watch(self, request: pb.WatchRequest, context: Context) -> None:
        """Writes lists of (type, Stored). The first may be empty: the watch has begun."""
        strategy, query = self._watched(request)

        def seen(message: Message) -> list[tuple[str, Stored]]:
            return shown(strategy, query.chosen, message)

        await self._follow(strategy, query, seen, context)

    def _watched(self, request: pb.WatchRequest) -> tuple[Strategy, WatchQuery]:
        strategy = self._strategy(request.target)
        chosen = requests.chosen_by(strategy, request)
        version, bookmarks = request.resourceVersion, request.allowWatchBookmarks
        return strategy, WatchQuery(chosen, version, bookmarks, request.sendInitialEvents)

    async def _follow(
        self,
        strategy: Strategy,
        query: WatchQuery,
        encode: Callable[[Message], Any],  # None: nothing to be told
        context: Context,
    ) -> None:
        cache = self._reads.cache_of(strategy.kind)
        async with aclosing(self._reads.watch(strategy.kind, query)) as messages:
            async for message in messages:
                if (batch := encode(message)) is not None:
                    await context.write(batch)
                    await asyncio.sleep(min(cache.company(query.chosen) * SENDING, LONGEST_BREATH))

    def _encoder(
        self, strategy: Strategy, chosen: Chosen, request: pb.WatchRequest
    ) -> Callable[[Message], bytes]:
        if request.asTable:
            return TableEncoder(strategy, chosen, request.includeObject)
        cache = self._reads.cache_of(strategy.kind)

        def encode(message: Message) -> bytes:
            if isinstance(message, list):
                return cache.encode(chosen, message)
            return b"".join(
                wire.event(type, stored.envelope())
                for type, stored in shown(strategy, chosen, message)
            )

        return encode

    async def _create(self, request: pb.CreateRequest, _: Context) -> bytes:
        return (await self._do_create(request)).envelope()

    async def _do_create(self, request: pb.CreateRequest) -> Stored:
        target, dry_run = request.target, request.options.dryRun
        kind = requests.kind_of(target)
        if target.subresource == "binding" and kind.plural == "pods":
            place = requests.place_of(target)
            binding = requests.binding_of(target, request.object)
            return await self._registry.bind(place, binding, dry_run=dry_run)
        if target.subresource == SUBRESOURCE and kind.plural == "pods":
            how = requests.eviction_of(target, request.object, request.options)
            return await evict(self._registry, self._reads, requests.place_of(target), how)
        if self._questions.answers(kind, target.subresource):
            return await self._questions.ask(target, request.object, request.options)
        if target.subresource:
            raise refusals.not_allowed(kind, "create", target.subresource)
        obj = requests.object_of(target, kind, request.object, request.options)
        return await self._registry.create(kind, obj, dry_run=dry_run)

    async def _update(self, request: pb.UpdateRequest, _: Context) -> bytes:
        return (await self._do_update(request)).envelope()

    async def _do_update(self, request: pb.UpdateRequest) -> Stored:
        place = requests.place_of(request.target)
        obj = requests.object_of(request.target, place.content, request.object, request.options)
        return await self._registry.update(place, obj, dry_run=request.options.dryRun)

    async def _patch(self, request: pb.PatchRequest, _: Context) -> bytes:
        return (await self._do_patch(request)).envelope()

    async def _do_patch(self, request: pb.PatchRequest) -> Stored:
        place = requests.place_of(request.target)
        validation = request.options.fieldValidation
        patch = Patch(place.content, request.patchType, request.patch, validation)
        stored = await self._registry.patch(place, patch, dry_run=request.options.dryRun)
        for warning in patch.warnings:
            notes.warn(warning)
        return stored

    async def _delete(self, request: pb.DeleteRequest, _: Context) -> bytes:
        return (await self._do_delete(request)).envelope()

    async def _do_delete(self, request: pb.DeleteRequest) -> Stored:
        place = requests.place_of(request.target)
        if place.subresource:
            raise refusals.not_allowed(place.kind, "delete", place.subresource)
        how = requests.delete_of(request.deleteOptions, request.options)
        return await self._registry.delete(place, how)

    async def _delete_collection(self, request: pb.DeleteCollectionRequest, _: Context) -> bytes:
        return _list_response(await self._do_delete_collection(request))

    async def _do_delete_collection(self, request: pb.DeleteCollectionRequest) -> Page:
        strategy = self._strategy(request.target)
        chosen = requests.chosen_by(strategy, request)
        how = requests.delete_of(request.deleteOptions, request.options)
        return await delete_collection(self._registry, self._reads, strategy.kind, chosen, how)

    async def _batch(self, request: pb.BatchRequest, context: Context) -> bytes:
        outcomes = await run_all(self._step(item, context) for item in request.items)
        results = [
            pb.BatchResult(error=status_of(outcome))
            if isinstance(outcome, ApiError)
            else pb.BatchResult(object=Envelope.FromString(outcome.envelope()))
            for outcome in outcomes
        ]
        return pb.BatchResponse(results=results).SerializeToString()

    def _step(self, item: pb.BatchItem, context: Context) -> Step[Stored]:
        verb = item.WhichOneof("verb")
        writes: dict[str | None, Callable[[], Awaitable[Stored]]] = {
            "create": lambda: self._do_create(item.create),
            "update": lambda: self._do_update(item.update),
            "patch": lambda: self._do_patch(item.patch),
            "delete": lambda: self._do_delete(item.delete),
        }
        target = getattr(item, verb).target if verb else pb.Target()
        about = (target.group, target.resource, target.namespace, target.name or id(item))

        request = getattr(item, verb) if verb else None

        async def write() -> Stored:
            self._gate.check_item(verb or "", request)
            return await writes[verb]()

        async def followed() -> Stored:
            stored: Stored = await self._trail.item(request, context, write())
            return stored

        return about, followed

    async def _report_metrics(self, request: pb.ReportMetricsRequest, _: Context) -> bytes:
        self._registry.metrics.take(request.reports)
        return pb.ReportMetricsResponse().SerializeToString()

    async def _report_rules(self, requests: AsyncIterator[bytes], _: Context) -> bytes:
        await self._registry.progress.follow(
            pb.RulesReport.FromString(each) async for each in requests
        )
        return pb.ReportRulesResponse().SerializeToString()

    async def _await_rules(self, request: pb.AwaitRulesRequest, _: Context) -> bytes:
        timeout = request.timeoutMilliseconds / 1000
        behind = await self._registry.progress.wait(request.version, timeout)
        return pb.AwaitRulesResponse(behind=behind).SerializeToString()

    async def _version(self, _request: pb.VersionRequest, _: Context) -> bytes:
        return pb.VersionResponse(
            helmling=VERSION,
            kubernetes=KUBERNETES,
            python=platform.python_version(),
            platform=f"{platform.system().lower()}/{platform.machine()}",
            cluster=self._about.cluster,
            port=self._about.port,
            tokenPort=self._about.token_port,
        ).SerializeToString()


def list_meta(page: Page) -> ListMeta:
    meta = ListMeta(resourceVersion=str(page.revision), continueToken=page.token)
    if page.remaining is not None:
        meta.remainingItemCount = page.remaining
    return meta


def _list_response(page: Page) -> bytes:
    envelopes = [stored.envelope() for stored in page.items]
    return wire.listing(list_meta(page).SerializeToString(), envelopes)
