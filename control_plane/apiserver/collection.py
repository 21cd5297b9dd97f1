"""The verbs about many objects that are made of verbs about one: deletecollection and batch."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable
from typing import TypeVar

from api.client import Delete
from api.errors import ApiError, NotFound
from api.kinds import Kind
from control_plane.apiserver import refusals
from control_plane.apiserver.reads import ListQuery, Page, Reads
from control_plane.apiserver.registry import Place, Registry
from control_plane.apiserver.rules import NAMESPACES
from control_plane.apiserver.selection import Chosen
from control_plane.apiserver.stored import Stored

AT_ONCE = 64  # writes on their way to the store: they are committed together

T = TypeVar("T")
# The object that is written, and the write. Writes of the same object happen in their order.
Step = tuple[Hashable, Callable[[], Awaitable[T]]]


async def run_all(steps: Iterable[Step[T]]) -> list[T | ApiError]:
    """Each succeeds or fails for itself; the results are in the order of the steps."""
    lines: dict[Hashable, list[tuple[int, Callable[[], Awaitable[T]]]]] = {}
    for number, (about, write) in enumerate(steps):
        lines.setdefault(about, []).append((number, write))
    results: dict[int, T | ApiError] = {}
    gate = asyncio.Semaphore(AT_ONCE)

    async def follow(line: list[tuple[int, Callable[[], Awaitable[T]]]]) -> None:
        for number, write in line:
            async with gate:
                try:
                    results[number] = await write()
                except ApiError as error:
                    results[number] = error

    async with asyncio.TaskGroup() as tasks:
        for line in lines.values():
            tasks.create_task(follow(line))
    return [results[number] for number in range(len(results))]


async def delete_collection(
    registry: Registry, reads: Reads, kind: Kind, chosen: Chosen, how: Delete
) -> Page:
    """Delete all that was chosen; answers with what it has deleted, as it was. Raises the first error, if any."""
    if kind is NAMESPACES or not kind.stored:
        raise refusals.not_allowed(kind, "deletecollection")
    page = await reads.list(kind, ListQuery(chosen))

    def step(stored: Stored) -> Step[Stored]:
        namespace, _, name = stored.key.removeprefix(kind.prefix).rpartition("/")
        place = Place(kind, namespace, name)
        return stored.key, lambda: registry.delete(place, how)

    outcomes = await run_all(step(stored) for stored in page.items)
    deleted = [outcome for outcome in outcomes if isinstance(outcome, Stored)]
    for outcome in outcomes:
        # Somebody else was quicker: that is what was wanted.
        if isinstance(outcome, ApiError) and not isinstance(outcome, NotFound):
            raise outcome
    return Page(deleted, page.revision)
