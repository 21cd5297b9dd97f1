"""The loop every controller shares; a controller itself is one function.

It is level-triggered: a reconciler is given a key, never an event. It reads the world, moves it one step towards
the spec, and may ask to be called again. What it must not do is handle errors: whatever goes wrong rises to this
loop, the only place that retries, each time after a longer pause.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable

from api.errors import ApiError
from api.workqueue import WorkQueue

log = logging.getLogger(__name__)

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 60.0  # seconds: 0.1, 0.2, 0.4, … 51.2, 60

# Called with a key. Returns the seconds after which it wants to be called again, or None.
Reconcile = Callable[[str], Awaitable[float | None]]


def pause(failures: int) -> float:
    """Seconds to wait after that many failures in a row."""
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)


async def run(queue: WorkQueue, reconcile: Reconcile, *, workers: int = 4, name: str = "") -> None:
    """Reconcile keys from `queue` until cancelled."""
    failures: Counter[str] = Counter()

    async def work() -> None:
        while True:
            async with queue.take() as key:
                again_in = await _attempt(reconcile, key, failures, name)
                if again_in is not None:
                    queue.add_later(key, again_in)

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(workers):
                tasks.create_task(work())
    finally:
        queue.close()


async def _attempt(
    reconcile: Reconcile, key: str, failures: Counter[str], name: str
) -> float | None:
    try:
        again_in = await reconcile(key)
    except Exception as error:
        # Stale caches, lost races and a server that restarts are routine: every error is a retry.
        failures[key] += 1
        again_in = pause(failures[key])
        told = isinstance(error, ApiError)  # it says all there is to say; anything else is a bug
        log.log(
            logging.INFO if told else logging.ERROR,
            "reconcile_failed controller=%s key=%s failures=%d retry_in=%.1f error=%r",
            *(name, key, failures[key], again_in, str(error)),
            exc_info=not told,
        )
    else:
        failures.pop(key, None)
    return again_in
