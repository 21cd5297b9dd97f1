"""An event loop where waiting is free: when idle, time jumps to the next timer.

A test of an hour's back-off takes a millisecond and always has the same result. The wall clock (api.clock) follows
the loop's time, from a fixed moment on. A loop that waits for nothing is a deadlock, and says so. Only for what
stays in one thread: SQLite and sockets need real time.
"""

import asyncio
import math
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from api import clock

T = TypeVar("T")

BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)


class _Jump(selectors.DefaultSelector):
    loop: "FakeTimeLoop"

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("deadlock: nothing is ready and no timer is set")
        if not ready and timeout:
            self.loop.now += timeout
        return ready


class FakeTimeLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.now = 0.0  # seconds since BEGINNING
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    @property
    def _clock_resolution(self) -> float:
        """asyncio runs timers early that are due within it. Here none is, or those who look at the clock would wait
        for a moment that does not come while there is anything to do."""
        return math.ulp(self.now)

    @_clock_resolution.setter
    def _clock_resolution(self, _: float) -> None:
        """asyncio sets it to that of the machine's clock."""

    def wall(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.now)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end, with both clocks faked."""
    with asyncio.Runner(loop_factory=FakeTimeLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, FakeTimeLoop)
        clock.use(loop.wall)
        try:
            return runner.run(main)
        finally:
            clock.use(None)
