"""Keeps one table of the kernel what its producers say it should be.

Each producer (services, policies) hands over all that the table should contain for its part. The keeper adds them up,
finds the difference to what it applied last, and gives it to the kernel as one transaction. At the start, and when
somebody else has changed the table, it makes the table anew, in one transaction too: no packet ever meets half a table.
What an agent before us left in the kernel works on until then.
"""

import asyncio
import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from node_agent.network.proxy.drift import DriftWatch
from node_agent.network.proxy.nft import Nft, NftRefused, new_maker, open_nft
from node_agent.network.proxy.table import NotInPlace, Table, anew, diff, merged

log = logging.getLogger(__name__)

PAUSE = 2.0  # seconds after the table could not be made
REST = 0.5  # seconds after a repair: somebody who changes the table again and again shall not take a core of us
_ELEMENTS = re.compile(r"elements = \{(.*?)\}", re.DOTALL)


class TableKeeper:
    """Owner of the table of this name. `run` must be running for changes by others to be repaired.

    State, all of it changed under `_changing` only, but `_contents`:
    `_contents` is what each producer wants, `_applied` what the kernel has; None: that is not known. `_maker` is the
    name of what changes the table for us.
    Nothing is applied before every producer has said what it wants: when an agent comes back, the first of them would
    otherwise take away what the others had there.
    """

    def __init__(
        self, name: str, producers: Sequence[str], opened: Callable[[str], Nft] = open_nft
    ) -> None:
        self.name = name
        self._producers, self._opened = tuple(producers), opened
        self._contents: dict[str, Table] = {}
        self._complete = asyncio.Event()
        self._applied: Table | None = None
        self._changing = asyncio.Lock()
        self._thread = ThreadPoolExecutor(
            1, thread_name_prefix="nft"
        )  # the library is not for several
        self._nft: Nft | None = None
        self._watch: DriftWatch | None = None
        self._drifted = asyncio.Event()  # somebody changed the table since it was made anew
        self._maker = new_maker()

    async def put(self, producer: str, contents: Table) -> None:
        """All that this producer wants; when this returns, the kernel has it. Raises NftRefused: nothing of it."""
        self._contents[producer] = contents
        if self._contents.keys() >= set(self._producers):
            self._complete.set()
        await self._complete.wait()
        async with self._changing:
            await self._apply()

    async def run(self) -> None:
        """Repair what others change, until cancelled. The table stays when we go."""
        try:
            self._watch = DriftWatch(self.name, self._maker, self._hear)
        except OSError as error:
            log.warning("table_unwatched table=%s error=%r", self.name, str(error))
            return
        try:
            while True:
                await self._drifted.wait()
                await self._repair()
                await asyncio.sleep(REST)
        finally:
            self._watch.close()
            self._watch = None

    async def remove(self) -> None:
        """Take the table away."""
        async with self._changing:
            await self._run(f"add table ip {self.name}\ndelete table ip {self.name}\n")
            self._applied = None

    def close(self) -> None:
        self._thread.shutdown(wait=True)

    def _hear(self, why: str) -> None:
        log.warning("table_changed_by_others table=%s because=%r", self.name, why)
        self._drifted.set()

    async def _repair(self) -> None:
        try:
            async with self._changing:
                if self._drifted.is_set():
                    await self._apply()
        except NftRefused as error:
            log.warning("table_not_repaired table=%s error=%r", self.name, str(error))
            await asyncio.sleep(PAUSE)
            self._drifted.set()

    async def _apply(self) -> None:
        """Bring the kernel from what it has to what is wanted; should we be cut off, nothing is known of it."""
        wanted = merged(self._contents[one] for one in self._producers)
        before, self._applied = self._applied, None
        if before is None or self._drifted.is_set():
            await self._anew(wanted)
        else:
            try:
                if commands := diff(self.name, before, wanted):
                    await self._run(commands)
            except (NotInPlace, NftRefused) as error:
                log.warning("table_made_anew table=%s because=%r", self.name, str(error))
                await self._anew(wanted)
        self._applied = wanted

    async def _anew(self, wanted: Table) -> None:
        self._drifted.clear()
        await self._run(anew(self.name, wanted, await self._remembered(wanted)))

    async def _remembered(self, wanted: Table) -> dict[str, str]:
        """What the kernel itself put into dynamic sets: which client was led where. It outlives the table."""
        found = {}
        for name, one in wanted.sets.items():
            if one.dynamic:
                try:
                    shown = await self._run(f"list map ip {self.name} {name}\n")
                except NftRefused:
                    continue  # there is none yet
                match = _ELEMENTS.search(shown)
                if match:
                    found[name] = match[1]
        return found

    async def _run(self, commands: str) -> str:
        return await asyncio.get_running_loop().run_in_executor(
            self._thread, self._blocking, commands
        )

    def _blocking(self, commands: str) -> str:
        if self._nft is None:
            self._nft = self._opened(self._maker)
        return self._nft.run(commands)
