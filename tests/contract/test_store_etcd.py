"""The etcd store when etcd, or the way to it, fails: restarts, dead leaders, lost answers, full quota."""

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import grpc
import pytest

from control_plane.store.contract import (
    Ambiguous,
    Batch,
    Change,
    Conflict,
    Item,
    StoreUnavailable,
)
from control_plane.store.etcd import EtcdStore
from control_plane.store.etcd_cluster import Access, Fate, fate
from control_plane.store.etcd_txn import Judgement, anchor_of, judge, seems_ours
from control_plane.store.etcd_watch import Progress
from proto.etcd import kv_pb2 as kv
from proto.etcd import rpc_pb2 as rpc
from tests.etcd_server import EtcdServers, free_ports

# The decisions, without a server


@pytest.mark.parametrize(
    ("expect", "write", "anchor"),
    [
        ({"/a": 5}, {"/a": b"x"}, "/a"),
        ({"/a": 5, "/b": 6}, {"/a": None, "/b": b"x"}, "/b"),
        ({"/a": 5}, {"/a": None}, "/a"),
        ({"/a": 0}, {"/a": b"x"}, None),
        ({"/guard": 5}, {"/a": b"x"}, None),
        ({}, {"/a": b"x"}, None),
    ],
)
def test_what_may_be_sent_again(
    expect: dict[str, int], write: dict[str, bytes | None], anchor: str | None
) -> None:
    """Only what moves a key away from the revision it was expected at."""
    assert anchor_of(expect, write) == anchor


@pytest.mark.parametrize(
    ("first", "judgement"),
    [
        (Change("/a", b"ours", 6), Judgement.OURS),
        (Change("/a", b"theirs", 6), Judgement.CONFLICT),
        (Change("/a", None, 6), Judgement.CONFLICT),
    ],
)
def test_the_first_change_after_tells_whose_it_was(first: Change, judgement: Judgement) -> None:
    assert judge({"/a": 5}, {"/a": b"ours"}, "/a", first, {"/a": None}) is judgement


def test_a_lost_deletion_is_nobodys() -> None:
    first = Change("/a", None, 6)
    assert judge({"/a": 5}, {"/a": None}, "/a", first, {"/a": None}) is Judgement.UNKNOWN


def test_an_unmoved_anchor_means_something_else_is_in_the_way() -> None:
    """For ever, if that is a revision gone; until it is deleted, if that is a key that exists."""
    expect, write = {"/a": 5, "/b": 3}, {"/a": b"x"}
    assert judge(expect, write, "/a", None, {"/b": None}) is Judgement.CONFLICT
    expect["/b"] = 0
    assert judge(expect, write, "/a", None, {"/b": Item("/b", b"", 4)}) is Judgement.UNKNOWN


def test_a_look_recognises_a_creation() -> None:
    write = {"/a": b"1", "/b": b"2", "/c": None}
    ours = {"/a": Item("/a", b"1", 9), "/b": Item("/b", b"2", 9), "/c": None}
    assert seems_ours(write, ours, newer_than=8) == 9
    assert seems_ours(write, ours, newer_than=9) is None
    assert seems_ours(write, {**ours, "/b": Item("/b", b"2", 10)}, newer_than=8) is None
    assert seems_ours(write, {**ours, "/a": Item("/a", b"x", 9)}, newer_than=8) is None
    assert seems_ours(write, {**ours, "/c": Item("/c", b"", 9)}, newer_than=8) is None
    assert seems_ours({"/c": None}, {"/c": None}, newer_than=8) is None


