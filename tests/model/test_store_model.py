"""Whatever is done to them, all stores hold and say the same; the memory store is the model.

Revisions are compared relative to where each store began, because etcd's go on between examples.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from control_plane.secrets.configuration import PLAIN
from control_plane.secrets.store import EncryptedStore
from control_plane.store.contract import (
    ABSENT,
    Batch,
    Compacted,
    Conflict,
    FutureRevision,
    Item,
    Store,
)
from control_plane.store.open import open_store
from tests import encryption
from tests.etcd_server import EtcdServers

OLD, NEW = encryption.key("old"), encryption.key("new")
# All of them read what the others write.
RINGS = [encryption.ring(*keys) for keys in ((OLD, NEW), (NEW, OLD), (PLAIN, OLD, NEW))]

KEYS = ["/a", "/a/b", "/a/c", "/a0", "/b"]
PREFIXES = ["/", "/a", "/a/", "/b"]
END = "/a/end"  # under "/", "/a" and "/a/"
NOW = -1  # in an expectation: the revision that the key has

keys = st.sampled_from(KEYS)
revisions = st.integers(1, 40)  # relative; most examples stay below
distances = st.integers(-1, 12)  # from the present, back into the past; -1: the future
expectations = st.dictionaries(keys, st.just(NOW) | st.just(ABSENT) | revisions, max_size=2)
writes = st.dictionaries(keys, st.none() | st.binary(max_size=3), max_size=3)


class Subject:
    """One of the stores, with its revisions made relative."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def open(self) -> None:
        self.store: Store = await self._opened()
        self.base = await self.store.revision()

    async def reopen(self) -> None:
        if "memory" in self.url:
            return  # it would forget everything; the others must not
        await self.store.close()
        self.store = await self._opened()

    async def _opened(self) -> Store:
        """A plain one, or an encrypted one."""
        inner = self.url.removeprefix("encrypted+")
        return await (
            open_store(inner) if inner == self.url else encryption.open_encrypted(inner, OLD, NEW)
        )

    def absolute(self, revision: int) -> int:
        return revision + self.base if revision else revision

    def item(self, item: Item | None) -> tuple[str, bytes, int] | None:
        return (item.key, item.value, item.revision - self.base) if item else None

    async def transact(self, expect: dict[str, int], write: dict[str, bytes | None]) -> Any:
        absolute = {key: self.absolute(revision) for key, revision in expect.items()}
        return await self.store.txn(absolute, write) - self.base

    async def listing(self, prefix: str, revision: int, after: str, limit: int) -> Any:
        page = await self.store.list(
            prefix, revision=self.absolute(revision), after=after, limit=limit
        )
        items = [self.item(item) for item in page.items]
        return items, page.revision - self.base, page.more, page.remaining

    async def changes(self, prefix: str, after: int, upto: int) -> Any:
        """Everything that a watch gives, up to a revision at which something under it changed."""
        seen: Batch = []
        async with aclosing(self.store.watch(prefix, after=after + self.base)) as watch:
            while not seen or seen[-1].revision < upto + self.base:
                batch = await anext(watch)
                assert not seen or batch[0].revision > seen[-1].revision, "a transaction was split"
                seen += batch
        ordered = sorted(seen, key=lambda change: (change.revision, change.key))
        assert [c.revision for c in seen] == [c.revision for c in ordered], "out of order"
        return [(change.key, change.value, change.revision - self.base) for change in ordered]

    async def outcome(self, call: Callable[["Subject"], Awaitable[Any]]) -> Any:
        """What a call gives, or the error it raises, in a form to compare."""
        try:
            return await call(self)
        except Conflict as error:
            return "conflict", {key: self.item(item) for key, item in error.found.items()}
        except (Compacted, FutureRevision) as error:
            return type(error).__name__, error.revision - self.base


