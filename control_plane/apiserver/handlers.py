"""gRPC services made of coroutines, and how their failures travel.

Every failure ends as a Status in the trailing metadata (api/errors.py): our own errors as they are, anything else as
InternalError, with the traceback in the log and not in the answer.
"""

import logging
from typing import Any, TypeAlias

import grpc
import grpc.aio

from api import rpc
from api.errors import STATUS_METADATA, ApiError, BadRequest, Internal, status_of

log = logging.getLogger(__name__)

DETAILS = 1000  # characters of a message in the status line; the whole is in the Status

Context: TypeAlias = Any  # a grpc.aio.ServicerContext, for which there are no types


def handler_of(service: str, verbs: dict[str, Any]) -> grpc.GenericRpcHandler:
    """Makes a service of coroutines: each takes (request, context); unary ones return bytes, others write them."""
    makers: dict[str, Any] = {
        "unary_unary": grpc.unary_unary_rpc_method_handler,
        "unary_stream": grpc.unary_stream_rpc_method_handler,
        "stream_stream": grpc.stream_stream_rpc_method_handler,
    }
    handlers: dict[str, Any] = {}
    for method in rpc.methods(service):
        # A malformed request is refused by grpc itself, as INTERNAL; so it is read inside, where we can say more.
        handlers[method.name] = makers[method.shape](
            _guarded(verbs[method.name], method),
            request_deserializer=None,
            response_serializer=None,
        )
    full_name = rpc.methods(service)[0].path.split("/")[1]
    return grpc.method_handlers_generic_handler(full_name, handlers)


def _guarded(verb: Any, method: rpc.Method) -> Any:
    async def call(request: Any, context: Context) -> Any:
        try:
            if not method.streams_in:
                request = _parse(method, request)
            return await verb(request, context)
        except ApiError as error:
            failure: ApiError = error
        except grpc.aio.AbortError:
            raise
        except Exception:
            log.exception("request_failed method=%s", method.name)
            failure = Internal("the server failed to do this; its log says why")
        await abort(context, failure)  # raises
        raise AssertionError

    return call


def _parse(method: rpc.Method, request: bytes) -> Any:
    try:
        return method.request.FromString(request)
    except Exception as error:  # DecodeError
        raise BadRequest(f"this is no {method.request.DESCRIPTOR.name}: {error}") from None


async def abort(context: Context, error: ApiError) -> None:
    """End the call with the error."""
    await context.abort(
        getattr(grpc.StatusCode, error.code),
        error.message[:DETAILS],
        ((STATUS_METADATA, status_of(error).SerializeToString()),),
    )
