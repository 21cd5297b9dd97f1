"""The store's contract, for every implementation. Numbers are those of contract.py's guarantees."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

import pytest

from control_plane.store.contract import (
    ABSENT,
    MAX_BYTES,
    MAX_KEY_LENGTH,
    MAX_KEYS,
    Batch,
    Change,
    Compacted,
    Conflict,
    FutureRevision,
    Item,
    Store,
    StoreUnavailable,
    TooLarge,
)
from tests.contract.conftest import Run, Scenario


def scenario(test: Scenario) -> Callable[[Run], None]:
    """Makes a test of a coroutine function that wants an empty store."""

    def on_each(run: Run) -> None:
        run(test)

    on_each.__doc__ = test.__doc__
    return on_each


async def put(store: Store, key: str, value: bytes = b"") -> int:
    return await store.txn({}, {key: value})


async def take(watch: AsyncGenerator[Batch, None], count: int) -> Batch:
    """The first `count` changes of a watch, which ends."""
    changes: Batch = []
    async with aclosing(watch):
        while len(changes) < count:
            changes += await anext(watch)
    return changes


async def keys(store: Store, prefix: str, revision: int = 0) -> list[str]:
    return [item.key for item in (await store.list(prefix, revision=revision)).items]


# 1: serial


@scenario
async def test_each_change_gets_a_greater_revision(store: Store) -> None:
    before = await store.revision()
    first = await put(store, "/a")
    second = await put(store, "/b")
    assert before < first < second == await store.revision()
    assert await store.get("/a") == Item("/a", b"", first)


@scenario
async def test_writes_of_a_transaction_share_its_revision(store: Store) -> None:
    revision = await store.txn({}, {"/a": b"1", "/b": b"2"})
    assert (await store.list("/")).items == [
        Item("/a", b"1", revision),
        Item("/b", b"2", revision),
    ]


@scenario
async def test_what_changes_nothing_takes_no_revision(store: Store) -> None:
    """A mere check, and deleting what is not there."""
    revision = await put(store, "/a")
    assert await store.txn({"/a": revision}, {}) == revision
    assert await store.txn({}, {"/nothing": None}) == revision
    assert await store.txn({"/nothing": ABSENT}, {"/nothing": None}) == revision
    assert await store.revision() == revision


@scenario
async def test_deleting_nothing_beside_a_write_is_not_seen(store: Store) -> None:
    start = await store.revision()
    revision = await store.txn({}, {"/a": b"", "/nothing": None})
    assert await take(store.watch("/", after=start), 1) == [Change("/a", b"", revision)]


@scenario
async def test_concurrent_increments_all_count(store: Store) -> None:
    """Thirty callers raise one number, each on the revision it has read."""
    await put(store, "/n", b"0")

    async def raise_it() -> None:
        while True:
            item = await store.get("/n")
            assert item
            try:
                await store.txn({"/n": item.revision}, {"/n": b"%d" % (int(item.value) + 1)})
            except Conflict:
                continue
            return

    async with asyncio.TaskGroup() as group:
        for _ in range(30):
            group.create_task(raise_it())
    item = await store.get("/n")
    assert item
    assert item.value == b"30"


@scenario
async def test_only_one_of_many_creates_wins(store: Store) -> None:
    outcomes = await asyncio.gather(
        *(store.txn({"/lock": ABSENT}, {"/lock": b"%d" % i}) for i in range(20)),
        return_exceptions=True,
    )
    won = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, int)]
    assert len(won) == 1
    assert await store.get("/lock") == Item("/lock", b"%d" % won[0], await store.revision())
    winner = {"/lock": await store.get("/lock")}
    assert all(o.found == winner for o in outcomes if isinstance(o, Conflict))


# 2: conditional


@scenario
async def test_a_conflict_names_what_the_keys_hold(store: Store) -> None:
    """Only those that do not match; and nothing is written."""
    a = await put(store, "/a", b"old")
    b = await put(store, "/b", b"kept")
    with pytest.raises(Conflict) as conflict:
        await store.txn({"/a": a + 1, "/b": b, "/c": b}, {"/a": b"new", "/d": b"new"})
    assert conflict.value.found == {"/a": Item("/a", b"old", a), "/c": None}
    assert "/a is at" in str(conflict.value)
    assert "/c is absent" in str(conflict.value)
    assert await keys(store, "/") == ["/a", "/b"]
    assert await store.revision() == b


@scenario
async def test_absent_is_a_revision_to_expect(store: Store) -> None:
    revision = await store.txn({"/a": ABSENT}, {"/a": b""})
    with pytest.raises(Conflict):
        await store.txn({"/a": ABSENT}, {"/a": b""})
    await store.txn({"/a": revision}, {"/a": None})
    assert await store.txn({"/a": ABSENT}, {"/a": b"again"}) > revision


@scenario
async def test_an_expected_key_need_not_be_written(store: Store) -> None:
    guard = await put(store, "/guard")
    await store.txn({"/guard": guard}, {"/a": b""})
    await put(store, "/guard")
    with pytest.raises(Conflict):
        await store.txn({"/guard": guard}, {"/b": b""})


@scenario
async def test_a_refused_transaction_fails_alone(store: Store) -> None:
    """Also when it is committed together with others."""
    a = await put(store, "/a")
    outcomes = await asyncio.gather(
        store.txn({}, {"/x": b""}),
        store.txn({"/a": a + 99}, {"/y": b""}),
        store.txn({}, {"/z": b""}),
        return_exceptions=True,
    )
    assert [type(outcome) for outcome in outcomes] == [int, Conflict, int]
    assert await keys(store, "/") == ["/a", "/x", "/z"]


@scenario
async def test_the_largest_transaction_is_taken_and_a_larger_refused(store: Store) -> None:
    """By every implementation alike."""
    names = [f"/{i:03}".ljust(MAX_KEY_LENGTH, "k") for i in range(MAX_KEYS)]
    size = MAX_BYTES // MAX_KEYS - MAX_KEY_LENGTH
    await store.txn(dict.fromkeys(names, ABSENT), dict.fromkeys(names, b"v" * size))
    assert len(await keys(store, "/")) == MAX_KEYS
    with pytest.raises(TooLarge):
        await store.txn({}, dict.fromkeys([*names, "/more"], b""))
    with pytest.raises(TooLarge):
        await store.txn({}, {"/big": b"v" * MAX_BYTES})
    assert await store.get("/big") is None


@pytest.mark.parametrize("key", ["", "a", "/ä", "/a\n", "/" + "k" * MAX_KEY_LENGTH])
def test_what_is_no_key_is_refused(run: Run, key: str) -> None:
    async def refused(store: Store) -> None:
        with pytest.raises(ValueError, match="key"):
            await put(store, key)

    run(refused)


# 3: atomic


@scenario
async def test_readers_never_see_half_a_transaction(store: Store) -> None:
    done = asyncio.Event()

    async def write() -> None:
        for i in range(100):
            await store.txn({}, {"/pair/left": b"%d" % i, "/pair/right": b"%d" % i})
        done.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        while not done.is_set():
            items = (await store.list("/pair/")).items
            assert len({(item.value, item.revision) for item in items}) <= 1
            await asyncio.sleep(0)


@scenario
async def test_watches_never_split_a_transaction(store: Store) -> None:
    start, seen = await store.revision(), 0
    for i in range(20):
        await store.txn({}, {f"/w/{k:03}": b"%d" % i * 1000 for k in range(MAX_KEYS)})
    async with aclosing(store.watch("/w/", after=start)) as batches:
        async for batch in batches:
            by_revision = [change.revision for change in batch]
            assert by_revision == sorted(by_revision)
            assert all(by_revision.count(r) == MAX_KEYS for r in set(by_revision))
            seen += len(batch)
            if seen == 20 * MAX_KEYS:
                break


# 4: linearizable


@scenario
async def test_what_was_acknowledged_is_read(store: Store) -> None:
    for i in range(50):
        revision = await put(store, "/a", b"%d" % i)
        assert await store.get("/a") == Item("/a", b"%d" % i, revision)
        assert (await store.list("/a")).items[0].revision == revision
        assert await store.revision() == revision


# 5: snapshots


@scenario
async def test_a_list_is_in_key_order_and_knows_its_prefix(store: Store) -> None:
    for key in ("/b", "/a/z", "/a/b", "/a", "/ab", "/a0"):
        await put(store, key)
    assert await keys(store, "/a/") == ["/a/b", "/a/z"]
    assert await keys(store, "/a") == ["/a", "/a/b", "/a/z", "/a0", "/ab"]
    assert await keys(store, "/") == ["/a", "/a/b", "/a/z", "/a0", "/ab", "/b"]
    assert await keys(store, "/c") == []


@scenario
async def test_pages_of_one_moment_add_up(store: Store) -> None:
    """Whatever is written between them."""
    for i in range(10):
        await put(store, f"/p/{i}", b"old")
    page = await store.list("/p/", limit=4)
    moment, items = page.revision, page.items
    assert (len(items), page.more, page.remaining) == (4, True, 6)
    await store.txn({}, {"/p/5": b"new", "/p/6": None, "/p/55": b"new", "/p/0": None})
    while page.more:
        page = await store.list("/p/", revision=moment, after=items[-1].key, limit=4)
        assert page.revision == moment
        items += page.items
    assert [item.key for item in items] == [f"/p/{i}" for i in range(10)]
    assert {item.value for item in items} == {b"old"}
    assert page.remaining == 0


@scenario
async def test_the_last_page_says_so(store: Store) -> None:
    for i in range(4):
        await put(store, f"/p/{i}")
    assert not (await store.list("/p/", limit=4)).more
    assert (await store.list("/p/", limit=3)).remaining == 1
    beyond = await store.list("/p/", after="/p/3", limit=3)
    assert (beyond.items, beyond.more, beyond.remaining) == ([], False, 0)
    assert await store.list("/p/", after="/q") == beyond
    assert len((await store.list("/p/", after="/a")).items) == 4


@scenario
async def test_a_list_longer_than_any_page_is_one_moment(store: Store) -> None:
    for start in range(0, 1200, 100):
        await store.txn({}, {f"/many/{i:04}": b"" for i in range(start, start + 100)})
    listing = await store.list("/many/")
    assert [item.key for item in listing.items] == [f"/many/{i:04}" for i in range(1200)]
    assert (listing.more, listing.remaining) == (False, 0)
    page = await store.list("/many/", limit=700)
    assert (len(page.items), page.more, page.remaining) == (700, True, 500)


@scenario
async def test_the_past_can_be_listed(store: Store) -> None:
    """A key that was not there yet, one changed since, one deleted since, one unchanged."""
    await store.txn({}, {"/changed": b"old", "/deleted": b"", "/same": b""})
    then = await store.revision()
    await store.txn({}, {"/changed": b"new", "/deleted": None, "/later": b""})
    past = await store.list("/", revision=then)
    assert [(i.key, i.value) for i in past.items] == [
        ("/changed", b"old"),
        ("/deleted", b""),
        ("/same", b""),
    ]
    assert past.revision == then
    assert await keys(store, "/") == ["/changed", "/later", "/same"]


@scenario
async def test_a_revision_of_its_own_moment_is_named(store: Store) -> None:
    """Even if what was written last lies elsewhere."""
    await put(store, "/a")
    last = await put(store, "/elsewhere")
    assert (await store.list("/a")).revision == last
    assert (await store.list("/nothing")).revision == last


@scenario
async def test_the_future_cannot_be_listed(store: Store) -> None:
    now = await put(store, "/a")
    with pytest.raises(FutureRevision) as future:
        await store.list("/", revision=now + 5)
    assert future.value.revision == now


# 6: complete watches


@scenario
async def test_a_watch_gives_what_happened_and_what_happens(store: Store) -> None:
    first = await put(store, "/w/a", b"1")
    second = await put(store, "/w/a", b"2")
    await put(store, "/x")
    third = await store.txn({}, {"/w/a": None})
    async with aclosing(store.watch("/w/", after=first)) as watch:
        changes = [*await anext(watch)]
        while len(changes) < 2:
            changes += await anext(watch)
        fourth = await put(store, "/w/b", b"4")
        changes += await anext(watch)
    assert changes == [
        Change("/w/a", b"2", second),
        Change("/w/a", None, third),
        Change("/w/b", b"4", fourth),
    ]


@scenario
async def test_a_watch_may_begin_in_the_future(store: Store) -> None:
    """What comes before it is not seen."""
    now = await store.revision()
    watching = asyncio.ensure_future(take(store.watch("/", after=now + 2), 1))
    for i in range(3):
        await put(store, f"/{i}")
    assert [change.key for change in await watching] == ["/2"]


@scenario
async def test_a_slow_watcher_misses_nothing_and_holds_nobody_up(store: Store) -> None:
    start = await store.revision()
    async with aclosing(store.watch("/w/", after=start)) as slow:
        first = await put(store, "/w/0")
        changes = [*await anext(slow)]
        revisions = [await put(store, f"/w/{i}") for i in range(1, 500)]  # it does not read
        while len(changes) < 500:
            changes += await anext(slow)
    assert [change.revision for change in changes] == [first, *revisions]


@scenario
async def test_many_watchers_see_the_same(store: Store) -> None:
    start = await store.revision()
    async with asyncio.TaskGroup() as group:
        watchers = [group.create_task(take(store.watch("/", after=start), 40)) for _ in range(10)]
        for i in range(40):
            await put(store, f"/{i % 7}", b"%d" % i)
    seen = [watcher.result() for watcher in watchers]
    assert all(changes == seen[0] for changes in seen)
    assert [change.value for change in seen[0]] == [b"%d" % i for i in range(40)]


@scenario
async def test_a_watch_resumes_where_another_ended(store: Store) -> None:
    start = await store.revision()
    for i in range(10):
        await put(store, "/w", b"%d" % i)
    seen: Batch = []
    while len(seen) < 10:
        async with aclosing(store.watch("/w", after=seen[-1].revision if seen else start)) as watch:
            batch = await anext(watch)
        first = [change for change in batch if change.revision == batch[0].revision]
        seen += first  # as if the rest had been lost
    assert [change.value for change in seen] == [b"%d" % i for i in range(10)]


# 7: compaction


@scenario
async def test_compaction_keeps_the_present_and_what_comes_after(store: Store) -> None:
    old = await put(store, "/a", b"1")
    await put(store, "/untouched")
    await put(store, "/a", b"2")
    kept = await store.txn({}, {"/gone": b""})
    later = await store.txn({}, {"/a": b"3", "/gone": None})
    await store.compact(kept)
    with pytest.raises(Compacted) as compacted:
        await store.list("/", revision=old)
    assert compacted.value.revision == kept
    assert await keys(store, "/", kept) == ["/a", "/gone", "/untouched"]
    assert [i.value for i in (await store.list("/a", revision=kept)).items] == [b"2"]
    assert await keys(store, "/") == ["/a", "/untouched"]
    assert await take(store.watch("/", after=kept), 2) == [
        Change("/a", b"3", later),
        Change("/gone", None, later),
    ]


@scenario
async def test_a_watch_from_before_the_compaction_is_told(store: Store) -> None:
    first = await put(store, "/a")
    kept = await store.txn({}, {"/a": None})
    await store.compact(kept)
    with pytest.raises(Compacted) as compacted:
        await take(store.watch("/", after=first), 1)
    assert compacted.value.revision == kept
    last = await put(store, "/b")
    assert await take(store.watch("/", after=kept), 1) == [Change("/b", b"", last)]


@scenario
async def test_compacting_the_present_keeps_it(store: Store) -> None:
    """Also if the latest change was a deletion: the revision never goes back."""
    a = await put(store, "/a")
    now = await store.txn({}, {"/b": b""})
    now = await store.txn({}, {"/b": None})
    await store.compact(now)
    assert await store.revision() == now
    assert await keys(store, "/", now) == ["/a"]
    assert await store.txn({"/a": a, "/b": ABSENT}, {"/b": b""}) > now


@scenario
async def test_compacting_twice_or_backwards_does_nothing(store: Store) -> None:
    for i in range(5):
        revision = await put(store, "/a", b"%d" % i)
    for to in (revision - 1, revision - 1, revision - 3, 0):
        await store.compact(to)
    assert await keys(store, "/", revision - 1) == ["/a"]
    with pytest.raises(Compacted) as compacted:
        await store.list("/", revision=revision - 2)
    assert compacted.value.revision == revision - 1


@scenario
async def test_the_future_cannot_be_compacted(store: Store) -> None:
    now = await put(store, "/a")
    with pytest.raises(FutureRevision):
        await store.compact(now + 1)


@scenario
async def test_a_running_watch_survives_compaction(store: Store) -> None:
    start = await store.revision()
    async with aclosing(store.watch("/", after=start)) as watch:
        for i in range(20):
            revision = await put(store, "/a", b"%d" % i)
            assert await anext(watch) == [Change("/a", b"%d" % i, revision)]
            await store.compact(revision)


# 9 and 10: failures, cancellation, the end


@scenario
async def test_a_closed_store_says_so(store: Store) -> None:
    revision = await put(store, "/a")
    watching = asyncio.ensure_future(take(store.watch("/", after=revision), 1))
    await asyncio.sleep(0)
    await store.close()
    await store.close()
    for call in (
        store.get("/a"),
        store.list("/"),
        store.txn({}, {"/a": b""}),
        store.revision(),
        store.compact(revision),
        take(store.watch("/", after=revision), 1),
        watching,
    ):
        with pytest.raises(StoreUnavailable):
            await call


@scenario
async def test_closing_answers_those_who_wait(store: Store) -> None:
    """Each write either happened or says that it did not, or that it may have."""
    writes = [asyncio.ensure_future(put(store, f"/{i}")) for i in range(20)]
    await asyncio.sleep(0)
    await store.close()
    for outcome in await asyncio.gather(*writes, return_exceptions=True):
        assert isinstance(outcome, int | StoreUnavailable)


@scenario
async def test_cancelled_calls_leave_nothing_behind(store: Store) -> None:
    """And the store goes on. (That no task or thread is left is checked after every scenario.)"""
    start = await store.revision()
    calls = [asyncio.ensure_future(put(store, f"/c/{i}")) for i in range(20)]
    watches = [asyncio.ensure_future(take(store.watch("/w/", after=start), 1)) for _ in range(20)]
    past = [asyncio.ensure_future(keys(store, "/", start)) for _ in range(5)]
    await asyncio.sleep(0)
    for task in (*calls, *watches, *past):
        task.cancel()
    outcomes = await asyncio.gather(*calls, *watches, *past, return_exceptions=True)
    assert any(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    revision = await put(store, "/after")
    assert await store.get("/after") == Item("/after", b"", revision)
    assert await take(store.watch("/after", after=start), 1) == [Change("/after", b"", revision)]