@pytest.mark.parametrize(
    ("code", "details", "expected"),
    [
        ("UNAVAILABLE", "failed to connect to all addresses; last error: …", Fate.NEVER_HAPPENED),
        ("UNAVAILABLE", "etcdserver: no leader", Fate.NEVER_HAPPENED),
        ("UNAVAILABLE", "etcdserver: leader changed", Fate.UNKNOWN),
        ("UNAVAILABLE", "etcdserver: request timed out", Fate.UNKNOWN),
        ("UNAVAILABLE", "Socket closed", Fate.UNKNOWN),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", Fate.UNKNOWN),
        ("RESOURCE_EXHAUSTED", "etcdserver: too many requests", Fate.NEVER_HAPPENED),
        ("RESOURCE_EXHAUSTED", "etcdserver: mvcc: database space exceeded", Fate.REFUSED),
        ("OUT_OF_RANGE", "etcdserver: mvcc: required revision has been compacted", Fate.REFUSED),
        ("PERMISSION_DENIED", "etcdserver: permission denied", Fate.REFUSED),
    ],
)
def test_what_became_of_a_call(code: str, details: str, expected: Fate) -> None:
    assert fate(grpc.StatusCode[code], details) is expected


def event(key: bytes, revision: int) -> kv.Event:
    return kv.Event(kv=kv.KeyValue(key=key, mod_revision=revision))


def test_fragments_are_joined_and_repetitions_dropped() -> None:
    progress = Progress(after=5)
    first = rpc.WatchResponse(events=[event(b"/a", 5), event(b"/a", 6)], fragment=True)
    assert progress.take(first) == []
    assert progress.after == 5
    second = rpc.WatchResponse(events=[event(b"/b", 6)])
    assert [(c.key, c.revision) for c in progress.take(second)] == [("/a", 6), ("/b", 6)]
    assert progress.after == 6


def test_progress_reports_move_the_place_to_resume_from() -> None:
    progress = Progress(after=5)
    assert progress.take(rpc.WatchResponse(header=rpc.ResponseHeader(revision=9))) == []
    assert progress.after == 9


# With servers

pytestmark = pytest.mark.etcd


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EtcdServers]:
    with EtcdServers.started(tmp_path) as servers:
        yield servers


@pytest.fixture
def three(tmp_path: Path) -> Iterator[EtcdServers]:
    with EtcdServers.started(tmp_path, 3) as servers:
        yield servers


@asynccontextmanager
async def connected(*endpoints: str, patience: float = 30) -> AsyncGenerator[EtcdStore, None]:
    store = EtcdStore(Access(endpoints), patience=patience)
    try:
        async with asyncio.timeout(120):
            yield store
    finally:
        await store.close()


def test_nobody_answers() -> None:
    """Said soon, and with the addresses that were tried."""
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"

    async def scenario() -> None:
        async with connected(nowhere, patience=0.5) as store:
            for call in (store.get("/a"), store.txn({}, {"/a": b""}), store.compact(1)):
                with pytest.raises(StoreUnavailable, match=nowhere) as error:
                    await call
                assert not isinstance(error.value, Ambiguous)  # it was never sent
            with pytest.raises(StoreUnavailable, match=nowhere):
                await anext(store.watch("/", after=0))

    asyncio.run(scenario())


async def append(store: EtcdStore, token: str) -> None:
    """Adds a word to a shared text, by compare and swap, exactly once."""
    while True:
        try:
            item = await store.get("/words")
            assert item
            words = item.value.decode().split()
            if token in words:
                return
            await store.txn(
                {"/words": item.revision}, {"/words": " ".join([*words, token]).encode()}
            )
        except (Conflict, StoreUnavailable):
            continue


async def watch_words(store: EtcdStore, after: int, last: str) -> Batch:
    seen: Batch = []
    async with aclosing(store.watch("/words", after=after)) as watch:
        async for batch in watch:
            seen += batch
            if last in (seen[-1].value or b"").decode().split():
                return seen
    return seen


