"""The service `Streams` of proto/v1/service.proto, as the agent offers it.

Each call is one coroutine that ends when one of its sides ends, and takes everything it opened with it.
"""

import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc
import grpc.aio

from api import rpc
from api.errors import STATUS_METADATA, ApiError, Internal, Unavailable, status_of
from api.errors import NotFound as NoSuchObject
from node_agent.runtime.errors import NotFound, RuntimeFailure, RuntimeUnavailable
from node_agent.runtime.interface import Runtime
from node_agent.streams import forward, logs, talk
from node_agent.streams.targets import Targets
from proto.v1.service_pb2 import ExecRequest, LogsRequest, PortForwardRequest

log = logging.getLogger(__name__)

Context: TypeAlias = Any  # a grpc.aio.ServicerContext, for which there are no types
Verb: TypeAlias = Callable[[Any, Context], Coroutine[Any, Any, None]]


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
async def listening(streams: Streams, address: str) -> AsyncIterator[int]:
    """Serve at "127.0.0.1:0" (port 0: any) as long as the block runs; gives the port. Raises RuntimeError."""
    server = grpc.aio.server(options=rpc.SERVER_OPTIONS)
    server.add_generic_rpc_handlers((_handler(streams.verbs()),))
    port = server.add_insecure_port(address)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


def _handler(verbs: Mapping[str, Verb]) -> grpc.GenericRpcHandler:
    makers: dict[str, Any] = {
        "unary_stream": grpc.unary_stream_rpc_method_handler,
        "stream_stream": grpc.stream_stream_rpc_method_handler,
    }
    handlers = {
        method.name: makers[method.shape](
            _guarded(verbs[method.name]),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )
        for method in rpc.methods("Streams")
    }
    full_name = rpc.methods("Streams")[0].path.split("/")[1]
    return grpc.method_handlers_generic_handler(full_name, handlers)


def _guarded(verb: Verb) -> Verb:
    """The verb with its failures turned into a Status."""

    async def call(request: Any, context: Context) -> None:
        try:
            await verb(request, context)
        except StopAsyncIteration:
            pass  # the caller hung up before it said anything
        except grpc.aio.AbortError:
            raise
        except Exception as error:
            await _abort(context, _told(error))

    return call


async def _abort(context: Context, error: ApiError) -> None:
    status = status_of(error).SerializeToString()
    code = getattr(grpc.StatusCode, error.code)
    await context.abort(code, error.message[:1000], ((STATUS_METADATA, status),))


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
    log.error("stream_failed", exc_info=error)
    return Internal("the node's agent failed to do this; its log says why")
