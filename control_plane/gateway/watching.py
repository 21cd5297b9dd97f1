"""A watch over HTTP: one line of JSON per event, for as long as the client listens.

What is wrong before the first event is an ordinary refusal. What goes wrong later can only be said in the stream, as an
event of the type ERROR with the Status in it; a server that is going down says nothing and hangs up, so that the client
comes back to the next one and resumes.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import web

from api import clock
from api.errors import ApiError, Unavailable
from api.grpc_server import Verb, internal
from control_plane.apiserver.stored import Stored
from control_plane.gateway import failures
from control_plane.gateway.answers import warn
from control_plane.gateway.context import HttpContext
from control_plane.gateway.parameters import flag, number
from control_plane.gateway.paths import Asked
from control_plane.gateway.rows import Rows
from proto.v1 import service_pb2 as pb

LONGEST = (1800.0, 3600.0)  # seconds: when nothing was said, watches end, and not all at once
Show = Callable[[Stored], Any]


async def watch(
    verb: Verb, asked: Asked, request: web.BaseRequest, context: HttpContext, show: Rows | Show
) -> web.StreamResponse:
    """Raises ApiError as long as nothing was sent."""
    lines = _Lines(request, show, context)
    seconds = number(request.query, "timeoutSeconds") or random.uniform(*LONGEST)
    try:
        async with asyncio.timeout(seconds):
            await verb(_message(asked, request), context.writing(lines.write))
    except TimeoutError:
        await lines.begin()
    except (ApiError, ConnectionError) as error:
        if not lines.begun:
            raise
        if isinstance(error, ApiError):
            await lines.end(error)
    except Exception as error:
        if not lines.begun:
            raise
        await lines.end(internal(error))
    return lines.response


def _message(asked: Asked, request: web.BaseRequest) -> pb.WatchRequest:
    target, query = asked.target, request.query
    fields = query.get("fieldSelector", "")
    if target.name:
        fields = ",".join(filter(None, (fields, f"metadata.name={target.name}")))
    return pb.WatchRequest(
        target=pb.Target(group=target.group, resource=target.resource, namespace=target.namespace),
        labelSelector=query.get("labelSelector", ""),
        fieldSelector=fields,
        resourceVersion=query.get("resourceVersion", ""),
        allowWatchBookmarks=flag(query, "allowWatchBookmarks"),
        sendInitialEvents=flag(query, "sendInitialEvents"),
    )


class _Lines:
    """Owner of the response."""

    def __init__(self, request: web.BaseRequest, show: Rows | Show, context: HttpContext) -> None:
        self._request, self._show, self._context = request, show, context
        self.response = web.StreamResponse(headers={"Content-Type": "application/json"})
        self._columns = True  # of a table: they come with the first event only

    @property
    def begun(self) -> bool:
        return self.response.prepared

    async def begin(self) -> None:
        if not self.begun:
            warn(self.response, self._context.warnings)
            await self.response.prepare(self._request)

    async def write(self, seen: list[tuple[str, Stored]]) -> None:
        await self.begin()
        if seen:
            await self.response.write(b"".join(self._line(*each) for each in seen))

    def _line(self, type: str, stored: Stored) -> bytes:
        return orjson.dumps({"type": type, "object": self._object(stored)}) + b"\n"

    def _object(self, stored: Stored) -> Any:
        if not isinstance(self._show, Rows):
            return self._show(stored)
        meta = {"resourceVersion": str(stored.revision)}
        items = [stored] if stored.key else []  # a bookmark is about none
        columns, self._columns = self._columns, self._columns and not items
        return self._show.table(items, meta, clock.now(), columns=columns)

    async def end(self, error: ApiError) -> None:
        if not isinstance(error, Unavailable):
            event = {"type": "ERROR", "object": failures.status(error)}
            await self.response.write(orjson.dumps(event) + b"\n")
