"""When history is forgotten, and that the loop does it on every store."""

import asyncio

import pytest

from control_plane.store import compactor
from control_plane.store.compactor import Limits, Standing, due
from control_plane.store.contract import Compacted, Store, StoreUnavailable
from control_plane.store.memory import MemoryStore
from tests.contract.conftest import Run

LIMITS = Limits(every=300, revisions=1_000, bytes=1_000_000)


@pytest.mark.parametrize(
    ("standing", "to"),
    [
        pytest.param(Standing(500, 100, noted=300, waited=299), None, id="not yet"),
        pytest.param(Standing(500, 100, noted=300, waited=300), 300, id="to where it was then"),
        pytest.param(Standing(500, 300, noted=300, waited=300), None, id="nothing new by then"),
        pytest.param(Standing(1100, 100, noted=100, waited=5), None, id="just not too many"),
        pytest.param(Standing(1101, 100, noted=100, waited=5), 601, id="half of too many"),
        pytest.param(Standing(9000, 100, noted=100, waited=5), 8500, id="far too many"),
        pytest.param(Standing(500, 100, 100, 5, bytes=1_000_001), 300, id="too big"),
        pytest.param(Standing(500, 499, 499, 5, bytes=9_000_000), None, id="one big write"),
    ],
)
def test_when_it_is_due(standing: Standing, to: int | None) -> None:
    assert due(standing, LIMITS) == to


async def until_compacted(store: Store, revision: int) -> None:
    """Until that revision can no longer be read."""
    async with asyncio.timeout(60):
        while True:
            try:
                await store.list("/", revision=revision)
            except Compacted:
                return
            await asyncio.sleep(0.01)


def test_history_is_forgotten_in_time(run: Run) -> None:
    async def scenario(store: Store) -> None:
        compaction = asyncio.ensure_future(compact_often(store))
        first = await store.txn({}, {"/a": b""})
        for i in range(3):
            await store.txn({}, {"/a": b"%d" % i})
        last = await store.txn({}, {"/b": b""})
        await until_compacted(store, first)
        assert len((await store.list("/", revision=last)).items) == 2
        compaction.cancel()
        with pytest.raises(asyncio.CancelledError):
            await compaction

    run(scenario)


async def compact_often(store: Store) -> None:
    await compactor.run(store, Limits(every=0.05), look=0.01)


def test_a_high_pile_is_forgotten_before_its_time(run: Run) -> None:
    async def scenario(store: Store) -> None:
        compaction = asyncio.ensure_future(compactor.run(store, Limits(revisions=50), look=0.01))
        first = await store.txn({}, {"/a": b""})
        for i in range(120):
            await store.txn({}, {"/a": b"%d" % i})
        await until_compacted(store, first)
        compaction.cancel()
        await asyncio.gather(compaction, return_exceptions=True)

    run(scenario)


class Moody(MemoryStore):
    """Unavailable at first, as etcd without a leader."""

    failures = 3

    async def compact(self, revision: int) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreUnavailable("no leader")
        await super().compact(revision)


def test_an_unavailable_store_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        store = Moody()
        compaction = asyncio.ensure_future(compact_often(store))
        first = await store.txn({}, {"/a": b"1"})
        await store.txn({}, {"/a": b"2"})
        await until_compacted(store, first)
        compaction.cancel()
        await asyncio.gather(compaction, return_exceptions=True)

    asyncio.run(scenario())
    assert caplog.messages.count("compaction waits: no leader") == 3