class StoresAgree(RuleBasedStateMachine):
    urls: ClassVar[list[str]] = []  # of the stores that must agree with the memory store
    clear: ClassVar[Callable[[], None]]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory(prefix="helmling-model-")
        type(self).clear()
        here = [url.replace("{directory}", self.directory.name) for url in self.urls]
        self.subjects = [Subject(url) for url in ("memory://", *here)]
        for subject in self.subjects:
            self.wait(subject.open())

    def wait(self, call: Awaitable[Any]) -> Any:
        async def in_time() -> Any:
            async with asyncio.timeout(60):
                return await call

        return self.loop.run_until_complete(in_time())

    def all(self, call: Callable[[Subject], Awaitable[Any]]) -> Any:
        model, *others = (self.wait(subject.outcome(call)) for subject in self.subjects)
        for subject, other in zip(self.subjects[1:], others, strict=True):
            assert other == model, f"{subject.url} differs"
        return model

    @rule(expect=expectations, write=writes)
    def transact(self, expect: dict[str, int], write: dict[str, bytes | None]) -> None:
        for key in [key for key, revision in expect.items() if revision == NOW]:
            item = self.wait(self.subjects[0].store.get(key))
            expect[key] = item.revision if item else ABSENT
        self.all(lambda subject: subject.transact(expect, write))

    @rule(
        prefix=st.sampled_from(PREFIXES),
        back=distances,
        after=st.just("") | st.sampled_from(KEYS),
        limit=st.integers(0, 3),
    )
    def look_back(self, prefix: str, back: int, after: str, limit: int) -> None:
        revision = self.now() - back
        if revision > 0:
            self.all(lambda subject: subject.listing(prefix, revision, after, limit))

    @rule(prefix=st.sampled_from(PREFIXES[:3]), back=distances)
    def watch(self, prefix: str, back: int) -> None:
        after = max(self.now() - back, 0)
        upto = self.all(lambda subject: subject.transact({}, {END: b""}))
        self.all(lambda subject: subject.changes(prefix, min(after, upto - 1), upto))

    @rule(back=distances)
    def compact(self, back: int) -> None:
        revision = self.now() - back
        self.all(lambda subject: subject.store.compact(subject.absolute(revision)))

    @rule(moves=st.lists(st.tuples(keys, st.none() | st.binary(max_size=2)), max_size=6))
    def go_on(self, moves: list[tuple[str, bytes | None]]) -> None:
        """Several transactions, so that there is a past to look back to."""
        for key, value in moves:
            self.put(key, value)

    @invariant()
    def same_past(self) -> None:
        """Two revisions ago, whatever has happened since."""
        revision = self.now() - 2
        if revision > 0:
            self.all(lambda subject: subject.listing("/", revision, "", 0))

    def put(self, key: str, value: bytes | None) -> None:
        self.all(lambda subject: subject.transact({}, {key: value}))

    def now(self) -> int:
        return int(self.all(lambda subject: subject.transact({}, {})))

    @rule(number=st.integers(0, len(RINGS) - 1))
    def change_keys(self, number: int) -> None:
        """As a rotation does, forwards and backwards: nobody above can tell."""
        for subject in self.subjects:
            if isinstance(subject.store, EncryptedStore):
                self.wait(subject.store.use(RINGS[number]))

    @rule()
    def reopen(self) -> None:
        for subject in self.subjects:
            self.wait(subject.reopen())

    @invariant()
    def same_contents(self) -> None:
        self.all(lambda subject: subject.listing("/", 0, "", 0))

    def teardown(self) -> None:
        for subject in self.subjects:
            self.wait(subject.store.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        self.directory.cleanup()


def agree(urls: list[str], clear: Callable[[], None], examples: int) -> None:
    machine = type("Agree", (StoresAgree,), {"urls": urls, "clear": staticmethod(clear)})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[EtcdServers]:
    with EtcdServers.started(tmp_path) as servers:
        yield servers


def test_sqlite_agrees_with_memory() -> None:
    agree(["sqlite://{directory}/store.db"], lambda: None, examples=60)


def test_encrypted_stores_agree_with_memory() -> None:
    """Who uses them cannot tell."""
    encrypted = ["encrypted+memory://", "encrypted+sqlite://{directory}/store.db"]
    agree(encrypted, lambda: None, examples=40)


@pytest.mark.etcd
def test_all_three_agree(servers: EtcdServers) -> None:
    agree(["sqlite://{directory}/store.db", servers.url], servers.delete_everything, examples=15)