async def work_through(store: EtcdStore, disturb: AsyncGenerator[None, None]) -> None:
    """Words are added while something is done to the servers: none is lost, or there twice."""
    start = await store.txn({}, {"/words": b""})
    watching = asyncio.ensure_future(watch_words(store, start, "last"))
    async with aclosing(disturb):
        async for turn in numbered(disturb):
            await asyncio.gather(*(append(store, f"t{turn}-{i}") for i in range(8)))
    await append(store, "last")
    seen = await watching
    final = await store.get("/words")
    assert final
    words = final.value.decode().split()
    assert len(words) == len(set(words))
    assert words[-1] == "last"
    grown = [(change.value or b"").decode().split() for change in seen]
    assert grown == [words[: n + 1] for n in range(len(words))], "a change was lost or repeated"


async def numbered(turns: AsyncGenerator[None, None]) -> AsyncGenerator[int, None]:
    number = 0
    async for _ in turns:
        yield number
        number += 1


def test_a_restarted_server_is_found_again(server: EtcdServers) -> None:
    async def restarts() -> AsyncGenerator[None, None]:
        yield
        for _ in range(2):
            server.kill(0)
            loop = asyncio.get_running_loop()
            loop.call_later(0.3, server.start, 0)
            yield  # they write while it is down, and coming up

    async def scenario() -> None:
        async with connected(*server.endpoints) as store:
            await work_through(store, restarts())

    asyncio.run(scenario())


def test_a_dead_leader_is_replaced(three: EtcdServers) -> None:
    """Killed, and then merely stopped, as a machine that hangs."""

    async def deaths() -> AsyncGenerator[None, None]:
        yield
        leader = three.leader()
        three.kill(leader)
        yield
        three.start(leader)
        await asyncio.to_thread(three.wait_ready)
        leader = three.leader()
        three.signal(leader, signal.SIGSTOP)
        yield
        three.signal(leader, signal.SIGCONT)

    async def scenario() -> None:
        async with connected(*three.endpoints) as store:
            await work_through(store, deaths())

    asyncio.run(scenario())


class Tap:
    """A TCP relay that can swallow the answers: requests arrive, and nobody hears what became of them."""

    def __init__(self, target: str) -> None:
        self._host, _, port = target.rpartition(":")
        self._port = int(port)
        self.mute = False
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[str, None]:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        host, port = server.sockets[0].getsockname()
        try:
            yield f"{host}:{port}"
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        there_reader, there_writer = await asyncio.open_connection(self._host, self._port)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, there_writer, answers=False))
                group.create_task(self._pump(there_reader, writer, answers=True))
        finally:
            for end in (writer, there_writer):
                end.close()
                with suppress(OSError):
                    await end.wait_closed()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool
    ) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                if not (answers and self.mute):
                    sink.write(data)
                    await sink.drain()
            sink.close()


async def until_written(store: EtcdStore, key: str, value: bytes | None) -> None:
    """Seen by another client, beside the tap."""
    while True:
        item = await store.get(key)
        if (item.value if item else None) == value:
            return


@asynccontextmanager
async def tapped(
    server: EtcdServers, patience: float = 10
) -> AsyncGenerator[tuple[Tap, EtcdStore, EtcdStore], None]:
    """A client whose first way leads through a tap and whose second is direct; and another client."""
    tap = Tap(server.endpoints[0])
    async with (
        tap.open() as endpoint,
        connected(endpoint, *server.endpoints, patience=patience) as store,
        connected(*server.endpoints) as other,
    ):
        yield tap, store, other


def test_an_update_whose_answer_is_lost_is_recognised(server: EtcdServers) -> None:
    """It is sent again, fails its comparison, and the history shows that the first one was ours."""

    async def scenario() -> None:
        async with tapped(server) as (tap, store, other):
            old = await store.txn({}, {"/a": b"old"})
            tap.mute = True
            revision = await store.txn({"/a": old}, {"/a": b"new", "/b": b"new"})
            assert await other.get("/a") == Item("/a", b"new", revision)
            assert revision == old + 1 == await other.revision()

    asyncio.run(scenario())


