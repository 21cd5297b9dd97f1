"""The store in etcd: for control planes on several machines. etcd does the work; this says it in gRPC.

What etcd guarantees is where the contract comes from, so most calls are one call. Left to do here:
lists in pages that add up to one moment (PAGE), answers that get lost (etcd_txn.py), watches that
break (etcd_watch.py), members that fail (etcd_cluster.py).
"""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing

from control_plane.store import etcd_txn, etcd_watch
from control_plane.store.contract import (
    Ambiguous,
    Batch,
    Change,
    Compacted,
    Conflict,
    FutureRevision,
    Item,
    Listing,
    StoreUnavailable,
    check_transaction,
)
from control_plane.store.etcd_cluster import COMPACT, RANGE, TXN, Access, Cluster, Refused
from control_plane.store.state import prefix_end
from proto.etcd import rpc_pb2 as rpc

PAGE = 500  # items in one response, so that no answer takes long
ALL = b"\0"  # as range_end: without end


class EtcdStore:
    """Must be made in the event loop that uses it. Nothing is sent before the first call."""

    def __init__(self, access: Access, **settings: float) -> None:
        self._cluster = Cluster(access, **settings)
        self._seen = 0  # the greatest revision that any answer has told of

    async def get(self, key: str) -> Item | None:
        rows = (await self._range(rpc.RangeRequest(key=key.encode()))).kvs
        return etcd_txn.item_of(rows[0]) if rows else None

    async def list(
        self, prefix: str, *, revision: int = 0, after: str = "", limit: int = 0
    ) -> Listing:
        while True:
            try:
                return await self._pages(prefix, revision, after, limit)
            except Compacted:
                if revision:
                    raise
                # The present has become the past between two pages: begin again.

    async def _pages(self, prefix: str, revision: int, after: str, limit: int) -> Listing:
        request = rpc.RangeRequest(
            key=max(prefix, after + "\0").encode(),
            range_end=prefix_end(prefix).encode() or ALL,
            revision=revision,
        )
        items: list[Item] = []
        while True:
            request.limit = min(PAGE, limit - len(items)) if limit else PAGE
            page = await self._range(request)
            request.revision = request.revision or page.header.revision
            items += [etcd_txn.item_of(row) for row in page.kvs]
            remaining = page.count - len(page.kvs)
            if not remaining or len(items) == limit:
                return Listing(items, request.revision, remaining > 0, remaining)
            request.key = items[-1].key.encode() + b"\0"

    async def _range(self, request: rpc.RangeRequest) -> rpc.RangeResponse:
        try:
            response, _ = await self._cluster.call(RANGE, request)
        except Refused as refused:
            raise await self._explained(refused, request.revision) from refused
        self._seen = max(self._seen, response.header.revision)
        return response

    async def _explained(self, refused: Refused, revision: int) -> Exception:
        if refused.compacted:
            return Compacted(await etcd_watch.oldest_readable(self._cluster, revision))
        if refused.future:
            return FutureRevision(revision, await self.revision())
        return StoreUnavailable(f"etcd at {self._cluster.name} refuses: {refused}")

    async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
        check_transaction(expect, write)
        newer_than, anchor = self._seen, etcd_txn.anchor_of(expect, write)
        request = etcd_txn.request(expect, write)
        try:
            response, tries = await self._cluster.call(
                TXN, request, again=anchor is not None or not write
            )
        except Refused as refused:
            kind = Ambiguous if refused.uncertain else StoreUnavailable
            raise kind(f"etcd at {self._cluster.name} refuses to write: {refused}") from refused
        except Ambiguous:
            if anchor is None and (revision := await self._look_for(write, newer_than)):
                return revision
            raise
        self._seen = max(self._seen, response.header.revision)
        if response.succeeded:
            return response.header.revision
        wrong = etcd_txn.mismatches(expect, etcd_txn.found(list(expect), response))
        if anchor and tries.uncertain:
            return await self._resolve(expect, write, anchor, wrong)
        raise Conflict(wrong)

    async def _resolve(
        self, expect: etcd_txn.Expect, write: etcd_txn.Write, anchor: str, wrong: etcd_txn.Found
    ) -> int:
        """An earlier try got no answer, a later one failed its comparison: whose doing was it?"""
        first = await self._first_change(anchor, expect[anchor]) if anchor in wrong else None
        judgement = etcd_txn.judge(expect, write, anchor, first, wrong)
        if judgement is etcd_txn.Judgement.CONFLICT:
            raise Conflict(wrong)
        if judgement is etcd_txn.Judgement.OURS and first:
            return first.revision
        raise self._nobody_knows()

    async def _first_change(self, key: str, after: int) -> Change:
        """The first change of a key that is known to have changed."""
        try:
            watch = etcd_watch.watch(self._cluster, key.encode(), b"", after)
            async with aclosing(watch) as batches:
                return (await anext(batches))[0]
        except Compacted as error:
            raise self._nobody_knows() from error

    async def _look_for(self, write: etcd_txn.Write, newer_than: int) -> int | None:
        """The revision of a write that got no answer, if it can be seen to have happened."""
        response, _ = await self._cluster.call(TXN, etcd_txn.look(list(write)))
        held = etcd_txn.found(list(write), response)
        return etcd_txn.seems_ours(write, held, newer_than)

    def _nobody_knows(self) -> Ambiguous:
        return Ambiguous(
            f"etcd at {self._cluster.name} lost an answer: the write may have happened; read again"
        )

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        key, end = prefix.encode() or b"\0", prefix_end(prefix).encode() or ALL
        return etcd_watch.watch(self._cluster, key, end, after)

    async def revision(self) -> int:
        return (await self._range(rpc.RangeRequest(key=b"/", count_only=True))).header.revision

    async def compact(self, revision: int) -> None:
        if revision <= 0:
            return
        try:
            await self._cluster.call(COMPACT, rpc.CompactionRequest(revision=revision))
        except Refused as refused:
            if not refused.compacted:  # by another control plane: all the same
                raise await self._explained(refused, revision) from refused

    async def close(self) -> None:
        await self._cluster.close()
