"""Waiting for what no event tells, in tests without an event loop."""

import time
from collections.abc import Callable

DEADLINE = 60  # seconds; generous, as nothing here is a measurement


def eventually(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, f"not within {DEADLINE} s"
        time.sleep(0.05)
