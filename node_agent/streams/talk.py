"""Exec and attach: input one way, output the other, and at the end how the program ended."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from node_agent.runtime.interface import Stream
from proto.v1.service_pb2 import ExecOpen, ExecRequest, ExecResponse

Send = Callable[[ExecResponse], Awaitable[None]]


async def talk(
    stream: Stream, opening: ExecOpen, requests: AsyncIterator[ExecRequest], write: Send
) -> None:
    """Until the program's output ends, or the caller hangs up."""
    try:
        if opening.tty and opening.HasField("size"):
            await stream.resize(opening.size.width, opening.size.height)
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(_listen(stream, requests))
            while (piece := await stream.read()) is not None:
                channel, data = piece
                said = ExecResponse(stdout=data)
                await write(said if channel == "stdout" else ExecResponse(stderr=data))
            listening.cancel()
        await write(ExecResponse(exitCode=await stream.exit_code()))
    finally:
        await stream.close()


async def _listen(stream: Stream, requests: AsyncIterator[ExecRequest]) -> None:
    with suppress(ConnectionError):  # the program no longer listens; its output may go on
        async for request in requests:
            if request.stdin:
                await stream.write(request.stdin)
            if request.HasField("resize"):
                await stream.resize(request.resize.width, request.resize.height)
            if request.closeStdin:
                await stream.close_stdin()
