"""The keeper of the keys of a running server: opens the store with them, follows the file, and changes keys.

Whatever it does to keys it does to the file first, then to the ring that the store uses, and it goes on only when the
disk has the file and no write under the earlier ring is on its way. That order is the whole safety of a rotation;
what to do is decided in plan.py.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from api import clock
from control_plane.secrets import census, keyfile, plan
from control_plane.secrets.configuration import Configuration
from control_plane.secrets.plan import AddKey, Census, Forget, Promote, Rewrite, Step
from control_plane.secrets.resources import named
from control_plane.secrets.ring import Ring
from control_plane.secrets.store import EncryptedStore
from control_plane.store.contract import CannotOpen, Store, StoreUnavailable

log = logging.getLogger(__name__)

LOOK = 2.0  # seconds between two looks at the file
CATCH_UP = 1.0  # seconds that watchers get before history goes; who is slower than that lists again
PASSES = 5  # through the store, before we believe that somebody writes with another key
TOLD = 20  # lost objects that the log names; `helmling secrets status` names all
EVERY = 50  # objects between two reports of progress


class Busy(Exception):
    """Another change of keys is going on; the message says so."""


class CannotWrite(Exception):
    """The file, or an object; the message says why."""


class Refused(Exception):
    """The file was changed and is of no use; the message says how."""


class Shared(Exception):
    """One server alone may not decide this; the message says what to do."""


@runtime_checkable
class Scrubs(Protocol):
    """A store that can clean its files of what it has forgotten."""

    async def scrub(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Progress:
    said: str  # what is being done
    done: int = 0  # objects
    total: int = 0


class KeyKeeper:
    def __init__(self, store: EncryptedStore, path: Path, *, shared: bool = False) -> None:
        self.store = store
        self.path = path
        self.shared = shared  # other servers may use the store, each with a file of its own
        self._stamp = keyfile.stamp(path)  # of the version that the store uses
        self.refused = ""  # why the file as it is now is not in use; "": it is
        self._changing = asyncio.Lock()  # of the file and the ring, together

    @classmethod
    async def open(
        cls,
        inner: Store,
        path: Path,
        *,
        given: bool = False,
        accept_lost: bool = False,
        shared: bool = False,
    ) -> "KeyKeeper":
        """Raises CannotOpen. `given`: somebody named the file, so it must be there."""
        keyfile.tidy(path)
        try:
            configuration = keyfile.read(path)
        except FileNotFoundError:
            if given:
                raise CannotOpen(f"there is no encryption configuration {path}") from None
            configuration = await _first(inner, path, accept_lost=accept_lost)
            if shared:
                log.warning("copy_needed file=%s for=%r", path, "every other server on this store")
        keeper = cls(EncryptedStore(inner, Ring(configuration)), path, shared=shared)
        keeper._tell_lost(await keeper.census())
        return keeper

    @property
    def configuration(self) -> Configuration:
        return self.store.ring.configuration

    @property
    def changing(self) -> bool:
        """Somebody changes the keys."""
        return self._changing.locked()

    async def census(self) -> Census:
        return await census.take(self.store.inner, self.store.ring)

    async def follow(self, look: float = LOOK) -> None:
        """Until cancelled: take in what others change in the file."""
        while True:
            await asyncio.sleep(look)
            if not self.changing:
                async with self._changing:
                    await self._look_again()

    async def _look_again(self) -> None:
        now = keyfile.stamp(self.path)
        if now is None or now == self._stamp:
            return
        self._stamp = now
        try:
            ring = Ring(keyfile.read(self.path))
            lost = (await self.census()).lost
            await self._check_keeps(ring, len(lost))
            await self.store.use(ring)
            for place, _ in lost:
                await self._bring_back(place)
            self._tell_lost(await self.census())
        except (CannotOpen, FileNotFoundError) as error:
            self.refused = str(error)
            log.warning(
                "encryption_configuration_refused going_on_with=the_last error=%r", str(error)
            )
        except StoreUnavailable as error:
            self._stamp = None  # once more at the next look
            log.warning("encryption_configuration_unchecked error=%r", str(error))
        else:
            self.refused = ""
            log.info("encryption_configuration_read file=%s", self.path)

    async def _check_keeps(self, ring: Ring, lost: int) -> None:
        """More objects than these must not become unreadable. Raises CannotOpen.

        A file without a key that objects are under (an old copy, most likely) is the last moment at which that key can
        be saved, as nobody else may have it. So it is written beside the file.
        """
        then = (await census.take(self.store.inner, ring)).lost
        if len(then) <= lost:
            return
        kept = self.path.with_name(f"{self.path.name}.last")
        try:
            keyfile.write(kept, self.configuration)
        except OSError as error:
            raise CannotOpen(
                f"{self.path} lacks keys that {len(then)} objects need, and the keys in use cannot be "
                f"written to {kept}: {error.strerror}. Do not stop the server before the file has them again"
            ) from None
        raise CannotOpen(
            f"{self.path} lacks keys that {len(then)} objects need ({then[0][1]}). Those in use are in {kept}: take "
            "from there what is missing. To give these objects up, restart the server"
        )

    async def _bring_back(self, place: str) -> None:
        """What can be read again is written again: caches and watchers were shown something else in its place."""
        item = await self.store.inner.get(place)
        if item is not None:
            await self.store.reseal(item, anyway=True)

    def _tell_lost(self, found: Census) -> None:
        if not found.lost:
            return
        names = ", ".join(named(key) for key, _ in found.lost[:TOLD])
        more = len(found.lost) - TOLD
        log.error(
            "unreadable_objects count=%d objects=%r because=%r",
            len(found.lost),
            names + (f" and {more} more" if more > 0 else ""),
            found.lost[0][1],
        )

    async def rotate(self, *, only_server: bool = False) -> AsyncGenerator[Progress, None]:
        """To a new key; or the rest of a rotation that has begun.

        Raises NothingToRotate, Refused, Shared, Busy, CannotWrite. `only_server`: somebody says that no other uses
        the store.
        """
        if self.shared and not only_server:
            raise Shared(
                "other servers may use this etcd, and each reads its own file: a key that only this server knows would "
                "make them unable to read. Change the files by hand (docs/secrets-at-rest.md says how, and the servers "
                "follow them), or say that this is the only server: --only-server"
            )
        async with self._alone():
            steps = plan.rotation(self.configuration, await self.census(), clock.now())
            if not isinstance(steps[0], AddKey):
                yield Progress("finishing the rotation that was begun")
            async with aclosing(self._perform(steps)) as reports:
                async for progress in reports:
                    yield progress

    async def reencrypt(self) -> AsyncGenerator[Progress, None]:
        """Whatever is not under the key that writes. Raises Refused, Busy, CannotWrite."""
        async with self._alone():
            steps = plan.reencryption(await self.census())
            async with aclosing(self._perform(steps)) as reports:
                async for progress in reports:
                    yield progress

    async def remove(self, name: str) -> None:
        """Raises StillNeeded, Refused, Busy, CannotWrite."""
        async with self._alone():
            await self._forget()  # or the past would need the key
            found = await self.census()
            await self._put(plan.without(self.configuration, name, found))

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        if self.changing:
            raise Busy("the keys are being changed already: wait until that has ended")
        async with self._changing:
            await self._look_again()  # the file may be newer than our last look
            if self.refused:  # whoever changed it would lose his change, and not know
                raise Refused(
                    f"{self.refused}\nThe server goes on with what it read last. Mend the file first"
                )
            yield

    async def _perform(self, steps: list[Step]) -> AsyncGenerator[Progress, None]:
        for step in steps:
            yield Progress(str(step))
            match step:
                case AddKey(name):
                    key = keyfile.new_key(name)
                    await self._put(plan.with_key(self.configuration, key))
                case Promote(name):
                    await self._put(plan.promoted(self.configuration, name))
                case Rewrite():
                    async with aclosing(self._rewrite()) as reports:
                        async for progress in reports:
                            yield progress
                case Forget():
                    await self._forget()

    async def _put(self, changed: Configuration) -> None:
        """Into the file, then into use. No cancellation comes in between: the ring is in use before the first wait."""
        ring = Ring(changed)
        try:
            keyfile.write(self.path, changed)
        except OSError as error:
            raise CannotWrite(
                f"cannot write {self.path}: {error.strerror}; the keys are as they were. If the file is meant to be "
                "read-only, change it by hand (docs/secrets-at-rest.md); the server follows it"
            ) from error
        self._stamp = keyfile.stamp(self.path)
        await self.store.use(ring)

    async def _rewrite(self) -> AsyncGenerator[Progress, None]:
        done = 0
        for _ in range(PASSES):
            behind = (await self.census()).behind
            if not behind:
                return
            total = done + behind
            async for item in census.stored(self.store.inner):
                if await self.store.reseal(item):
                    done += 1
                    if done % EVERY == 0:
                        yield Progress("rewriting", done, max(done, total))
            yield Progress("rewriting", done, max(done, total))
        raise CannotWrite(
            "objects under other keys keep appearing: another server on this store seems to have another "
            "encryption configuration; give all of them the same, then run `helmling secrets reencrypt`"
        )

    async def _forget(self) -> None:
        inner = self.store.inner
        revision = await inner.revision()
        await asyncio.sleep(CATCH_UP)
        await inner.compact(revision)
        if isinstance(inner, Scrubs):
            await inner.scrub()


async def _first(inner: Store, path: Path, *, accept_lost: bool) -> Configuration:
    """The configuration of a new cluster."""
    found = await census.take(inner, Ring(Configuration(())))
    if found.lost and not accept_lost:
        names = ", ".join(sorted({name or provider for provider, name in found.uses}))
        raise CannotOpen(
            f"{path} is not there, but the store has encrypted objects ({len(found.lost)}; keys: {names}): put the "
            "file back from a copy, or take it from another server on this store. If it is gone for good, start with "
            "--accept-lost-secrets: those objects stay unreadable, everything else works, and new keys are made"
        )
    configuration = keyfile.default(plan.next_name(Configuration(()), clock.now()))
    try:
        keyfile.write(path, configuration)
    except OSError as error:
        raise CannotOpen(f"cannot write {path}: {error.strerror}") from error
    log.info("encryption_key_made file=%s", path)
    return configuration
