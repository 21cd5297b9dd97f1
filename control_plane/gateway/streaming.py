"""Logs, exec and attach: the streams of apiserver/streams.py, for clients that speak HTTP.

Logs are a response that goes on. The others are WebSockets, opened as late as possible: only when the pod, the
container and the node have been looked at, so that whatever is wrong with them is an ordinary answer with an ordinary
Status.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import WSMsgType, web

from api.errors import ApiError, BadRequest
from api.grpc_server import internal
from control_plane.apiserver.server import Offer
from control_plane.gateway import channels
from control_plane.gateway.context import HttpContext
from control_plane.gateway.parameters import Query, flag, number
from control_plane.gateway.paths import Asked
from proto.v1 import service_pb2 as pb

VERBS = {"log": "Logs", "exec": "Exec", "attach": "Attach"}
MAX_MESSAGE = 4 * 1024 * 1024  # bytes of one message of a client
NO_SPDY = (
    "this is a stream: ask for it by WebSocket (kubectl 1.30 and later does), with one of the protocols "
    f"{', '.join(channels.PROTOCOLS)}; SPDY is not spoken here"
)


class Streaming:
    def __init__(self, offer: Offer) -> None:
        self._verbs = offer.streams

    def takes(self, asked: Asked) -> bool:
        return asked.kind.full_name == "pods" and asked.target.subresource in VERBS

    async def answer(
        self, asked: Asked, request: web.BaseRequest, context: HttpContext
    ) -> web.StreamResponse:
        verb = self._verbs[VERBS[asked.target.subresource]]
        if asked.target.subresource == "log":
            text = _Text(request)
            await verb(_logs(asked, request.query), context.writing(text.write))
            return await text.whole()
        socket = _Socket(request, _open(asked, request.query))
        try:
            await verb(socket.messages(), context.writing(socket.write))
        except Exception as error:
            if not socket.opened:
                raise
            await socket.fail(error if isinstance(error, ApiError) else internal(error))
        return await socket.closed()


def _container(asked: Asked, query: Query) -> pb.ContainerTarget:
    target, container = asked.target, query.get("container", "")
    return pb.ContainerTarget(namespace=target.namespace, pod=target.name, container=container)


def _logs(asked: Asked, query: Query) -> pb.LogsRequest:
    bounds = {name: number(query, name) for name in ("sinceSeconds", "tailLines", "limitBytes")}
    return pb.LogsRequest(
        target=_container(asked, query),
        follow=flag(query, "follow"),
        previous=flag(query, "previous"),
        timestamps=flag(query, "timestamps"),
        sinceTime=query.get("sinceTime", ""),
        **{name: value for name, value in bounds.items() if value is not None},
    )


def _open(asked: Asked, query: Any) -> pb.ExecRequest:
    opened = pb.ExecOpen(
        target=_container(asked, query),
        command=query.getall("command", ()),
        stdin=flag(query, "stdin"),
        tty=flag(query, "tty"),
    )
    return pb.ExecRequest(open=opened)


class _Text:
    """A response that grows."""

    def __init__(self, request: web.BaseRequest) -> None:
        self._request = request
        self._response = web.StreamResponse(headers={"Content-Type": "text/plain"})

    async def write(self, message: bytes) -> None:
        await self.whole()
        await self._response.write(pb.LogsResponse.FromString(message).data)

    async def whole(self) -> web.StreamResponse:
        if not self._response.prepared:
            await self._response.prepare(self._request)
        return self._response


class _Socket:
    """A WebSocket that is opened when somebody first waits for input, or has something to say."""

    def __init__(self, request: web.BaseRequest, first: pb.ExecRequest) -> None:
        self._request, self._first = request, first
        self._socket = web.WebSocketResponse(
            protocols=channels.PROTOCOLS, max_msg_size=MAX_MESSAGE, heartbeat=30.0
        )
        self._opening = asyncio.Lock()

    @property
    def opened(self) -> bool:
        return self._socket.prepared

    async def _opened(self) -> web.WebSocketResponse:
        async with self._opening:
            if not self.opened:
                if not self._socket.can_prepare(self._request).ok:
                    raise BadRequest(NO_SPDY)
                await self._socket.prepare(self._request)
        return self._socket

    async def messages(self) -> AsyncIterator[bytes]:
        """What the client says; first, what it wants opened."""
        yield self._first.SerializeToString()
        socket = await self._opened()
        while True:
            message = await socket.receive()
            if message.type is WSMsgType.BINARY:
                read = channels.read(message.data, socket.ws_protocol or "")
                if read is not None:
                    yield read.SerializeToString()
            elif message.type is not WSMsgType.TEXT:
                return  # closed, one way or another

    async def write(self, message: bytes) -> None:
        socket = await self._opened()
        for each in channels.written(pb.ExecResponse.FromString(message)):
            await socket.send_bytes(each)

    async def fail(self, error: ApiError) -> None:
        if not self._socket.closed:
            await self._socket.send_bytes(channels.failed(error))

    async def closed(self) -> web.StreamResponse:
        socket = await self._opened()
        if not socket.closed:
            await socket.close()
        return socket
