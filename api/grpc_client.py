"""The client over the wire: each verb is one gRPC call, and errors come back as the classes of api/errors.py."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

import grpc
import grpc.aio

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
from api.errors import ApiError, Unavailable, from_status
from api.tls import Identity
from proto.v1.apps_pb2 import Scale
from proto.v1.pod_pb2 import Binding
from proto.v1.policy_pb2 import MetricsReport
from proto.v1.service_pb2 import (
    AwaitRulesRequest,
    BatchItem,
    BatchRequest,
    CreateRequest,
    DeleteRequest,
    GetRequest,
    ListRequest,
    PatchRequest,
    ReportMetricsRequest,
    RulesReport,
    UpdateRequest,
    VersionRequest,
    VersionResponse,
    WatchRequest,
    WriteOptions,
)

M = TypeVar("M")
EventType = Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK"]

DEADLINE = 30.0  # seconds for everything but watches


def connect(address: str, identity: Identity, *, manager: str = "") -> "GrpcClient":
    """A client of the server at `address` ("127.0.0.1:6443"). Connects when first used; call it in a running loop.

    `manager` is the program's name, for the record of who wrote what.
    """
    return GrpcClient(address, identity, manager)


def _channel(address: str, identity: Identity) -> grpc.aio.Channel:
    credentials = identity.channel_credentials()
    return grpc.aio.secure_channel(address, credentials, options=rpc.CHANNEL_OPTIONS)


class GrpcClient:
    """Implements `api.client.Client`. Close it, or use it as an async context manager."""

    def __init__(self, address: str, identity: Identity, manager: str = "") -> None:
        self._address, self._manager = address, manager
        self._open(identity)

    def _open(self, identity: Identity) -> None:
        self._channel = _channel(self._address, identity)
        self._call = rpc.aio_stub(self._channel, "Resources")

    async def become(self, identity: Identity) -> None:
        """Show something else from the next call on: a certificate that was renewed.

        Calls on their way are given the time they had; watches end then (Unavailable), and go on where they were.
        """
        old = self._channel
        self._open(identity)
        await old.close(DEADLINE)

    async def __aenter__(self) -> "GrpcClient":
        return self

    async def __aexit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self._channel.close()

    async def _ask(self, method: str, request: Any) -> Any:
        try:
            return await getattr(self._call, method)(request, timeout=DEADLINE)
        except grpc.aio.AioRpcError as failure:
            raise rpc.error_of(failure) from None

    async def version(self) -> VersionResponse:
        """Which server this is. Raises Unavailable when none answers."""
        return cast(VersionResponse, await self._ask("Version", VersionRequest()))

    async def get(self, kind: type[M], name: str, namespace: str = "") -> M:
        target = rpc.target_of_kind(kind, name, namespace)
        return self._read(kind, await self._ask("Get", GetRequest(target=target)))

    async def list(
        self,
        kind: type[M],
        which: Selection = EVERYTHING,
        *,
        limit: int = 0,
        continue_token: str = "",
        version: str = "",
    ) -> Listing[M]:
        request = ListRequest(
            target=rpc.target_of_kind(kind, namespace=which.namespace),
            labelSelector=which.labels,
            fieldSelector=which.fields,
            limit=limit,
            continueToken=continue_token,
            resourceVersion=version,
        )
        reply = await self._ask("List", request)
        meta = reply.metadata
        remaining = meta.remainingItemCount if meta.HasField("remainingItemCount") else None
        items = list(rpc.unpack_all(reply.items, kind))
        return Listing(items, meta.resourceVersion, meta.continueToken, remaining)

    async def watch(
        self, kind: type[M], which: Selection = EVERYTHING, *, version: str, bookmarks: bool = True
    ) -> AsyncIterator[Sequence[WatchEvent[M]]]:
        request = WatchRequest(
            target=rpc.target_of_kind(kind, namespace=which.namespace),
            labelSelector=which.labels,
            fieldSelector=which.fields,
            resourceVersion=version,
            allowWatchBookmarks=bookmarks,
        )
        call = self._call.Watch(request)
        try:
            async for batch in call:
                yield [
                    WatchEvent(cast(EventType, event.type), self._read(kind, event.object))
                    for event in batch.events
                ]
        except grpc.aio.AioRpcError as failure:
            raise rpc.error_of(failure) from None
        except asyncio.CancelledError:
            _raise_if_ours()
            raise Unavailable("the connection was replaced: watch again") from None
        finally:
            call.cancel()

    async def create(self, obj: M, *, dry_run: bool = False) -> M:
        request = CreateRequest(
            target=rpc.target_of(obj), object=rpc.pack(obj), options=self._options(dry_run)
        )
        return self._read(type(obj), await self._ask("Create", request))

    async def update(self, obj: M, *, subresource: str = "", dry_run: bool = False) -> M:
        request = UpdateRequest(
            target=rpc.target_of(obj, subresource),
            object=rpc.pack(obj),
            options=self._options(dry_run),
        )
        return self._read(type(obj), await self._ask("Update", request))

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
        request = PatchRequest(
            target=rpc.target_of_kind(kind, name, namespace, subresource),
            patchType=PATCH_TYPES[patch_type],
            patch=json.dumps(patch).encode(),
            options=self._options(dry_run),
        )
        answer: type[Any] = Scale if subresource == "scale" else kind
        return cast(M, self._read(answer, await self._ask("Patch", request)))

    async def get_scale(self, kind: type[Any], name: str, namespace: str) -> Scale:
        request = GetRequest(target=rpc.target_of_kind(kind, name, namespace, "scale"))
        return self._read(Scale, await self._ask("Get", request))

    async def update_scale(self, kind: type[Any], scale: Scale, *, dry_run: bool = False) -> Scale:
        meta = scale.metadata
        request = UpdateRequest(
            target=rpc.target_of_kind(kind, meta.name, meta.namespace, "scale"),
            object=rpc.pack(scale),
            options=self._options(dry_run),
        )
        return self._read(Scale, await self._ask("Update", request))

    async def delete(
        self, kind: type[M], name: str, namespace: str = "", how: Delete = ORDINARY
    ) -> M:
        request = DeleteRequest(
            target=rpc.target_of_kind(kind, name, namespace),
            deleteOptions=rpc.delete_options(how),
            options=self._options(how.dry_run),
        )
        return self._read(kind, await self._ask("Delete", request))

    async def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        obj = rpc.binding(namespace, name, uid, node)
        request = CreateRequest(
            target=rpc.target_of(obj), object=rpc.pack(obj), options=self._options(False)
        )
        await self._ask("Create", request)

    async def evict(self, namespace: str, name: str, how: Delete = ORDINARY) -> None:
        obj = rpc.eviction(namespace, name, how)
        request = CreateRequest(
            target=rpc.target_of(obj), object=rpc.pack(obj), options=self._options(how.dry_run)
        )
        await self._ask("Create", request)

    async def batch(self, writes: Sequence[Write[Any]]) -> Sequence[Any | ApiError]:
        if not writes:
            return []
        request = BatchRequest(items=[self._item(write) for write in writes])
        reply = await self._ask("Batch", request)
        return [
            from_status(result.error) if result.HasField("error") else _unpack(result.object)
            for result in reply.results
        ]

    async def report_metrics(self, reports: Sequence[MetricsReport]) -> None:
        await self._ask("ReportMetrics", ReportMetricsRequest(reports=reports))

    async def report_rules(self, reports: AsyncIterator[RulesReport]) -> None:
        call, failure = self._call.ReportRules(), None
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(_write_all(call, reports))
            try:
                await call
            except grpc.aio.AioRpcError as error:
                failure = rpc.error_of(error)
            except asyncio.CancelledError:
                _raise_if_ours()
                failure = Unavailable("the connection was replaced: report again")
            finally:
                writing.cancel()
                call.cancel()
        if failure is not None:
            raise failure

    async def await_rules(self, version: int, timeout: float) -> Sequence[str]:
        request = AwaitRulesRequest(version=version, timeoutMilliseconds=int(timeout * 1000))
        return list((await self._ask("AwaitRules", request)).behind)

    def _item(self, write: Write[Any]) -> BatchItem:
        target = rpc.target_of(write.object, write.subresource)
        options = self._options(False)
        if write.verb == "delete":
            how = rpc.delete_options(Delete(grace=write.grace, uid=write.object.metadata.uid))
            request = DeleteRequest(target=target, deleteOptions=how, options=options)
            return BatchItem(delete=request)
        packed = rpc.pack(write.object)
        if write.verb == "update":
            return BatchItem(update=UpdateRequest(target=target, object=packed, options=options))
        return BatchItem(create=CreateRequest(target=target, object=packed, options=options))

    def _options(self, dry_run: bool) -> WriteOptions:
        return WriteOptions(dryRun=dry_run, fieldManager=self._manager)

    @staticmethod
    def _read(kind: type[M], envelope: Any) -> M:
        return kind.FromString(envelope.value)  # type: ignore[attr-defined,no-any-return]


def _raise_if_ours() -> None:
    """In a handler of CancelledError: go on being cancelled if it was our task and not the call that was cancelled."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _write_all(call: Any, messages: AsyncIterator[Any]) -> None:
    """Until they end, or the call does, whose own end tells why."""
    with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
        async for message in messages:
            await call.write(message)
        await call.done_writing()


def _unpack(envelope: Any) -> Any:
    kind = kinds.by_url(envelope.type_url)
    return kind.message.FromString(envelope.value) if kind else Binding.FromString(envelope.value)