def test_a_lost_update_is_recognised_under_later_ones(server: EtcdServers) -> None:
    """Though somebody has written over it before it was sent again."""

    async def scenario() -> None:
        async with tapped(server) as (tap, store, other):
            old = await store.txn({}, {"/a": b"old"})
            tap.mute = True
            writing = asyncio.ensure_future(store.txn({"/a": old}, {"/a": b"new"}))
            await until_written(other, "/a", b"new")
            await other.txn({}, {"/a": b"newer"})
            assert await writing == old + 1

    asyncio.run(scenario())


def test_a_lost_update_that_came_too_late_is_a_conflict(server: EtcdServers) -> None:
    async def scenario() -> None:
        async with tapped(server) as (tap, store, other):
            old = await store.txn({}, {"/a": b"old"})
            newer = await other.txn({"/a": old}, {"/a": b"theirs"})
            tap.mute = True
            with pytest.raises(Conflict) as conflict:
                await store.txn({"/a": old}, {"/a": b"ours"})
            assert conflict.value.found == {"/a": Item("/a", b"theirs", newer)}

    asyncio.run(scenario())


def test_a_creation_whose_answer_is_lost_is_recognised(server: EtcdServers) -> None:
    async def scenario() -> None:
        async with tapped(server, patience=3) as (tap, store, other):
            before = await store.txn({}, {"/x": b""})
            tap.mute = True
            revision = await store.txn({"/a": 0}, {"/a": b"new"})
            assert await other.get("/a") == Item("/a", b"new", revision)
            assert revision == before + 1 == await other.revision()

    asyncio.run(scenario())


def test_what_nobody_can_know_is_ambiguous(server: EtcdServers) -> None:
    """A creation that somebody deleted meanwhile, and a deletion. Neither is done twice."""

    async def scenario() -> None:
        async with tapped(server, patience=3) as (tap, store, other):
            await store.txn({}, {"/x": b""})
            tap.mute = True
            creating = asyncio.ensure_future(store.txn({"/a": 0}, {"/a": b"new"}))
            await until_written(other, "/a", b"new")
            await other.txn({}, {"/a": None})
            with pytest.raises(Ambiguous, match="does not answer"):
                await creating
            assert await other.get("/a") is None

        async with tapped(server) as (tap, store, other):
            revision = await store.txn({}, {"/b": b""})
            tap.mute = True
            with pytest.raises(Ambiguous, match="may have happened"):
                await store.txn({"/b": revision}, {"/b": None})
            assert await other.get("/b") is None

    asyncio.run(scenario())


def test_large_catch_ups_arrive_whole(server: EtcdServers) -> None:
    """Several megabytes of history: more than etcd puts in one response, or gRPC takes by default."""

    async def scenario() -> None:
        async with connected(*server.endpoints) as store:
            start, expected = await store.revision(), []
            for i in range(8):
                writes = {f"/big/{i}/{k}": b"x" * 300_000 for k in range(4)}
                revision = await store.txn({}, writes)
                expected += [(key, revision) for key in writes]
            seen: Batch = []
            async with aclosing(store.watch("/big/", after=start)) as watch:
                while len(seen) < len(expected):
                    batch = await anext(watch)
                    assert len(batch) % 4 == 0, "a transaction was split"
                    seen += batch
            assert [(change.key, change.revision) for change in seen] == expected
            assert len((await store.list("/big/")).items) == len(expected)

    asyncio.run(scenario())


def test_a_full_quota_is_said(tmp_path: Path) -> None:
    """Writing is refused, in words that say why; reading goes on."""

    async def scenario(server: EtcdServers) -> None:
        async with connected(*server.endpoints) as store:
            await store.txn({}, {"/a": b"kept"})

            async def fill_up() -> None:
                for i in range(100):
                    await store.txn({}, {f"/fill/{i}": b"x" * 500_000})

            with pytest.raises(StoreUnavailable, match="space exceeded"):
                await fill_up()
            item = await store.get("/a")
            assert item
            assert item.value == b"kept"

    with EtcdServers.started(tmp_path, 1, "--quota-backend-bytes", "8000000") as server:
        asyncio.run(scenario(server))
