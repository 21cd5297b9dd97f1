"""What the runtime has, kept up to date: one list for all pods, made whenever something may have changed.

The engine's hints say when to look; every ten seconds it is looked at anyway, because hints may be lost. Hints that
come while a list is being made are answered by one more list, however many they are.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence

from node_agent.runtime.errors import RuntimeFailure
from node_agent.runtime.interface import Pods
from node_agent.runtime.model import PodRecord

log = logging.getLogger(__name__)

RELIST = 10.0  # seconds
PAUSE = 1.0  # seconds after the runtime could not be asked

# The order of events within the agent: each call gives a larger number. Time itself may stand still between two.
Moment = Callable[[], int]
# Told all records, and the moment at which the list was begun.
Listener = Callable[[Sequence[PodRecord], int], None]


class Records:
    def __init__(
        self, runtime: Pods, listener: Listener, moment: Moment, turned: Callable[[], None]
    ) -> None:
        """`turned` is told when the runtime ceases to answer, or answers again."""
        self._runtime, self._listener = runtime, listener
        self._moment, self._turned = moment, turned
        self._wanted = asyncio.Event()
        self.trouble = "the container runtime has not been asked yet"  # "" while it answers

    def ask(self) -> None:
        """Make a new list soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._look())

    async def _listen(self) -> None:
        async for _ in self._runtime.changes():
            self.ask()

    async def _look(self) -> None:
        while True:
            self._wanted.clear()
            began = self._moment()
            try:
                records = await self._runtime.list()
            except RuntimeFailure as error:
                self._note(str(error))
                await asyncio.sleep(PAUSE)
                continue
            self._note("")
            self._listener(records, began)
            await self._until_wanted()

    def _note(self, trouble: str) -> None:
        if trouble == self.trouble:
            return
        if trouble:
            log.warning("runtime_unavailable error=%r", trouble)
        self.trouble = trouble
        self._turned()

    async def _until_wanted(self) -> None:
        try:
            async with asyncio.timeout(RELIST):
                await self._wanted.wait()
        except TimeoutError:
            pass
