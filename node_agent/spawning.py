"""Tasks in a group that may be ending: then nothing new begins, and whoever asked is ending too."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def spawn(tasks: asyncio.TaskGroup, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task of the group. Raises CancelledError when the group is ending."""
    try:
        return tasks.create_task(work)
    except RuntimeError:
        work.close()
        raise asyncio.CancelledError("the agent is ending") from None
