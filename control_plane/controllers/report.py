"""How a controller writes the status that it has worked out: only if it says something new."""

from typing import Any, TypeVar

from api.client import Client

M = TypeVar("M")


async def report(client: Client, obj: M, status: Any, *, whatever_version: bool = False) -> M:
    """The object as it is then; the very same one if there was nothing to write.

    On the base of what was read: raises Conflict if the object has changed since. `whatever_version` is for those whose
    status nobody else writes, so that a cache which lags behind our last report is no hindrance to the next.
    """
    known: Any = obj
    if status == known.status:
        return obj
    copy = type(known)()
    copy.CopyFrom(known)
    copy.status.CopyFrom(status)
    if whatever_version:
        copy.metadata.ClearField("resourceVersion")
    updated: M = await client.update(copy, subresource="status")
    return updated
