"""The work queue and the controller loop, in fake time."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest

from api import controller
from api.errors import Conflict
from api.workqueue import WorkQueue
from tests import fake_time


async def run_for(work: Coroutine[Any, Any, None], seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await work


def now() -> float:
    return round(asyncio.get_running_loop().time(), 3)


def test_events_about_one_key_coalesce_and_its_reconciles_never_overlap() -> None:
    async def main() -> None:
        queue, seen, active = WorkQueue(), [], set()

        async def reconcile(key: str) -> None:
            assert key not in active
            active.add(key)
            seen.append(key)
            if len(seen) == 1:
                queue.add(key)
                queue.add(key)
            await asyncio.sleep(1)
            active.discard(key)

        for _ in range(5):
            queue.add("a")
        assert len(queue) == 1
        await run_for(controller.run(queue, reconcile, workers=3), 100)
        assert seen == ["a", "a"]
        assert queue.idle

    fake_time.run(main())


def test_different_keys_are_worked_on_at_the_same_time() -> None:
    async def main() -> None:
        queue, done = WorkQueue(), []

        async def reconcile(key: str) -> None:
            await asyncio.sleep(1)
            done.append((key, now()))

        for key in "abc":
            queue.add(key)
        await run_for(controller.run(queue, reconcile, workers=2), 100)
        assert done == [("a", 1), ("b", 1), ("c", 2)]

    fake_time.run(main())


@pytest.mark.parametrize("error", [ValueError("a bug"), Conflict("somebody was quicker")])
def test_pauses_grow_after_failures_and_are_forgotten_after_a_success(error: Exception) -> None:
    async def main() -> None:
        queue, at = WorkQueue(), []

        async def reconcile(key: str) -> float | None:
            at.append(now())
            if len(at) in (5, 7):
                return 10 if len(at) == 5 else None
            raise error

        queue.add("a")
        await run_for(controller.run(queue, reconcile), 3600)
        assert at == [0, 0.1, 0.3, 0.7, 1.5, 11.5, 11.6]

    fake_time.run(main())


def test_pauses_have_a_longest() -> None:
    assert [controller.pause(n) for n in (1, 2, 10, 11, 5000)] == [0.1, 0.2, 51.2, 60, 60]


@pytest.mark.parametrize("delays", [(5, 9), (9, 5), (5, 5), (9, 7, 5, 8)])
def test_of_several_times_for_a_key_the_earliest_wins(delays: tuple[float, ...]) -> None:
    async def main() -> None:
        queue, at = WorkQueue(), []

        async def reconcile(key: str) -> None:
            at.append(now())

        for delay in delays:
            queue.add_later("a", delay)
        assert queue.idle
        await run_for(controller.run(queue, reconcile), 100)
        assert at == [5]

    fake_time.run(main())


def test_no_timer_outlives_the_queue() -> None:
    async def main() -> None:
        queue = WorkQueue()
        queue.add_later("a", 5)
        queue.add_later("b", 5)
        await run_for(controller.run(queue, reconcile=None), 1)  # type: ignore[arg-type]
        await asyncio.sleep(10)
        assert queue.idle

    fake_time.run(main())


def test_a_cancelled_worker_loses_no_key() -> None:
    async def main() -> None:
        queue = WorkQueue()

        async def take() -> str:
            async with queue.take() as key:
                return key

        waiting = asyncio.create_task(take())
        await asyncio.sleep(0)
        waiting.cancel()
        queue.add("a")
        assert await take() == "a"

    fake_time.run(main())


def test_a_loop_that_waits_for_nothing_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="deadlock"):
        fake_time.run(asyncio.Event().wait())
