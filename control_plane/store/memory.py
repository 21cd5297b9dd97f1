"""The store in memory: the contract and nothing else. For tests; read it before the others."""

from collections.abc import AsyncGenerator, Mapping

from control_plane.store.contract import (
    ABSENT,
    Batch,
    Change,
    Conflict,
    Item,
    Listing,
    check_transaction,
)
from control_plane.store.state import Live, State


class MemoryStore:
    """No method awaits between looking and changing: that alone makes transactions serial."""

    def __init__(self) -> None:
        self._state = State()
        self._base = (
            Live()
        )  # the state at _state.compacted; the history leads from it to the present

    async def get(self, key: str) -> Item | None:
        self._state.require_open()
        return self._state.live.get(key)

    async def list(
        self, prefix: str, *, revision: int = 0, after: str = "", limit: int = 0
    ) -> Listing:
        self._state.require_open()
        if revision in (0, self._state.revision):
            return self._state.live.page(prefix, after, limit, self._state.revision)
        self._state.require_happened(revision)
        self._state.require_readable(revision)
        past = self._base.copy()
        past.apply(self._state.history.through(revision))
        return past.page(prefix, after, limit, revision)

    async def txn(self, expect: Mapping[str, int], write: Mapping[str, bytes | None]) -> int:
        check_transaction(expect, write)
        self._state.require_open()
        found = {key: self._state.live.get(key) for key in expect}
        if wrong := {k: i for k, i in found.items() if (i.revision if i else ABSENT) != expect[k]}:
            raise Conflict(wrong)
        revision = self._state.revision + 1
        changes = [Change(key, value, revision) for key, value in write.items()]
        changes = [c for c in changes if c.value is not None or self._state.live.get(c.key)]
        if changes:
            self._state.commit(changes)
            self._state.announce()
        return self._state.revision

    def watch(self, prefix: str, *, after: int) -> AsyncGenerator[Batch, None]:
        return self._state.follow(prefix, after)

    async def revision(self) -> int:
        self._state.require_open()
        return self._state.revision

    async def compact(self, revision: int) -> None:
        self._state.require_open()
        self._state.require_happened(revision)
        if revision > self._state.compacted:
            self._base.apply(self._state.history.through(revision))
            self._state.history.forget(revision)
            self._state.compacted = revision

    async def close(self) -> None:
        self._state.close()
