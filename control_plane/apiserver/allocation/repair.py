"""Claims and Services made to agree again: at each start of a server, for stores that somebody else has written to.

Both are read as of one moment, and each correction demands that what it is about has not changed since, so it can run
beside other servers.
"""

import logging

from api import kinds
from control_plane.apiserver.allocation.claims import ROOT, Claim, claims, owner
from control_plane.apiserver.errors import store_errors
from control_plane.store.contract import ABSENT, Conflict, Item, Store, Unreadable
from proto.v1.network_pb2 import Service

log = logging.getLogger(__name__)
_SERVICES = kinds.of(Service)


async def repair(store: Store) -> int:
    """How many claims were wrong. Raises Unavailable."""
    with store_errors():
        found = await store.list(_SERVICES.prefix)
        held = await store.list(ROOT, revision=found.revision)
        there = {item.key: item for item in held.items}
        wanted: dict[str, tuple[Claim, Item]] = {}
        doubtful = False  # a service that nobody can read may hold any of them
        for item in found.items:
            if isinstance(item.value, Unreadable):
                doubtful = True
                continue
            for claim in claims(Service.FromString(item.value)).values():
                wanted.setdefault(claim.key, (claim, item))
        missing = [key for key in wanted if key not in there]
        stale = [] if doubtful else [key for key in there if key not in wanted]
        for key in missing:
            await _add(store, key, wanted[key][1])
        for key in stale:
            await _write(store, {key: there[key].revision}, {key: None})
    if missing or stale:
        log.warning("service claims repaired missing=%d stale=%d", len(missing), len(stale))
    return len(missing) + len(stale)


async def _add(store: Store, key: str, item: Item) -> None:
    holder = owner(Service.FromString(item.value))
    await _write(store, {key: ABSENT, item.key: item.revision}, {key: holder})


async def _write(store: Store, expect: dict[str, int], write: dict[str, bytes | None]) -> None:
    try:
        await store.txn(expect, write)
    except Conflict:
        log.info("somebody was quicker key=%s", next(iter(write)))
