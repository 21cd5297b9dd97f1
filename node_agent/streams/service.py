"""The service `Streams` of proto/v1/service.proto, as the agent offers it.

Each call is one coroutine that ends when one of its sides ends, and takes everything it opened with it.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import grpc
import grpc.aio

from api import rpc
from api.errors import ApiError, Internal, Unavailable
from api.errors import NotFound as NoSuchObject
from api.grpc_server import Admit, Context, Verb, handler_of, internal
from node_agent.runtime.errors import NotFound, RuntimeFailure, RuntimeUnavailable
from node_agent.runtime.interface import Runtime
from node_agent.streams import forward, logs, talk
from node_agent.streams.targets import Targets
from proto.v1.service_pb2 import ExecRequest, LogsRequest, PortForwardRequest


class Streams:
    """The four verbs."""

    def __init__(self, targets: Targets, runtime: Runtime) -> None:
        self._targets, self._runtime = targets, runtime

    def verbs(self) -> Mapping[str, Verb]:
        return {
            "Logs": self._logs,
            "Exec": self._exec,
            "Attach": self._attach,
            "PortForward": self._port_forward,
        }

    async def _logs(self, request: LogsRequest, context: Context) -> None:
        run = self._targets.logged(request.target, previous=request.previous)
        await logs.send(self._runtime, run, request, context.write)

    async def _exec(self, requests: AsyncIterator[ExecRequest], context: Context) -> None:
        opening = (await anext(requests)).open
        run = self._targets.running(opening.target)
        stream = await self._runtime.exec_stream(
            run.id, list(opening.command), tty=opening.tty, stdin=opening.stdin
        )
        await talk.talk(stream, opening, requests, context.write)

    async def _attach(self, requests: AsyncIterator[ExecRequest], context: Context) -> None:
        opening = (await anext(requests)).open
        run = self._targets.running(opening.target)
        stream = await self._runtime.attach(run.id)
        await talk.talk(stream, opening, requests, context.write)

    async def _port_forward(
        self, requests: AsyncIterator[PortForwardRequest], context: Context
    ) -> None:
        opening = (await anext(requests)).open
        sandbox = self._targets.sandbox(opening.namespace, opening.pod)
        path = await self._runtime.netns_path(sandbox.id)
        await forward.forward(path, opening.port, requests, context.write)


@asynccontextmanager
async def listening(
    streams: Streams, address: str, credentials: grpc.ServerCredentials, admit: Admit
) -> AsyncIterator[int]:
    """Serve at "127.0.0.1:0" (port 0: any) as long as the block runs; gives the port. Raises RuntimeError."""
    server = grpc.aio.server(options=rpc.SERVER_OPTIONS)
    handler = handler_of("Streams", streams.verbs(), admit=admit, translate=_told)
    server.add_generic_rpc_handlers((handler,))
    port = server.add_secure_port(address, credentials)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def _told(error: BaseException) -> ApiError:
    """What went wrong, in the API's words; the first of several."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, ApiError):
        return error
    if isinstance(error, NotFound):
        return NoSuchObject(str(error))
    if isinstance(error, RuntimeUnavailable):
        return Unavailable(str(error))
    if isinstance(error, RuntimeFailure):
        return Internal(str(error))
    return internal(error)
