"""Logs: whole lines, as many in one message as are at hand."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from api import clock
from api.errors import BadRequest
from node_agent.runtime.interface import Streams
from node_agent.runtime.model import ContainerStatus
from proto.v1.service_pb2 import LogsRequest, LogsResponse

PIECE = 64 * 1024  # bytes in one message, about
WAITING = 1000  # lines read ahead of a slow caller

Send = Callable[[LogsResponse], Awaitable[None]]


async def send(runtime: Streams, run: ContainerStatus, request: LogsRequest, write: Send) -> None:
    """Until the log ends; a follow ends with the container."""
    since = _since(request)
    lines: asyncio.Queue[bytes | None] = asyncio.Queue(WAITING)

    async def read() -> None:
        found = runtime.logs(
            run.id,
            follow=request.follow,
            tail=request.tailLines if request.HasField("tailLines") else None,
            since=since,
        )
        async for line in found:
            stamp = f"{line.time} ".encode() if request.timestamps else b""
            await lines.put(stamp + line.line)
        await lines.put(None)

    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read())
        await _pass_on(lines, request, write)
        reading.cancel()


async def _pass_on(lines: asyncio.Queue[bytes | None], request: LogsRequest, write: Send) -> None:
    left = request.limitBytes if request.HasField("limitBytes") else None
    more = True
    while more and left != 0:
        piece = bytearray()
        line = await lines.get()
        while line is not None and len(piece) < PIECE:
            piece += line
            if lines.empty():
                break
            line = lines.get_nowait()
        more = line is not None
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        if piece:
            await write(LogsResponse(data=bytes(piece)))


def _since(request: LogsRequest) -> datetime | None:
    if request.HasField("sinceSeconds"):
        return clock.now() - timedelta(seconds=request.sinceSeconds)
    if not request.sinceTime:
        return None
    try:
        moment = datetime.fromisoformat(request.sinceTime)
    except ValueError as error:
        raise BadRequest(f'sinceTime "{request.sinceTime}" is not an RFC 3339 time') from error
    if moment.tzinfo is None:
        raise BadRequest(f'sinceTime "{request.sinceTime}" has no time zone: end it with Z')
    return moment
