"""Forgets old history in time, whatever store keeps it.

Kubernetes compacts etcd every five minutes to the revision of five minutes ago: whoever lost touch for
less than that can go on where they were. The same here; but under heavy writing five minutes of
history can outgrow the disk, so a pile that is too high, in revisions or bytes, is halved at once.

`due` decides; `run` asks the store how it stands every LOOK seconds and does what is due.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from control_plane.store.contract import Store, StoreUnavailable

logger = logging.getLogger(__name__)

LOOK = 5.0  # seconds


@runtime_checkable
class Weighed(Protocol):
    """A store that knows how much history it keeps (etcd has a quota of its own)."""

    def history_bytes(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Limits:
    every: float = 300.0  # seconds of history that are kept at least, if it is not too much
    revisions: int = 50_000
    bytes: int = 256 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Standing:
    """How things are at one look."""

    revision: int
    compacted: int  # the last revision compacted to
    noted: int  # the revision when `waited` began
    waited: float  # seconds since `noted` was noted
    bytes: int = 0  # of history; 0: not known


def due(now: Standing, limits: Limits) -> int | None:
    """The revision to compact to, if it is time to."""
    pile = now.revision - now.compacted
    if pile > limits.revisions or (now.bytes > limits.bytes and pile > 1):
        return now.revision - min(pile, limits.revisions) // 2
    if now.waited >= limits.every and now.noted > now.compacted:
        return now.noted
    return None


DEFAULT = Limits()


async def run(store: Store, limits: Limits = DEFAULT, *, look: float = LOOK) -> None:
    """Until cancelled. A store that is unavailable is asked again at the next look."""
    noted = compacted = 0  # what an earlier process compacted to is not known, and does not matter
    waited = 0.0
    while True:
        try:
            revision = await store.revision()
            weight = store.history_bytes() if isinstance(store, Weighed) else 0
            noted = noted or revision
            to = due(Standing(revision, compacted, noted, waited, weight), limits)
            if to is not None:
                await store.compact(to)
                compacted = to
                logger.debug("compacted to revision %d of %d", to, revision)
        except StoreUnavailable as error:
            logger.warning("compaction waits: %s", error)
        else:
            if waited >= limits.every:
                noted, waited = revision, 0.0
        await asyncio.sleep(look)
        waited += look
