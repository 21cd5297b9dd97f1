"""A watch on etcd that goes on through restarts and lost connections without loss or repetition.

It remembers the last revision it has passed on. When the stream breaks it opens another, at another
member, that starts AT this revision, and drops what it has seen. Starting one later would be wrong in
two ways: etcd says "compacted" only if the start lies before the compacted revision, and 3.4 may have
dropped a deletion at exactly that revision. From `after` on, nothing is missing or it says so.

etcd may send one revision's events in fragments; they are joined, so a transaction stays whole.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import grpc
import grpc.aio

from control_plane.store.contract import Batch, Change, Compacted, StoreUnavailable
from control_plane.store.etcd_cluster import (
    NEEDS_LEADER,
    PAUSE,
    TRY,
    WATCH,
    Cluster,
    Fate,
    fate,
)
from proto.etcd import kv_pb2 as kv
from proto.etcd import rpc_pb2 as rpc


class Broken(Exception):
    """The stream has ended; another may do better."""


class Progress:
    """What has been passed on so far, and the pieces of what comes next. No I/O."""

    def __init__(self, after: int) -> None:
        self.after = after  # everything up to this revision has been passed on
        self._pieces: list[kv.Event] = []

    def take(self, response: rpc.WatchResponse) -> Batch:
        """What can be passed on now."""
        self._pieces += response.events
        if response.fragment:
            return []
        batch = [change_of(e) for e in self._pieces if e.kv.mod_revision > self.after]
        # Without events it is a progress report, and true: automatic ones are sent in order.
        seen = self._pieces[-1].kv.mod_revision if self._pieces else response.header.revision
        self._pieces = []
        self.after = max(self.after, seen)
        return batch


def change_of(event: kv.Event) -> Change:
    value = event.kv.value if event.type == kv.Event.PUT else None
    return Change(event.kv.key.decode(), value, event.kv.mod_revision)


async def watch(
    cluster: Cluster, key: bytes, range_end: bytes, after: int
) -> AsyncGenerator[Batch, None]:
    """See Store.watch. Gives up when no member has taken it on for as long as the cluster's patience."""
    progress = Progress(after)
    while True:
        create = rpc.WatchCreateRequest(
            key=key,
            range_end=range_end,
            start_revision=max(progress.after, 1),
            progress_notify=True,
            fragment=True,
        )
        try:
            async with aclosing(await _open(cluster, create)) as responses:
                async for response in responses:
                    if batch := progress.take(response):
                        yield batch
        except Broken:
            await asyncio.sleep(PAUSE)


async def oldest_readable(cluster: Cluster, revision: int) -> int:
    """The revision that etcd has been compacted to, given one that lies before it."""
    create = rpc.WatchCreateRequest(key=b"/", start_revision=max(revision, 1))
    try:
        async with asyncio.timeout(2 * TRY), aclosing(await _open(cluster, create)) as responses:
            await anext(responses)
    except Compacted as error:
        return error.revision
    except (Broken, TimeoutError):
        pass
    return revision + 1  # the least it can be


async def _open(
    cluster: Cluster, create: rpc.WatchCreateRequest
) -> AsyncGenerator[rpc.WatchResponse, None]:
    """An open stream of responses, from whichever member takes it on."""
    trouble = "no answer in time"
    try:
        async with asyncio.timeout(cluster.patience):
            while True:
                channel = cluster.current
                stream = _stream(cluster, channel, create)
                try:
                    async with asyncio.timeout(2 * TRY):
                        await anext(stream)  # "created"
                except (Broken, TimeoutError) as error:
                    trouble = str(error) or trouble
                    await stream.aclose()
                    cluster.turn_from(channel)
                    await asyncio.sleep(PAUSE)
                    continue
                return stream
    except TimeoutError:
        raise StoreUnavailable(f"etcd at {cluster.name} does not answer: {trouble}") from None


async def _stream(
    cluster: Cluster, channel: int, create: rpc.WatchCreateRequest
) -> AsyncGenerator[rpc.WatchResponse, None]:
    """One watch stream at one member, until it breaks."""
    call = cluster.channel(channel).stream_stream(
        WATCH.path,
        request_serializer=rpc.WatchRequest.SerializeToString,
        response_deserializer=WATCH.answer.FromString,
    )(metadata=NEEDS_LEADER)
    try:
        with cluster.running(call):
            await call.write(rpc.WatchRequest(create_request=create))
        while True:
            with cluster.running(call):
                response = await call.read()
            if response is grpc.aio.EOF:
                raise Broken("the member ended the watch")
            if response.compact_revision:
                raise Compacted(response.compact_revision)
            if response.canceled:
                raise Broken(response.cancel_reason or "the member ended the watch")
            yield response
    except grpc.aio.AioRpcError as error:
        details = error.details() or error.code().name
        if fate(error.code(), details) is Fate.REFUSED:
            raise StoreUnavailable(
                f"etcd at {cluster.name} refuses to be watched: {details}"
            ) from None
        raise Broken(details) from None
    except (grpc.aio.UsageError, asyncio.InvalidStateError) as error:
        raise Broken(str(error)) from None
    finally:
        call.cancel()
        await call.code()  # until it has ended, grpc keeps a task for it
