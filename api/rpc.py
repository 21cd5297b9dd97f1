"""The gRPC service from its descriptors: stubs, handlers' tables, envelopes, errors.

protoc can generate stub classes; we make the same from the descriptors that the messages' module carries, in a few
lines that say what a stub is: a name, a way to write the request and a way to read the reply. One table serves
the asyncio client, the synchronous CLI and the server. This module does not import grpc (100 ms): whoever has a
channel brings it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

from google.protobuf.any_pb2 import Any as Envelope
from google.protobuf.message_factory import GetMessageClass

from api import kinds
from api.client import Delete
from api.errors import STATUS_METADATA, ApiError, BadRequest, from_code, from_status
from proto.v1 import service_pb2
from proto.v1.apps_pb2 import Scale
from proto.v1.authentication_pb2 import TokenRequest
from proto.v1.meta_pb2 import DeleteOptions, ObjectMeta, ObjectReference, Preconditions, Status
from proto.v1.pod_pb2 import Binding
from proto.v1.policy_pb2 import Eviction
from proto.v1.service_pb2 import Target

MAX_MESSAGE = 64 * 1024 * 1024  # bytes: a list of everything fits
WARNING_METADATA = "helmling-warning-bin"  # a sentence for the user; the request has succeeded
MAX_METADATA = 1024 * 1024  # bytes: an error that lists a thousand causes

_SIZES = [
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", MAX_METADATA),
]
# For channels, synchronous or not. A dead server is noticed within 40 s even when nothing is said, and a server
# that restarts is found again within two seconds. Proxies in the environment are for the web, not for us.
CHANNEL_OPTIONS: list[tuple[str, int]] = [
    *_SIZES,
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # in truth: how long connecting may take
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # a new client does not wait because an old one failed
]
SERVER_OPTIONS: list[tuple[str, int]] = [
    *_SIZES,
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.so_reuseport", 0),  # a second server on the same port is an error, not a partner
]


@dataclass(frozen=True, slots=True)
class Method:
    """One row of a service."""

    name: str
    path: str  # "/helmling.v1.Resources/Get"
    request: type[Any]
    response: type[Any]
    streams_in: bool
    streams_out: bool

    @property
    def shape(self) -> str:
        """What grpc calls it: unary_unary, unary_stream, …"""
        words = {False: "unary", True: "stream"}
        return f"{words[self.streams_in]}_{words[self.streams_out]}"


@cache
def methods(service: str) -> tuple[Method, ...]:
    """The table of a service: "Resources" or "Streams"."""
    descriptor = service_pb2.DESCRIPTOR.services_by_name[service]
    return tuple(
        Method(
            method.name,
            f"/{descriptor.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            method.client_streaming,
            method.server_streaming,
        )
        for method in descriptor.methods
    )


def _stub(channel: Any, service: str) -> Any:
    calls: dict[str, Callable[..., Any]] = {}
    for method in methods(service):
        make = getattr(channel, method.shape)
        calls[method.name] = make(
            method.path,
            request_serializer=method.request.SerializeToString,
            response_deserializer=method.response.FromString,
        )
    return SimpleNamespace(**calls)


def sync_stub(channel: Any, service: str = "Resources") -> Any:
    """The service's methods as attributes, on a `grpc.Channel`. Errors: see `error_of`."""
    return _stub(channel, service)


def aio_stub(channel: Any, service: str = "Resources") -> Any:
    """The same on a `grpc.aio.Channel`."""
    return _stub(channel, service)


def error_of(failure: Any) -> ApiError:
    """What a `grpc.RpcError` (of either kind) means. Without our Status it is gRPC itself that speaks."""
    for name, value in failure.trailing_metadata() or ():
        if name == STATUS_METADATA:
            return from_status(Status.FromString(value))
    code = failure.code().name
    if code == "CANCELLED":  # by the server, which is going down
        code = "UNAVAILABLE"
    return from_code(code, failure.details() or f"the server answered {code}")


def pack(obj: Any) -> Envelope:
    """An object as it travels."""
    url = _PARTS.get(type(obj)) or kinds.of(obj).type_url
    return Envelope(type_url=url, value=obj.SerializeToString())


def unpack(envelope: Envelope) -> Any:
    """Raises BadRequest: nobody knows such a kind."""
    kind = kinds.by_url(envelope.type_url)
    if kind is None:
        raise BadRequest(f"no kind of object is called {envelope.type_url!r}")
    return kind.message.FromString(envelope.value)


def unpack_all(envelopes: Any, message: type[Any]) -> Iterator[Any]:
    """When it is known that they are all of one kind."""
    read = message.FromString
    return (read(envelope.value) for envelope in envelopes)


# Messages that are written to subresources, and are no kinds.
_PARTS: dict[type[Any], str] = {
    Binding: f"helmling.dev/{Binding.DESCRIPTOR.full_name}",
    Eviction: f"helmling.dev/{Eviction.DESCRIPTOR.full_name}",
    Scale: kinds.SCALE.type_url,
}
_OF_PODS: dict[type[Any], str] = {Binding: "binding", Eviction: "eviction"}


def target_of_kind(
    message: type[Any], name: str = "", namespace: str = "", subresource: str = ""
) -> Target:
    kind = kinds.of(message)
    return Target(
        group=kind.group,
        resource=kind.plural,
        namespace=namespace if kind.namespaced else "",
        name=name,
        subresource=subresource,
    )


def target_of(obj: Any, subresource: str = "") -> Target:
    """Where a write of this object goes. A Binding or an Eviction goes to its pod, a TokenRequest to its account."""
    meta = obj.metadata
    if isinstance(obj, TokenRequest):
        return Target(
            resource="serviceaccounts",
            namespace=meta.namespace,
            name=meta.name,
            subresource="token",
        )
    if part := _OF_PODS.get(type(obj)):
        return Target(resource="pods", namespace=meta.namespace, name=meta.name, subresource=part)
    return target_of_kind(type(obj), meta.name, meta.namespace, subresource)


def binding(namespace: str, name: str, uid: str, node: str) -> Binding:
    """The object that puts a pod on a node; for `Client.batch`. A uid makes sure it is that very pod."""
    return Binding(
        apiVersion="v1",
        kind="Binding",
        metadata=ObjectMeta(namespace=namespace, name=name, uid=uid),
        target=ObjectReference(kind="Node", name=node),
    )


def eviction(namespace: str, name: str, how: Delete) -> Eviction:
    """The object that asks a pod to leave."""
    return Eviction(
        apiVersion="policy/v1",
        kind="Eviction",
        metadata=ObjectMeta(namespace=namespace, name=name),
        deleteOptions=delete_options(how),
    )


def delete_options(how: Delete) -> DeleteOptions:
    options = DeleteOptions(propagationPolicy=how.propagation)
    if how.grace is not None:
        options.gracePeriodSeconds = how.grace
    if how.uid or how.version:
        options.preconditions.CopyFrom(Preconditions(uid=how.uid, resourceVersion=how.version))
    return options
