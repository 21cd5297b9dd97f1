"""gRPC services made of coroutines, and how their failures travel.

Every failure ends as a Status in the trailing metadata (api/errors.py): our own errors as they are, anything else as
InternalError, with the traceback in the log and not in the answer.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

import grpc
import grpc.aio

from api import rpc
from api.errors import STATUS_METADATA, ApiError, BadRequest, Internal, status_of

log = logging.getLogger(__name__)

DETAILS = 1000  # characters of a message in the status line; the whole is in the Status

Context: TypeAlias = Any  # a grpc.aio.ServicerContext, for which there are no types


Verb: TypeAlias = Callable[[Any, Context], Awaitable[Any]]
# What went wrong, in the API's words. Never raises.
Translate: TypeAlias = Callable[[BaseException], ApiError]
# Lets a call in, or raises: Unauthorized, Forbidden. Runs before anything of the request is read.
Admit: TypeAlias = Callable[[Context], Awaitable[None]]


def internal(error: BaseException) -> ApiError:
    """Something nobody has foreseen: told in the log, not in the answer."""
    log.error("request_failed", exc_info=error)
    return Internal("the server failed to do this; its log says why")


def handler_of(
    service: str,
    verbs: Mapping[str, Verb],
    *,
    admit: Admit,
    encoded: bool = False,
    translate: Translate = internal,
) -> grpc.GenericRpcHandler:
    """Makes a service of coroutines: each takes (request, context); unary ones return, others write to the context.

    `admit`: who may call at all. There is no default, so that nobody forgets to lock the door.
    `encoded`: replies, and the requests of a stream, are bytes, for whoever passes on what he has.
    """
    makers: dict[str, Any] = {
        "unary_unary": grpc.unary_unary_rpc_method_handler,
        "stream_unary": grpc.stream_unary_rpc_method_handler,
        "unary_stream": grpc.unary_stream_rpc_method_handler,
        "stream_stream": grpc.stream_stream_rpc_method_handler,
    }
    handlers: dict[str, Any] = {}
    for method in rpc.methods(service):
        # A malformed request is refused by grpc itself, as INTERNAL; so it is read inside, where we can say more.
        parsed = method.streams_in and not encoded
        handlers[method.name] = makers[method.shape](
            _guarded(verbs[method.name], method, admit, translate),
            request_deserializer=method.request.FromString if parsed else None,
            response_serializer=None if encoded else method.response.SerializeToString,
        )
    full_name = rpc.methods(service)[0].path.split("/")[1]
    return grpc.method_handlers_generic_handler(full_name, handlers)


def _guarded(verb: Verb, method: rpc.Method, admit: Admit, translate: Translate) -> Verb:
    async def call(request: Any, context: Context) -> Any:
        try:
            await admit(context)
            if not method.streams_in:
                request = _parse(method, request)
            return await verb(request, context)
        except ApiError as error:
            failure: ApiError = error
        except grpc.aio.AbortError:
            raise
        except StopAsyncIteration:
            return None  # the caller hung up before it said anything
        except Exception as error:
            failure = translate(error)
        await abort(context, failure)  # raises
        raise AssertionError

    return call


def _parse(method: rpc.Method, request: bytes) -> Any:
    try:
        return method.request.FromString(request)
    except Exception as error:  # DecodeError
        raise BadRequest(f"this is no {method.request.DESCRIPTOR.name}: {error}") from None


def door(shown: Callable[[], Any], *, certificates: bool) -> grpc.ServerCredentials:
    """What a server shows at a port, renewals included; `certificates`: its clients must show one, too.

    `shown` gives a `grpc.ssl_server_certificate_configuration`, the same object until it has changed.
    """
    last = shown()

    def fetch() -> Any:
        """Called by grpc before every handshake, in a thread of its own; None: as before."""
        nonlocal last
        last, before = shown(), last
        return None if last is before else last

    return grpc.dynamic_ssl_server_credentials(
        last, fetch, require_client_authentication=certificates
    )


async def abort(context: Context, error: ApiError) -> None:
    """End the call with the error."""
    await context.abort(
        getattr(grpc.StatusCode, error.code),
        error.message[:DETAILS],
        ((STATUS_METADATA, status_of(error).SerializeToString()),),
    )
